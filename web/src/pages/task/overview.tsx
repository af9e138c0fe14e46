import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import ProgressBar from "@cloudscape-design/components/progress-bar";
import SpaceBetween from "@cloudscape-design/components/space-between";
import StatusIndicator, { type StatusIndicatorProps } from "@cloudscape-design/components/status-indicator";
import { useEffect, useState } from "react";
import { type RunState, RunsDocument } from "../../api/generated.ts";
import { useAsk } from "../../app/hub.tsx";
import { bytes, count, duration, short } from "../../format.ts";
import { type Text, useText } from "../../i18n/text.tsx";
import { Empty } from "../../parts/failure.tsx";
import { isRunning, RunStateBadge, shareOf } from "../../parts/state.tsx";
import { Time } from "../../parts/time.tsx";
import { everyOfLists } from "./polling.ts";
import { addSample, type Rate, rateOf, type Sample } from "./rate.ts";
import { triggerName } from "./runs.tsx";
import { Tallies } from "./tallies.tsx";
import type { TabProps, WholeTask } from "./task.tsx";

type LastRun = NonNullable<WholeTask["lastRun"]>;

/** How far the latest run is, what it decided, and whether both ends agree. */
export default function Overview(props: TabProps) {
  const { task } = props;
  return (
    <SpaceBetween size="l">
      {task.lastRun ? <LatestRun run={task.lastRun} ofImages={task.type === "ECR"} /> : <NoRun />}
      <Agreement task={task} />
      {task.lastRun && <Decisions task={task} />}
    </SpaceBetween>
  );
}

function NoRun() {
  const text = useText();
  return (
    <Container header={<Header variant="h2">{text("task.run")}</Header>}>
      <Empty title={text("task.run.none")} text={text("task.run.noneText")} />
    </Container>
  );
}

function LatestRun(props: { run: LastRun; ofImages: boolean }) {
  const text = useText();
  const { run } = props;
  const rate = useRate(run);
  const share = shareOf(run);
  const running = isRunning(run);
  return (
    <Container
      header={
        <Header variant="h2" actions={<RunStateBadge state={run.state} />}>
          {text("task.run")}
        </Header>
      }
    >
      <SpaceBetween size="l">
        {run.error && (
          <Alert type="error" header={text("task.run.error")}>
            {run.error}
          </Alert>
        )}
        <Phases state={run.state} />
        {running && (
          <ProgressBar
            label={text("task.run.progress")}
            value={Math.floor((share ?? 0) * 100)}
            additionalInfo={text("progress.of", { done: run.settled, all: run.queued })}
            description={share === undefined ? text("task.run.leftUnknown") : leftOf(rate, text)}
          />
        )}
        <KeyValuePairs columns={4} minColumnWidth={150} items={counters(run, props.ofImages, running ? rate : undefined, text)} />
      </SpaceBetween>
    </Container>
  );
}

function counters(run: LastRun, ofImages: boolean, rate: Rate | undefined, text: Text) {
  const { language } = text;
  const items = [
    { label: text("task.run.started"), value: <Time at={run.started} /> },
    run.finished
      ? { label: text("task.run.took"), value: duration((Date.parse(run.finished) - Date.parse(run.started)) / 1000, language) }
      : {
          label: text("task.run.rate"),
          value: rate
            ? text(ofImages ? "task.run.rateOfImages" : "task.run.rateOf", {
                objects: short(rate.objects, language),
                bytes: bytes(rate.bytes, language),
              })
            : text("value.none"),
        },
    { label: text("task.run.why"), value: triggerName(run.trigger, text) },
    { label: text("task.run.queued"), value: count(run.queued, language) },
    { label: text("task.run.settled"), value: count(run.settled, language) },
    { label: text("task.run.copied"), value: count(run.copied, language) },
    { label: text("task.run.bytes"), value: bytes(run.bytes, language) },
    { label: text("task.run.failed"), value: count(run.failed, language) },
  ];
  return items;
}

function leftOf(rate: Rate | undefined, text: Text): string {
  if (rate?.left === undefined) return "";
  return `${text("task.run.left")}: ${duration(rate.left, text.language)}`;
}

/** The rate of a run, from the answers that come while it is looked at. */
function useRate(run: LastRun): Rate | undefined {
  const [samples, setSamples] = useState<readonly Sample[]>([]);
  useEffect(() => {
    const next = { runId: run.id, at: Date.parse(run.told), queued: run.queued, settled: run.settled, bytes: run.bytes };
    setSamples((all) => addSample(all, next));
  }, [run]);
  return rateOf(samples);
}

const phases = ["FINDING", "COPYING", "PROVING"] as const;

/** The three phases of a run, and which of them are over. */
function Phases(props: { state: RunState }) {
  const text = useText();
  const now = (phases as readonly RunState[]).indexOf(props.state);
  return (
    <ColumnLayout columns={3} minColumnWidth={180} borders="vertical">
      {phases.map((phase, i) => (
        <div key={phase}>
          <StatusIndicator type={lookOf(props.state, now, i)}>{text(`task.run.phase.${phase}`)}</StatusIndicator>
          <Box color="text-body-secondary" fontSize="body-s">
            {text(`task.run.phase.${phase}.text`)}
          </Box>
        </div>
      ))}
    </ColumnLayout>
  );
}

function lookOf(state: RunState, now: number, i: number): StatusIndicatorProps.Type {
  if (state === "DONE") return "success";
  if (state === "FAILED" || state === "SKIPPED") return "stopped";
  if (i === now) return "loading";
  return i < now ? "success" : "pending";
}

function Agreement(props: { task: WholeTask }) {
  const text = useText();
  const { agreement } = props.task;
  return (
    <Container header={<Header variant="h2">{text("task.agreement")}</Header>}>
      {agreement ? (
        <KeyValuePairs
          columns={4}
          minColumnWidth={180}
          items={[
            {
              label: text("tasks.state"),
              value: (
                <StatusIndicator type={agreement.behind === 0 ? "success" : agreement.inSync ? "info" : "warning"} wrapText>
                  {text(
                    agreement.behind === 0 ? "task.agreement.inSync" : agreement.inSync ? "task.agreement.named" : "task.agreement.behind",
                  )}
                </StatusIndicator>
              ),
            },
            {
              label: text("task.agreement.asOf"),
              value: (
                <>
                  <Time at={agreement.asOf} />
                  <Box color="text-body-secondary" fontSize="body-s">
                    {text("task.agreement.asOfText")}
                  </Box>
                </>
              ),
            },
            {
              label: text(props.task.type === "ECR" ? "task.agreement.countImages" : "task.agreement.count"),
              value: count(agreement.behind, text.language),
            },
            { label: text("task.agreement.reasons"), value: count(agreement.named, text.language) },
          ]}
        />
      ) : (
        <Empty title={text("task.agreement.none")} text={text("task.agreement.noneText")} />
      )}
    </Container>
  );
}

/** What the finder decided, and what became of it. */
function Decisions(props: { task: WholeTask }) {
  const text = useText();
  const asked = useAsk(RunsDocument, { id: props.task.id, first: 5, after: null }, { every: everyOfLists(props.task), keep: true });
  const runs = asked.data?.taskRuns.nodes;
  // The list may have run ahead of the task: both halves of the page tell of the same run.
  const run = runs?.find((r) => r.id === props.task.lastRun?.id) ?? runs?.[0];
  if (!run) return null;
  const listed = { source: count(run.listedSource, text.language), destination: count(run.listedDestination, text.language) };
  return (
    <ColumnLayout columns={2} minColumnWidth={320}>
      <Container
        fitHeight
        header={
          <Header variant="h2" description={text("task.decisions.listed", listed)}>
            {text("task.decisions")}
          </Header>
        }
      >
        <Tallies title={text("task.decisions.name")} all={run.decisions} ofImages={props.task.type === "ECR"} />
      </Container>
      <Container fitHeight header={<Header variant="h2">{text("task.decisions.outcomes")}</Header>}>
        <Tallies title={text("task.decisions.outcome")} all={run.outcomes} ofImages={props.task.type === "ECR"} />
      </Container>
    </ColumnLayout>
  );
}
