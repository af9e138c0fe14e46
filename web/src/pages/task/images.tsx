import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import Link from "@cloudscape-design/components/link";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import SplitPanel from "@cloudscape-design/components/split-panel";
import StatusIndicator, { type StatusIndicatorProps } from "@cloudscape-design/components/status-indicator";
import Table, { type TableProps } from "@cloudscape-design/components/table";
import { useState } from "react";
import { type ImagePartsFragment, type ImageStatus, ImagesDocument } from "../../api/generated.ts";
import { useAskPages } from "../../app/hub.tsx";
import { useSplitPanel } from "../../app/page.tsx";
import { bytes, count } from "../../format.ts";
import { type Text, useText } from "../../i18n/text.tsx";
import { Empty, Failure } from "../../parts/failure.tsx";
import { Go } from "../../parts/go.tsx";
import { More } from "../../parts/more.tsx";
import { Time } from "../../parts/time.tsx";
import { logOf, Reason, RetryOne } from "./object.tsx";
import { ListHeader } from "./objects.tsx";
import { everyOfLists } from "./polling.ts";
import { useAddress } from "./rangepicker.tsx";
import { Reasons } from "./reasons.tsx";
import { type Retry, useRetry } from "./retry.ts";
import { Settled } from "./settled.tsx";
import type { TabProps } from "./task.tsx";

const statuses: Record<ImageStatus, StatusIndicatorProps.Type> = {
  DONE: "success",
  UNCHANGED: "success",
  DELETED: "stopped",
  ERROR: "error",
};

/** Every image that a run found to be copied, with what became of it; and the retry of those that failed. */
export default function Images(props: TabProps) {
  const text = useText();
  const { task } = props;
  const [address, change] = useAddress();
  const [status, prefix, shown] = [address.get("status") ?? "", address.get("prefix") ?? "", address.get("object") ?? ""];
  const [selected, setSelected] = useState<ImagePartsFragment[]>([]);
  const every = everyOfLists(task);
  const wanted = status in statuses ? (status as ImageStatus) : null;
  const list = useAskPages(ImagesDocument, { id: task.id, status: wanted, prefix: prefix || null, first: 50 }, (a) => a.taskImages, {
    every,
    keep: true,
  });
  const retry = useRetry(task);
  const image = list.nodes.find((i) => i.key === shown);
  const open = useSplitPanel(image && <ImagePanel key={shown} image={image} taskId={task.id} retry={retry} />, shown);
  const show = (key: string) => {
    change({ object: key });
    open();
  };
  if (list.asked.error && list.nodes.length === 0) return <Failure error={list.asked.error} onRetry={() => void list.asked.refetch()} />;
  const there = selected.filter((s) => list.nodes.some((i) => i.key === s.key && i.status === "ERROR"));
  return (
    <SpaceBetween size="l">
      <Reasons task={task} every={every} retry={retry} title={text("task.images.classes")} onChoose={() => change({ status: "ERROR" })} />
      <Table
        variant="container"
        header={<ListHeader title={text("task.images")} chosen={there} any={list.nodes.some((i) => i.status === "ERROR")} retry={retry} />}
        filter={<Filter status={status} prefix={prefix} onChange={change} />}
        items={list.nodes}
        trackBy="key"
        loading={list.asked.isPending}
        loadingText={text("list.loading")}
        selectionType="multi"
        isItemDisabled={(i) => i.status !== "ERROR"}
        selectedItems={there}
        onSelectionChange={(e) => setSelected(e.detail.selectedItems)}
        wrapLines
        ariaLabels={{
          tableLabel: text("task.images"),
          selectionGroupLabel: text("task.images"),
          itemSelectionLabel: (_, i) => text("task.objects.select", { name: i.key }),
          allItemsSelectionLabel: () => text("task.objects.selectAll"),
        }}
        columnDefinitions={columns(text, show)}
        empty={
          status === "" && prefix === "" ? (
            <Empty title={text("task.images.none")} text={text("task.images.noneText")} />
          ) : (
            <Empty title={text("task.images.noMatch")} />
          )
        }
        footer={<More of={list} />}
      />
    </SpaceBetween>
  );
}

function Status(props: { status: ImageStatus }) {
  const text = useText();
  return <StatusIndicator type={statuses[props.status]}>{text(`task.images.${props.status}`)}</StatusIndicator>;
}

function columns(text: Text, onShow: (key: string) => void): TableProps.ColumnDefinition<ImagePartsFragment>[] {
  const none = text("value.none");
  return [
    {
      id: "image",
      header: text("task.images.image"),
      isRowHeader: true,
      minWidth: 120,
      cell: (i) => (
        <Link onFollow={() => onShow(i.key)} ariaLabel={text("task.objects.show", { name: i.key })}>
          <span className="value">{i.image}</span>
        </Link>
      ),
    },
    { id: "tag", header: text("task.images.tag"), cell: (i) => <span className="value">{short(i.tag)}</span>, minWidth: 90 },
    { id: "status", header: text("task.objects.status"), cell: (i) => <Status status={i.status} />, minWidth: 125 },
    {
      id: "digest",
      header: text("task.images.sourceDigest"),
      cell: (i) => <span className="value">{i.sourceDigest ? short(i.sourceDigest) : none}</span>,
      minWidth: 160,
    },
    { id: "size", header: text("task.objects.size"), cell: (i) => (i.bytes > 0 ? bytes(i.bytes, text.language) : none), minWidth: 75 },
    {
      id: "platforms",
      header: text("task.images.platforms"),
      cell: (i) => <span className="value">{i.platforms.join(", ") || none}</span>,
      minWidth: 100,
    },
    { id: "at", header: text("task.objects.at"), cell: (i) => <Time at={i.finished} relative />, minWidth: 90 },
  ];
}

/** The beginning of a digest, which is enough to tell it from others; a tag as it is. */
function short(reference: string): string {
  return /^sha\d+[:-]/.test(reference) ? `${reference.slice(0, 19)}…` : reference;
}

type Change = (change: { status?: string; prefix?: string; object?: string }) => void;

function Filter(props: { status: string; prefix: string; onChange: Change }) {
  const text = useText();
  const { status, onChange } = props;
  const options = [
    { value: "", label: text("task.images.any") },
    ...(Object.keys(statuses) as ImageStatus[]).map((s) => ({ value: s as string, label: text(`task.images.${s}`) })),
  ];
  return (
    <SpaceBetween direction="horizontal" size="xs">
      <Settled
        value={props.prefix}
        placeholder={text("task.images.prefix")}
        ariaLabel={text("task.images.prefix")}
        onSettle={(prefix) => onChange({ prefix })}
      />
      <Select
        selectedOption={options.find((o) => o.value === status) ?? null}
        options={options}
        ariaLabel={text("task.objects.status")}
        onChange={(e) => onChange({ status: e.detail.selectedOption.value ?? "" })}
        expandToViewport
      />
    </SpaceBetween>
  );
}

/** All that is on record of one image. */
function ImagePanel(props: { image: ImagePartsFragment; taskId: string; retry: Retry }) {
  const text = useText();
  const { image, taskId, retry } = props;
  const none = text("value.none");
  const runAddress = `/tasks/${taskId}/runs?run=${encodeURIComponent(image.runId ?? "")}`;
  return (
    <SplitPanel header={image.key}>
      <SpaceBetween size="l">
        {image.error && <Reason error={image.error} errorClass={image.errorClass} ofImages />}
        {image.status === "ERROR" && <RetryOne of={image.key} retry={retry} />}
        <KeyValuePairs
          columns={3}
          minColumnWidth={160}
          items={[
            { label: text("task.objects.status"), value: <Status status={image.status} /> },
            { label: text("task.images.sourceDigest"), value: <span className="value">{image.sourceDigest ?? none}</span> },
            { label: text("task.images.destinationDigest"), value: <span className="value">{image.destinationDigest ?? none}</span> },
            { label: text("task.images.mediaType"), value: <span className="value">{image.mediaType ?? none}</span> },
            { label: text("task.images.platforms"), value: image.platforms.join(", ") || none },
            { label: text("task.images.referrers"), value: count(image.referrers, text.language) },
            { label: text("task.objects.size"), value: image.bytes > 0 ? bytes(image.bytes, text.language) : none },
            { label: text("task.objects.attempts"), value: count(image.attempts, text.language) },
            { label: text("task.objects.at"), value: <Time at={image.finished} /> },
            { label: text("task.objects.runId"), value: image.runId ? <Go to={runAddress}>{image.runId}</Go> : none },
          ]}
        />
        <Go to={logOf(taskId, image)}>{text("task.images.log")}</Go>
      </SpaceBetween>
    </SplitPanel>
  );
}
