import Alert from "@cloudscape-design/components/alert";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import SpaceBetween from "@cloudscape-design/components/space-between";
import SplitPanel from "@cloudscape-design/components/split-panel";
import Table from "@cloudscape-design/components/table";
import { RunDocument, type RunPartsFragment, RunsDocument } from "../../api/generated.ts";
import { useAsk, useAskPages } from "../../app/hub.tsx";
import { useSplitPanel } from "../../app/page.tsx";
import { bytes, count, duration, localTime, utcTime } from "../../format.ts";
import { type Text, useText } from "../../i18n/text.tsx";
import { Code } from "../../parts/code.tsx";
import { Empty, Failure } from "../../parts/failure.tsx";
import { Go } from "../../parts/go.tsx";
import { More } from "../../parts/more.tsx";
import { tallyName } from "../../parts/names.ts";
import { RunStateBadge } from "../../parts/state.tsx";
import { things } from "../../parts/things.ts";
import { Time } from "../../parts/time.tsx";
import { everyOfLists } from "./polling.ts";
import { useAddress } from "./rangepicker.tsx";
import { Tallies } from "./tallies.tsx";
import type { TabProps, WholeTask } from "./task.tsx";

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

/** Objects of an outcome, however they came to it: DONE:stream and DONE:server_side are both DONE. */
export function ofOutcome(run: Pick<RunPartsFragment, "outcomes">, name: string): { objects: number; bytes: number } {
  const sum = { objects: 0, bytes: 0 };
  for (const o of run.outcomes) {
    if (o.name.split(":")[0] !== name) continue;
    sum.objects += o.objects;
    sum.bytes += o.bytes;
  }
  return sum;
}

/** The runs of a task, the newest first. The one that is chosen shows beside the list. */
export default function Runs(props: TabProps) {
  const text = useText();
  const { task } = props;
  const [address, change] = useAddress();
  const chosen = address.get("run") ?? "";
  const every = everyOfLists(task);
  const list = useAskPages(RunsDocument, { id: task.id, first: 25 }, (a) => a.taskRuns, { every });
  const run = list.nodes.find((r) => r.id === chosen);
  // A link leads to runs that are further down the list than what is loaded.
  const asked = useAsk(RunDocument, { id: task.id, runId: chosen }, { enabled: chosen !== "" && !run && !list.asked.isPending });
  const shown = run ?? (chosen === "" ? undefined : asked.data?.taskRun);
  const open = useSplitPanel(shown && <RunPanel key={chosen} task={task} run={shown} />, chosen);
  const setChosen = (id: string | undefined) => {
    change({ run: id });
    open();
  };
  if (list.asked.error && list.nodes.length === 0) return <Failure error={list.asked.error} onRetry={() => void list.asked.refetch()} />;
  const { language } = text;
  return (
    <Table
      header={<Header variant="h2">{text("task.runs")}</Header>}
      items={list.nodes}
      trackBy="id"
      loading={list.asked.isPending}
      loadingText={text("list.loading")}
      wrapLines
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
        { id: "copied", header: text("task.run.copied"), cell: (r) => count(ofOutcome(r, "DONE").objects, language) },
        { id: "bytes", header: text("task.run.bytes"), cell: (r) => bytes(ofOutcome(r, "DONE").bytes, language) },
        { id: "failed", header: text("task.run.failed"), cell: (r) => count(ofOutcome(r, "FAILED").objects, language) },
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

function RunPanel(props: { task: WholeTask; run: RunPartsFragment }) {
  const text = useText();
  const { task, run } = props;
  return (
    <SplitPanel
      header={text("task.runs.detail", { time: localTime(run.started, text.language) })}
      headerDescription={text("time.utc", { time: utcTime(run.started) })}
    >
      <SpaceBetween size="l">
        {run.error && (
          <Alert type="error" header={text("task.run.error")}>
            {run.error}
          </Alert>
        )}
        <KeyValuePairs columns={3} minColumnWidth={160} items={facts(run, text)} />
        {run.report && <Report address={run.report} />}
        {run.errors.length > 0 && <Errors task={task} run={run} />}
        <Header variant="h3">{text("task.decisions")}</Header>
        <Tallies title={text("task.decisions.name")} all={run.decisions} ofImages={task.type === "ECR"} />
        <Header variant="h3">{text("task.decisions.outcomes")}</Header>
        <Tallies title={text("task.decisions.outcome")} all={run.outcomes} ofImages={task.type === "ECR"} />
      </SpaceBetween>
    </SplitPanel>
  );
}

function facts(run: RunPartsFragment, text: Text) {
  const number = (n: number) => count(n, text.language);
  const remaining = run.remaining.map((r) => `${tallyName(r.name, text)}: ${number(r.count)}`).join(", ");
  return [
    { label: text("task.runs.id"), value: run.id },
    { label: text("task.run.state"), value: <RunStateBadge state={run.state} /> },
    { label: text("task.run.why"), value: triggerName(run.trigger, text) },
    { label: text("task.run.started"), value: <Time at={run.started} /> },
    { label: text("task.runs.found"), value: <Time at={run.found} /> },
    { label: text("task.run.finished"), value: <Time at={run.finished} /> },
    { label: text("task.runs.listed"), value: `${number(run.listedSource)} / ${number(run.listedDestination)}` },
    { label: text("task.runs.settled"), value: `${number(run.settled)} / ${number(run.queued)}` },
    { label: text("task.runs.proved"), value: text(run.proved ? "task.yes" : "task.no") },
    { label: text("task.runs.retries"), value: number(run.retries) },
    { label: text("task.runs.throttles"), value: number(run.throttles) },
    { label: text("task.runs.superseded"), value: number(run.superseded) },
    { label: text("task.runs.deadLetters"), value: number(run.deadLetters) },
    { label: text("task.runs.newer"), value: number(run.newer) },
    { label: text("task.agreement.reasons"), value: number(run.named) },
    { label: text("task.runs.remaining"), value: remaining || number(0) },
  ];
}

/** Failures of a run by class; each leads to the objects that still are so. */
function Errors(props: { task: WholeTask; run: RunPartsFragment }) {
  const text = useText();
  const { task, run } = props;
  return (
    <div>
      <Header variant="h3">{text("task.runs.errors")}</Header>
      <ul>
        {run.errors.map((e) => (
          <li key={e.name}>
            <Go to={`/tasks/${task.id}/objects?${task.type === "ECR" ? "status=ERROR" : `class=${encodeURIComponent(e.name)}`}`}>
              {e.name}
            </Go>
            {`: ${things(e.count, task.type === "ECR", text)}`}
          </li>
        ))}
      </ul>
    </div>
  );
}

/** A word as a POSIX shell takes it, whatever is in it. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** Where the report of a run went: a file on one machine, an object in a bucket, with the command that brings it. */
function Report(props: { address: string }) {
  const text = useText();
  const { address } = props;
  const inBucket = address.startsWith("s3://");
  return (
    <div>
      <Header variant="h3" description={text(inBucket ? "task.runs.report.bucket" : "task.runs.report.file")}>
        {text("task.runs.report")}
      </Header>
      <Code name={text("task.runs.report")} content={`${inBucket ? `aws s3 cp ${quoted(address)} .` : `cat ${quoted(address)}`}\n`} />
    </div>
  );
}
