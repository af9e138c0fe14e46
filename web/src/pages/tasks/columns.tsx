import Box from "@cloudscape-design/components/box";
import SpaceBetween from "@cloudscape-design/components/space-between";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import type { TableProps } from "@cloudscape-design/components/table";
import type { EndsFragment, SortBy } from "../../api/generated.ts";
import { count, duration } from "../../format.ts";
import { type Text, useText } from "../../i18n/text.tsx";
import { Address } from "../../parts/address.tsx";
import { Go } from "../../parts/go.tsx";
import { HealthBadge, isRunning, RunProgress, RunStateBadge, TaskStateBadge } from "../../parts/state.tsx";
import { things } from "../../parts/things.ts";
import { Time } from "../../parts/time.tsx";

/** Columns by their ids, with those that the API can sort by. */
export const sortable: Record<string, SortBy> = { name: "NAME", created: "CREATED", updated: "UPDATED" };

/** Columns that are shown until a person chooses others. */
export const shownAtFirst = ["name", "type", "ends", "state", "progress", "schedule", "lastRun", "nextRun", "behind"];

/** When passes of a task are made, in words. */
export function scheduleOf(task: Pick<EndsFragment, "schedule">, text: Text): string {
  const { kind, expression, events } = task.schedule;
  const when = kind === "ONCE" ? text("tasks.schedule.once") : expressionOf(expression ?? "", text);
  return events ? `${when}, ${text("tasks.schedule.events")}` : when;
}

const seconds = { s: 1, m: 60, h: 3600 };

/** An expression of EventBridge is the same everywhere; "every 5s", which only machines have, is said in words. */
function expressionOf(expression: string, text: Text): string {
  const every = /^every (\d+)([smh])$/.exec(expression);
  if (!every) return expression;
  return text("tasks.schedule.every", { length: duration(Number(every[1]) * seconds[every[2] as keyof typeof seconds], text.language) });
}

/** The columns of the list of tasks. */
export function columns(text: Text): (TableProps.ColumnDefinition<EndsFragment> & { id: string; header: string })[] {
  return [
    {
      id: "name",
      header: text("tasks.name"),
      cell: (t) => <Go to={`/tasks/${t.id}`}>{t.name}</Go>,
      sortingField: "name",
      isRowHeader: true,
      minWidth: 140,
      width: 200,
    },
    { id: "type", header: text("tasks.type"), cell: (t) => t.type, minWidth: 70, width: 80 },
    { id: "ends", header: text("tasks.ends"), cell: (t) => <Ends task={t} />, minWidth: 220, width: 280 },
    { id: "state", header: text("tasks.state"), cell: (t) => <State task={t} />, minWidth: 180, width: 220 },
    {
      id: "progress",
      header: text("tasks.progress"),
      cell: (t) => (t.lastRun && isRunning(t.lastRun) ? <RunProgress run={t.lastRun} /> : text("value.none")),
      minWidth: 170,
    },
    { id: "schedule", header: text("tasks.schedule"), cell: (t) => scheduleOf(t, text), minWidth: 130 },
    { id: "lastRun", header: text("tasks.lastRun"), cell: (t) => <LastRun task={t} />, minWidth: 130 },
    { id: "nextRun", header: text("tasks.nextRun"), cell: (t) => <Time at={t.nextRun} relative />, minWidth: 120 },
    { id: "behind", header: text("tasks.behind"), cell: (t) => <Behind task={t} />, minWidth: 130 },
    { id: "created", header: text("tasks.created"), cell: (t) => <Time at={t.createdAt} />, sortingField: "created", minWidth: 170 },
    { id: "updated", header: text("tasks.updated"), cell: (t) => <Time at={t.updatedAt} />, sortingField: "updated", minWidth: 170 },
  ];
}

function Ends(props: { task: EndsFragment }) {
  const text = useText();
  return (
    <>
      <div>
        <Address of={props.task.source} />
      </div>
      <Box color="text-body-secondary">
        <Address of={text("tasks.ends.to", { destination: props.task.destination })} />
      </Box>
    </>
  );
}

/** The state, with why it is so, and how the task is doing where that says more. */
function State(props: { task: EndsFragment }) {
  const { task } = props;
  const more = task.health === "ATTENTION" || task.health === "FAILING";
  return (
    <SpaceBetween size="xxxs">
      <TaskStateBadge state={task.state} />
      {task.reason && (
        <Box color="text-body-secondary" fontSize="body-s">
          {task.reason}
        </Box>
      )}
      {more && <HealthBadge task={task} />}
    </SpaceBetween>
  );
}

function LastRun(props: { task: EndsFragment }) {
  const text = useText();
  const run = props.task.lastRun;
  if (!run) return <>{text("value.none")}</>;
  return (
    <SpaceBetween size="xxxs">
      <RunStateBadge state={run.state} />
      <Box color="text-body-secondary" fontSize="body-s">
        <Time at={run.finished ?? run.started} relative />
      </Box>
    </SpaceBetween>
  );
}

/** How many objects differed when both ends were last compared. */
function Behind(props: { task: EndsFragment }) {
  const text = useText();
  const { agreement } = props.task;
  if (!agreement) return <>{text("tasks.behind.unknown")}</>;
  if (agreement.behind === 0) return <StatusIndicator type="success">{text("tasks.behind.none")}</StatusIndicator>;
  return <StatusIndicator type="warning">{things(agreement.behind, props.task.type === "ECR", text)}</StatusIndicator>;
}

/** A number of tasks, in brackets. */
export function counter(n: number, text: Text): string {
  return `(${count(n, text.language)})`;
}
