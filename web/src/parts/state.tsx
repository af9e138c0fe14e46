import ProgressBar from "@cloudscape-design/components/progress-bar";
import StatusIndicator, { type StatusIndicatorProps } from "@cloudscape-design/components/status-indicator";
import type { EndsFragment, Health, RunState, TaskState } from "../api/generated.ts";
import { useText } from "../i18n/text.tsx";

type LastRun = NonNullable<EndsFragment["lastRun"]>;

const taskLook: Record<TaskState, StatusIndicatorProps.Type> = {
  STARTING: "loading",
  IN_PROGRESS: "in-progress",
  PAUSED: "stopped",
  UPDATING: "loading",
  DONE: "success",
  STOPPING: "loading",
  STOPPED: "stopped",
  ERROR: "error",
};

const healthLook: Record<Health, StatusIndicatorProps.Type> = {
  UNKNOWN: "pending",
  HEALTHY: "success",
  ATTENTION: "warning",
  FAILING: "error",
};

const runLook: Record<RunState, StatusIndicatorProps.Type> = {
  FINDING: "loading",
  COPYING: "loading",
  PROVING: "loading",
  DONE: "success",
  FAILED: "error",
  SKIPPED: "stopped",
};

/** Where a task is in its life. */
export function TaskStateBadge(props: { state: TaskState }) {
  const text = useText();
  // A task that goes on making its runs is well, and not over as one that is done is.
  const color = props.state === "IN_PROGRESS" ? "blue" : undefined;
  return (
    <StatusIndicator type={taskLook[props.state]} colorOverride={color}>
      {text(`state.${props.state}`)}
    </StatusIndicator>
  );
}

/** How a task is doing. Of its first run that is not known before the end. */
export function HealthBadge(props: { task: Pick<EndsFragment, "health" | "lastRun"> }) {
  const text = useText();
  const { health, lastRun } = props.task;
  if (health === "UNKNOWN" && lastRun && isRunning(lastRun))
    return <StatusIndicator type="loading">{text("health.first")}</StatusIndicator>;
  return <StatusIndicator type={healthLook[health]}>{text(`health.${health}`)}</StatusIndicator>;
}

/** Where a run is. */
export function RunStateBadge(props: { state: RunState }) {
  const text = useText();
  return <StatusIndicator type={runLook[props.state]}>{text(`run.${props.state}`)}</StatusIndicator>;
}

/** Whether something goes on with a task, so that its page should be asked for more often. */
export function isBusy(task: Pick<EndsFragment, "state" | "lastRun">): boolean {
  return ["STARTING", "UPDATING", "STOPPING"].includes(task.state) || (task.lastRun !== null && isRunning(task.lastRun));
}

/** Whether a run is under way. */
export function isRunning(run: Pick<LastRun, "state">): boolean {
  return run.state === "FINDING" || run.state === "COPYING" || run.state === "PROVING";
}

/** Share of a run's objects that have an outcome, from 0 to 1; undefined while the finder still looks for more. */
export function shareOf(run: Pick<LastRun, "state" | "queued" | "settled">): number | undefined {
  if (run.state === "FINDING") return undefined;
  if (run.state === "DONE") return 1;
  return run.queued === 0 ? undefined : Math.min(1, run.settled / run.queued);
}

/** How far the run of a task is, in the room of a table's cell. */
export function RunProgress(props: { run: LastRun | null }) {
  const text = useText();
  const { run } = props;
  if (!run || !isRunning(run)) return run ? <RunStateBadge state={run.state} /> : text("value.none");
  const share = shareOf(run);
  if (share === undefined) return <StatusIndicator type="loading">{text(`run.${run.state}`)}</StatusIndicator>;
  return (
    <ProgressBar
      value={Math.floor(share * 100)}
      ariaLabel={text("progress.label")}
      additionalInfo={text("progress.of", { done: run.settled, all: run.queued })}
      description={text(`run.${run.state}`)}
    />
  );
}
