import Box from "@cloudscape-design/components/box";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import SpaceBetween from "@cloudscape-design/components/space-between";
import SplitPanel from "@cloudscape-design/components/split-panel";
import Table from "@cloudscape-design/components/table";
import { useState } from "react";
import { type RunPartsFragment, RunsDocument } from "../../api/generated.ts";
import { useAskPages } from "../../app/hub.tsx";
import { useSplitPanel } from "../../app/page.tsx";
import { bytes, count, duration, localTime } from "../../format.ts";
import { type Text, useText } from "../../i18n/text.tsx";
import { Empty, Failure } from "../../parts/failure.tsx";
import { More } from "../../parts/more.tsx";
import { isBusy, RunStateBadge } from "../../parts/state.tsx";
import { Time } from "../../parts/time.tsx";
import { Tallies } from "./tallies.tsx";
import type { TabProps } from "./task.tsx";

/** What a run was begun by, in words. */
export function triggerName(trigger: string, text: Text): string {
  switch (trigger) {
    case "schedule":
    case "once":
    case "manual":
    case "retry":
    case "event":
      return text(`task.run.trigger.${trigger}`);
    default:
      return trigger;
  }
}

/** Objects of an outcome or decision. */
function of(run: RunPartsFragment, name: string): { objects: number; bytes: number } {
  return run.outcomes.find((o) => o.name === name) ?? { objects: 0, bytes: 0 };
}

/** The runs of a task, the newest first. The one that is chosen shows beside the list. */
export default function Runs(props: TabProps) {
  const text = useText();
  const [chosen, setChosen] = useState<string>();
  const list = useAskPages(RunsDocument, { id: props.task.id, first: 25 }, (a) => a.taskRuns, { every: isBusy(props.task) ? 3 : 15 });
  const run = list.nodes.find((r) => r.id === chosen);
  useSplitPanel(run && <RunPanel run={run} />);
  if (list.asked.error && list.nodes.length === 0) return <Failure error={list.asked.error} onRetry={() => void list.asked.refetch()} />;
  const { language } = text;
  return (
    <Table
      header={<Header variant="h2">{text("task.runs")}</Header>}
      items={list.nodes}
      trackBy="id"
      loading={list.asked.isPending}
      loadingText={text("list.loading")}
      selectionType="single"
      selectedItems={run ? [run] : []}
      onSelectionChange={(e) => setChosen(e.detail.selectedItems[0]?.id)}
      onRowClick={(e) => setChosen(e.detail.item.id)}
      ariaLabels={{
        tableLabel: text("task.runs"),
        selectionGroupLabel: text("task.runs"),
        itemSelectionLabel: (_, r) => text("task.runs.choose", { time: localTime(r.started, language) }),
      }}
      columnDefinitions={[
        { id: "started", header: text("task.run.started"), cell: (r) => <Time at={r.started} />, isRowHeader: true },
        { id: "state", header: text("task.run.state"), cell: (r) => <RunStateBadge state={r.state} /> },
        { id: "trigger", header: text("task.run.why"), cell: (r) => triggerName(r.trigger, text) },
        { id: "took", header: text("task.run.took"), cell: (r) => took(r, text) },
        { id: "queued", header: text("task.run.queued"), cell: (r) => count(r.queued, language) },
        { id: "copied", header: text("task.run.copied"), cell: (r) => count(of(r, "DONE").objects, language) },
        { id: "bytes", header: text("task.run.bytes"), cell: (r) => bytes(of(r, "DONE").bytes, language) },
        { id: "failed", header: text("task.run.failed"), cell: (r) => count(of(r, "FAILED").objects, language) },
        { id: "proved", header: text("task.runs.proved"), cell: (r) => text(r.proved ? "task.yes" : "task.no") },
      ]}
      empty={<Empty title={text("task.runs.empty")} text={text("task.run.noneText")} />}
      footer={<More of={list} />}
    />
  );
}

function took(run: RunPartsFragment, text: Text): string {
  if (!run.finished) return text("value.none");
  return duration((Date.parse(run.finished) - Date.parse(run.started)) / 1000, text.language);
}

function RunPanel(props: { run: RunPartsFragment }) {
  const text = useText();
  const { run } = props;
  const number = (n: number) => count(n, text.language);
  return (
    <SplitPanel header={text("task.runs.detail", { time: localTime(run.started, text.language) })}>
      <SpaceBetween size="l">
        {run.error && <Box color="text-status-error">{run.error}</Box>}
        <KeyValuePairs
          columns={3}
          minColumnWidth={160}
          items={[
            { label: text("task.runs.id"), value: run.id },
            { label: text("task.run.finished"), value: <Time at={run.finished} /> },
            { label: text("task.run.settled"), value: `${number(run.settled)} / ${number(run.queued)}` },
            { label: text("task.runs.retries"), value: number(run.retries) },
            { label: text("task.runs.throttles"), value: number(run.throttles) },
            { label: text("task.runs.superseded"), value: number(run.superseded) },
            { label: text("task.runs.deadLetters"), value: number(run.deadLetters) },
            { label: text("task.runs.newer"), value: number(run.newer) },
            { label: text("task.agreement.reasons"), value: number(run.named) },
            {
              label: text("task.runs.remaining"),
              value: run.remaining.length === 0 ? "0" : run.remaining.map((r) => `${r.name}: ${number(r.count)}`).join(", "),
            },
            { label: text("task.runs.report"), value: <Report address={run.report} /> },
          ]}
        />
        <Header variant="h3">{text("task.decisions")}</Header>
        <Tallies title={text("task.decisions.name")} all={run.decisions} />
        <Header variant="h3">{text("task.decisions.outcomes")}</Header>
        <Tallies title={text("task.decisions.outcome")} all={run.outcomes} />
      </SpaceBetween>
    </SplitPanel>
  );
}

/** Where the report of a run went: a file on one machine, an object in a bucket. */
function Report(props: { address: string | null }) {
  const text = useText();
  if (!props.address) return <>{text("value.none")}</>;
  return <Box variant="code">{props.address}</Box>;
}
