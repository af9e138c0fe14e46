import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Cards from "@cloudscape-design/components/cards";
import Header from "@cloudscape-design/components/header";
import Link from "@cloudscape-design/components/link";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";
import { bytes, count } from "../../format.ts";
import { type Key, useText } from "../../i18n/text.tsx";
import { reasonName } from "../../parts/names.ts";
import { things } from "../../parts/things.ts";
import { textsOf } from "./classes.ts";
import { type FailedClass, useFailed } from "./failed.ts";
import type { Retry } from "./retry.ts";
import { skipsOf } from "./skips.ts";
import type { WholeTask } from "./task.tsx";

interface Props {
  task: WholeTask;
  every: number | false;
  retry: Retry;
  /** Stands above the classes. */
  title: string;
  onChoose: (errorClass: string) => void;
}

/** Why objects failed, and why the latest pass left some out. */
export function Reasons(props: Props) {
  const failed = useFailed(props.task, props.every);
  if (!failed) return null;
  // A retry leaves nothing out: it takes up what failed only.
  const pass = failed.runs.find((r) => r.trigger !== "retry");
  const skipped = pass ? skipsOf(pass) : [];
  return (
    <>
      {failed.classes.length > 0 && (
        <Failed
          title={props.title}
          ofImages={props.task.type === "ECR"}
          errors={failed.classes}
          retry={props.retry}
          onChoose={props.onChoose}
        />
      )}
      {skipped.length > 0 && <Skipped skips={skipped} ofImages={props.task.type === "ECR"} />}
    </>
  );
}

/** Each class of failures: how many there are, what it means, what to do about it, and the retry of all of them. */
function Failed(props: { title: string; ofImages: boolean; errors: FailedClass[]; retry: Retry; onChoose: (errorClass: string) => void }) {
  const text = useText();
  const { retry, ofImages } = props;
  const countOf = (e: FailedClass) => {
    const said = things(e.count, ofImages, text);
    return e.more ? text("task.objects.atLeast", { count: said }) : said;
  };
  return (
    <Cards
      header={<Header variant="h2">{props.title}</Header>}
      ariaLabels={{ selectionGroupLabel: props.title, itemSelectionLabel: (_, e) => e.name }}
      items={props.errors}
      trackBy="name"
      // One alone takes all of the row.
      cardsPerRow={props.errors.length === 1 ? [{ cards: 1 }] : [{ cards: 1 }, { minWidth: 700, cards: 2 }]}
      cardDefinition={{
        header: (e) => (
          <Link fontSize="heading-m" onFollow={() => props.onChoose(e.name)}>
            {e.name}
          </Link>
        ),
        sections: [
          {
            id: "class",
            content: (e) => (
              <SpaceBetween size="xs">
                <Box variant="strong">{countOf(e)}</Box>
                <div>{text(textsOf(e.name, ofImages).means)}</div>
                <Box color="text-body-secondary">{text("error.next", { next: text(textsOf(e.name, ofImages).fix) })}</Box>
                <Button
                  disabled={retry.why !== undefined}
                  disabledReason={retry.why}
                  loading={retry.busy}
                  ariaLabel={`${text("task.objects.retryClass")}: ${e.name}`}
                  onClick={() => retry.begin({ errorClass: e.name })}
                >
                  {text("task.objects.retryClass")}
                </Button>
              </SpaceBetween>
            ),
          },
        ],
      }}
    />
  );
}

/** What was left out, with why; the objects themselves are named in the run's report. */
function Skipped(props: { skips: ReturnType<typeof skipsOf>; ofImages: boolean }) {
  const text = useText();
  return (
    <Table
      header={
        <Header variant="h2" description={text("task.skips.text")}>
          {text("task.skips")}
        </Header>
      }
      items={props.skips}
      trackBy="reason"
      wrapLines
      ariaLabels={{ tableLabel: text("task.skips") }}
      columnDefinitions={[
        {
          id: "reason",
          header: text("task.objects.error"),
          cell: (s) => reasonName(s.reason, text) || text("tally.SKIPPED"),
          isRowHeader: true,
        },
        {
          id: "objects",
          header: text(props.ofImages ? "task.decisions.images" : "task.decisions.objects"),
          cell: (s) => count(s.objects, text.language),
        },
        { id: "bytes", header: text("task.decisions.bytes"), cell: (s) => bytes(s.bytes, text.language) },
        {
          id: "means",
          header: text("task.skips.means"),
          cell: (s) => (text(`skip.${s.reason}` as Key) as string | undefined) ?? text("value.none"),
          minWidth: 280,
        },
      ]}
    />
  );
}
