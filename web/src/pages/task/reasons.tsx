import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Cards from "@cloudscape-design/components/cards";
import Header from "@cloudscape-design/components/header";
import Link from "@cloudscape-design/components/link";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";
import { RunsDocument } from "../../api/generated.ts";
import { useAsk } from "../../app/hub.tsx";
import { bytes, count } from "../../format.ts";
import { type Key, useText } from "../../i18n/text.tsx";
import { textsOf } from "./classes.ts";
import { reasonName } from "./names.ts";
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

/** Why objects failed or were left out in the latest run. */
export function Reasons(props: Props) {
  const asked = useAsk(RunsDocument, { id: props.task.id, first: 1, after: null }, { every: props.every, keep: true });
  const run = asked.data?.taskRuns.nodes[0];
  if (!run) return null;
  const failed = run.errors.filter((e) => e.count > 0);
  const skipped = skipsOf(run);
  return (
    <>
      {failed.length > 0 && (
        <Failed title={props.title} ofImages={props.task.type === "ECR"} errors={failed} retry={props.retry} onChoose={props.onChoose} />
      )}
      {skipped.length > 0 && <Skipped skips={skipped} />}
    </>
  );
}

/** Each class of failures: how many there are, what it means, what to do about it, and the retry of all of them. */
function Failed(props: {
  title: string;
  ofImages: boolean;
  errors: { name: string; count: number }[];
  retry: Retry;
  onChoose: (errorClass: string) => void;
}) {
  const text = useText();
  const { retry } = props;
  return (
    <Cards
      header={<Header variant="h2">{props.title}</Header>}
      ariaLabels={{ selectionGroupLabel: props.title, itemSelectionLabel: (_, e) => e.name }}
      items={props.errors}
      trackBy="name"
      cardsPerRow={[{ cards: 1 }, { minWidth: 700, cards: 2 }]}
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
                <Box variant="strong">{text("task.objects.count", { count: e.count })}</Box>
                <div>{text(textsOf(e.name, props.ofImages).means)}</div>
                <Box color="text-body-secondary">{text("error.next", { next: text(textsOf(e.name, props.ofImages).fix) })}</Box>
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
function Skipped(props: { skips: ReturnType<typeof skipsOf> }) {
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
        { id: "objects", header: text("task.decisions.objects"), cell: (s) => count(s.objects, text.language) },
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
