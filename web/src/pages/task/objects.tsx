import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Cards from "@cloudscape-design/components/cards";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import Link from "@cloudscape-design/components/link";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import SplitPanel from "@cloudscape-design/components/split-panel";
import Table from "@cloudscape-design/components/table";
import { useState } from "react";
import { type ObjectPartsFragment, ObjectsDocument, RetryObjectsDocument, RunsDocument } from "../../api/generated.ts";
import { useFlash } from "../../app/flash.tsx";
import { mayAs, useAbout, useAsk, useAskPages, useTell } from "../../app/hub.tsx";
import { useSplitPanel } from "../../app/page.tsx";
import { bytes, count } from "../../format.ts";
import { useText } from "../../i18n/text.tsx";
import { Empty, Failure } from "../../parts/failure.tsx";
import { Go } from "../../parts/go.tsx";
import { More } from "../../parts/more.tsx";
import { isBusy } from "../../parts/state.tsx";
import { Time } from "../../parts/time.tsx";
import { classes, textsOf } from "./classes.ts";
import type { TabProps, WholeTask } from "./task.tsx";

/** Which objects a retry takes up: exactly one of them is given, as the API wants it. */
type Choice = { keys: string[] } | { errorClass: string } | { all: true };

/** Objects that failed, by class with what to do, and one by one; and the retry of any of them. */
export default function Objects(props: TabProps) {
  const text = useText();
  const { task } = props;
  const [errorClass, setErrorClass] = useState("");
  const [prefix, setPrefix] = useState("");
  const [selected, setSelected] = useState<ObjectPartsFragment[]>([]);
  const [shown, setShown] = useState<string>();
  const every = isBusy(task) ? 3 : 15;
  const list = useAskPages(
    ObjectsDocument,
    { id: task.id, errorClass: errorClass || null, keyPrefix: prefix || null, first: 50 },
    (a) => a.taskObjects,
    { every, keep: true },
  );
  const retry = useRetry(task);
  const object = list.nodes.find((o) => o.key === shown);
  useSplitPanel(object && <ObjectPanel task={task} object={object} />);
  if (list.asked.error && list.nodes.length === 0) return <Failure error={list.asked.error} onRetry={() => void list.asked.refetch()} />;
  const there = selected.filter((s) => list.nodes.some((o) => o.key === s.key));
  return (
    <SpaceBetween size="l">
      <Classes task={task} every={every} retry={retry} onChoose={setErrorClass} />
      <Table
        variant="container"
        header={
          <Header
            variant="h2"
            counter={there.length > 0 ? `(${count(there.length, text.language)})` : undefined}
            actions={
              <SpaceBetween direction="horizontal" size="xs">
                <Button
                  disabled={there.length === 0 || retry.why !== undefined}
                  disabledReason={retry.why}
                  loading={retry.busy}
                  onClick={() => retry.begin({ keys: there.map((o) => o.key) })}
                >
                  {text("task.objects.retry")}
                </Button>
                <Button
                  disabled={list.nodes.length === 0 || retry.why !== undefined}
                  disabledReason={retry.why}
                  loading={retry.busy}
                  onClick={() => retry.begin({ all: true })}
                >
                  {text("task.objects.retryAll")}
                </Button>
              </SpaceBetween>
            }
          >
            {text("task.objects")}
          </Header>
        }
        filter={<Filter errorClass={errorClass} onClass={setErrorClass} prefix={prefix} onPrefix={setPrefix} />}
        items={list.nodes}
        trackBy="key"
        loading={list.asked.isPending}
        loadingText={text("list.loading")}
        selectionType="multi"
        selectedItems={there}
        onSelectionChange={(e) => setSelected(e.detail.selectedItems)}
        wrapLines
        ariaLabels={{
          tableLabel: text("task.objects"),
          selectionGroupLabel: text("task.objects"),
          itemSelectionLabel: (_, o) => text("task.objects.select", { name: o.key }),
          allItemsSelectionLabel: () => text("task.objects.selectAll"),
        }}
        columnDefinitions={[
          {
            id: "key",
            header: text("task.objects.key"),
            isRowHeader: true,
            cell: (o) => (
              <Link onFollow={() => setShown(o.key)} ariaLabel={text("task.objects.show", { name: o.key })}>
                {o.key}
              </Link>
            ),
          },
          { id: "class", header: text("task.objects.class"), cell: (o) => o.errorClass ?? text("value.none") },
          { id: "error", header: text("task.objects.error"), cell: (o) => o.error ?? text("value.none") },
          { id: "size", header: text("task.objects.size"), cell: (o) => bytes(o.size, text.language) },
          { id: "attempts", header: text("task.objects.attempts"), cell: (o) => count(o.attempts, text.language) },
          { id: "at", header: text("task.objects.at"), cell: (o) => <Time at={o.finished} relative /> },
        ]}
        empty={
          errorClass || prefix ? (
            <Empty title={text("task.objects.noMatch")} />
          ) : (
            <Empty title={text("task.objects.none")} text={text("task.objects.noneText")} />
          )
        }
        footer={<More of={list} />}
      />
    </SpaceBetween>
  );
}

interface Retry {
  begin(choice: Choice): void;
  busy: boolean;
  /** Why nothing can be retried now; undefined: it can. */
  why: string | undefined;
}

function useRetry(task: WholeTask): Retry {
  const text = useText();
  const flash = useFlash();
  const { role } = useAbout().caller;
  const tell = useTell(RetryObjectsDocument);
  let why: string | undefined;
  if (!mayAs(role, "operator"))
    why = text("action.needs", { role: text("role.operator"), have: role ? text(`role.${role}`) : text("menu.noRole") });
  else if (task.state !== "IN_PROGRESS" && task.state !== "DONE") why = text("action.notNow", { state: text(`state.${task.state}`) });
  return {
    why,
    busy: tell.isPending,
    begin(choice) {
      tell.mutate(
        { id: task.id, clientToken: crypto.randomUUID(), ...choice },
        {
          onSuccess: () => flash.success(text("task.objects.retried")),
          onError: (error) => flash.failure(text("task.objects.retryFailed"), error),
        },
      );
    },
  };
}

/** Why objects failed in the latest run: what each class means and what to do about it. */
function Classes(props: { task: WholeTask; every: number; retry: Retry; onChoose: (name: string) => void }) {
  const text = useText();
  const asked = useAsk(RunsDocument, { id: props.task.id, first: 1, after: null }, { every: props.every, keep: true });
  const errors = asked.data?.taskRuns.nodes[0]?.errors.filter((e) => e.count > 0) ?? [];
  if (errors.length === 0) return null;
  return (
    <Cards
      header={<Header variant="h2">{text("task.objects.classes")}</Header>}
      ariaLabels={{ selectionGroupLabel: text("task.objects.classes"), itemSelectionLabel: (_, e) => e.name }}
      items={errors}
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
                <div>{text(textsOf(e.name).means)}</div>
                <Box color="text-body-secondary">{text("error.next", { next: text(textsOf(e.name).fix) })}</Box>
                <Button
                  disabled={props.retry.why !== undefined}
                  disabledReason={props.retry.why}
                  loading={props.retry.busy}
                  ariaLabel={`${text("task.objects.retryClass")}: ${e.name}`}
                  onClick={() => props.retry.begin({ errorClass: e.name })}
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

interface FilterProps {
  errorClass: string;
  onClass: (name: string) => void;
  prefix: string;
  onPrefix: (prefix: string) => void;
}

function Filter(props: FilterProps) {
  const text = useText();
  const any = { value: "", label: text("task.objects.anyClass") };
  const options = [any, ...classes.map((c) => ({ value: c, label: c, description: text(textsOf(c).means) }))];
  return (
    <SpaceBetween direction="horizontal" size="xs">
      <Input
        type="search"
        value={props.prefix}
        placeholder={text("task.objects.prefix")}
        ariaLabel={text("task.objects.prefix")}
        onChange={(e) => props.onPrefix(e.detail.value)}
      />
      <Select
        selectedOption={options.find((o) => o.value === props.errorClass) ?? { value: props.errorClass, label: props.errorClass }}
        options={options}
        ariaLabel={text("task.objects.class")}
        onChange={(e) => props.onClass(e.detail.selectedOption.value ?? "")}
      />
    </SpaceBetween>
  );
}

/** All that is on record of one object. */
function ObjectPanel(props: { task: WholeTask; object: ObjectPartsFragment }) {
  const text = useText();
  const { task, object } = props;
  const value = (v: string | null) => v ?? text("value.none");
  return (
    <SplitPanel header={object.key}>
      <SpaceBetween size="l">
        <KeyValuePairs
          columns={3}
          minColumnWidth={160}
          items={[
            { label: text("task.objects.status"), value: object.status },
            { label: text("task.objects.class"), value: value(object.errorClass) },
            { label: text("task.objects.size"), value: bytes(object.size, text.language) },
            { label: text("task.objects.attempts"), value: count(object.attempts, text.language) },
            { label: text("task.run.started"), value: <Time at={object.started} /> },
            { label: text("task.objects.at"), value: <Time at={object.finished} /> },
            { label: text("task.objects.method"), value: value(object.method) },
            { label: text("task.objects.verifiedBy"), value: value(object.verifiedBy) },
            { label: text("task.objects.runId"), value: value(object.runId) },
            { label: text("task.objects.worker"), value: value(object.worker) },
          ]}
        />
        {object.error && (
          <div>
            <Box variant="awsui-key-label">{text("task.objects.error")}</Box>
            <Box variant="code">{object.error}</Box>
            {object.errorClass && (
              <Box variant="p" color="text-body-secondary">
                {text("error.next", { next: text(textsOf(object.errorClass).fix) })}
              </Box>
            )}
          </div>
        )}
        <Go to={`/tasks/${task.id}/logs?query=${encodeURIComponent(object.key)}`}>{text("task.objects.log")}</Go>
      </SpaceBetween>
    </SplitPanel>
  );
}
