import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import Link from "@cloudscape-design/components/link";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table, { type TableProps } from "@cloudscape-design/components/table";
import { useState } from "react";
import { type ObjectPartsFragment, ObjectsDocument } from "../../api/generated.ts";
import { useAskPages } from "../../app/hub.tsx";
import { useSplitPanel } from "../../app/page.tsx";
import { bytes, count } from "../../format.ts";
import { type Text, useText } from "../../i18n/text.tsx";
import { Empty, Failure } from "../../parts/failure.tsx";
import { More } from "../../parts/more.tsx";
import { Time } from "../../parts/time.tsx";
import { classes, textsOf } from "./classes.ts";
import { ObjectPanel } from "./object.tsx";
import { everyOfLists } from "./polling.ts";
import { useAddress } from "./rangepicker.tsx";
import { Reasons } from "./reasons.tsx";
import { type Retry, useRetry } from "./retry.ts";
import { Settled } from "./settled.tsx";
import type { TabProps } from "./task.tsx";

/** Objects that failed, by class with what to do, and one by one; and the retry of any of them. */
export default function Objects(props: TabProps) {
  const text = useText();
  const { task } = props;
  const [address, change] = useAddress();
  const [errorClass, prefix, shown] = [address.get("class") ?? "", address.get("prefix") ?? "", address.get("object") ?? ""];
  const [selected, setSelected] = useState<ObjectPartsFragment[]>([]);
  const every = everyOfLists(task);
  const list = useAskPages(
    ObjectsDocument,
    { id: task.id, errorClass: errorClass || null, keyPrefix: prefix || null, first: 50 },
    (a) => a.taskObjects,
    { every, keep: true },
  );
  const retry = useRetry(task);
  const open = useSplitPanel(
    shown === "" ? undefined : <ObjectPanel key={shown} taskId={task.id} objectKey={shown} every={every} retry={retry} />,
    shown,
  );
  const show = (key: string) => {
    change({ object: key });
    open();
  };
  if (list.asked.error && list.nodes.length === 0) return <Failure error={list.asked.error} onRetry={() => void list.asked.refetch()} />;
  const there = selected.filter((s) => list.nodes.some((o) => o.key === s.key));
  return (
    <SpaceBetween size="l">
      <Reasons task={task} every={every} retry={retry} title={text("task.objects.classes")} onChoose={(c) => change({ class: c })} />
      <Table
        variant="container"
        header={<ListHeader title={text("task.objects")} chosen={there} any={list.nodes.length > 0} retry={retry} />}
        filter={<Filter errorClass={errorClass} prefix={prefix} onChange={change} />}
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
        columnDefinitions={columns(text, show)}
        empty={<Nothing filtered={errorClass !== "" || prefix !== ""} prefix={prefix} onChange={change} />}
        footer={<More of={list} />}
      />
    </SpaceBetween>
  );
}

function columns(text: Text, onShow: (key: string) => void): TableProps.ColumnDefinition<ObjectPartsFragment>[] {
  return [
    {
      id: "key",
      header: text("task.objects.key"),
      isRowHeader: true,
      minWidth: 180,
      cell: (o) => (
        <Link onFollow={() => onShow(o.key)} ariaLabel={text("task.objects.show", { name: o.key })}>
          <span className="value">{o.key}</span>
        </Link>
      ),
    },
    { id: "class", header: text("task.objects.class"), cell: (o) => o.errorClass ?? text("value.none"), minWidth: 120 },
    {
      id: "error",
      header: text("task.objects.error"),
      cell: (o) => <span className="value">{o.error ?? text("value.none")}</span>,
      minWidth: 240,
    },
    { id: "size", header: text("task.objects.size"), cell: (o) => bytes(o.size, text.language), minWidth: 90 },
    { id: "attempts", header: text("task.objects.attempts"), cell: (o) => count(o.attempts, text.language), minWidth: 80 },
    { id: "at", header: text("task.objects.at"), cell: (o) => <Time at={o.finished} relative />, minWidth: 110 },
  ];
}

/** The head of a list of what failed, with the retry of what is chosen and of all. */
export function ListHeader(props: { title: string; chosen: { key: string }[]; any: boolean; retry: Retry }) {
  const text = useText();
  const { chosen, retry } = props;
  return (
    <Header
      variant="h2"
      counter={chosen.length > 0 ? `(${count(chosen.length, text.language)})` : undefined}
      actions={
        <SpaceBetween direction="horizontal" size="xs">
          <Button
            loading={retry.busy}
            disabled={chosen.length === 0 || retry.why !== undefined}
            disabledReason={retry.why ?? text("task.objects.choose")}
            onClick={() => retry.begin({ keys: chosen.map((o) => o.key) })}
          >
            {text("task.objects.retry")}
          </Button>
          <Button
            loading={retry.busy}
            disabled={!props.any || retry.why !== undefined}
            disabledReason={retry.why ?? text("task.objects.nothing")}
            onClick={() => retry.begin({ all: true })}
          >
            {text("task.objects.retryAll")}
          </Button>
        </SpaceBetween>
      }
    >
      {props.title}
    </Header>
  );
}

type Change = (change: { class?: string; prefix?: string; object?: string }) => void;

/** Says that there is nothing, and offers the way back or the record of an object that did not fail. */
function Nothing(props: { filtered: boolean; prefix: string; onChange: Change }) {
  const text = useText();
  const { prefix, onChange } = props;
  if (!props.filtered) return <Empty title={text("task.objects.none")} text={text("task.objects.noneText")} />;
  const action = (
    <SpaceBetween direction="horizontal" size="xs" alignItems="center">
      <Button onClick={() => onChange({ class: "", prefix: "" })}>{text("list.clear")}</Button>
      {prefix !== "" && <Button onClick={() => onChange({ object: prefix })}>{text("task.objects.lookUp", { name: prefix })}</Button>}
    </SpaceBetween>
  );
  return <Empty title={text("task.objects.noMatch")} action={action} />;
}

function Filter(props: { errorClass: string; prefix: string; onChange: Change }) {
  const text = useText();
  const { errorClass, onChange } = props;
  const any = { value: "", label: text("task.objects.anyClass") };
  const options = [any, ...classes.map((c) => ({ value: c, label: c, description: text(textsOf(c).means) }))];
  return (
    <SpaceBetween direction="horizontal" size="xs">
      <Settled
        value={props.prefix}
        placeholder={text("task.objects.prefix")}
        ariaLabel={text("task.objects.prefix")}
        onSettle={(prefix) => onChange({ prefix })}
      />
      <Select
        selectedOption={options.find((o) => o.value === errorClass) ?? { value: errorClass, label: errorClass }}
        options={options}
        ariaLabel={text("task.objects.class")}
        onChange={(e) => onChange({ class: e.detail.selectedOption.value ?? "" })}
        expandToViewport
      />
    </SpaceBetween>
  );
}
