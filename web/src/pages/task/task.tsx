import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";
import ButtonDropdown from "@cloudscape-design/components/button-dropdown";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import SpaceBetween from "@cloudscape-design/components/space-between";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import Tabs from "@cloudscape-design/components/tabs";
import { type ComponentType, lazy, Suspense } from "react";
import { useNavigate, useParams } from "react-router";
import { TaskDocument, type TaskQuery } from "../../api/generated.ts";
import { useAbout, useAsk } from "../../app/hub.tsx";
import { usePage } from "../../app/page.tsx";
import { useText } from "../../i18n/text.tsx";
import { type Action, actions, whyNot } from "../../parts/actions.ts";
import { Address } from "../../parts/address.tsx";
import { exportItems, isExport, useExport } from "../../parts/export.ts";
import { Empty, Failure } from "../../parts/failure.tsx";
import { InfoLink } from "../../parts/info.tsx";
import { HealthBadge, TaskStateBadge } from "../../parts/state.tsx";
import { useTaskActions } from "../../parts/taskactions.tsx";
import { Sentence, Time } from "../../parts/time.tsx";
import { useUpgrade } from "../../parts/upgrade.tsx";
import { scheduleOf } from "../tasks/columns.tsx";
import { everyOf } from "./polling.ts";

/** A task with all that is known of it. */
export type WholeTask = TaskQuery["task"];

/** What a tab of the page is given. */
export interface TabProps {
  task: WholeTask;
}

// Each tab is a file that is loaded when somebody looks at it: charts and tables weigh more than all else.
const tabs: Record<string, ComponentType<TabProps>> = {
  overview: lazy(() => import("./overview.tsx")),
  examine: lazy(() => import("./examine.tsx")),
  runs: lazy(() => import("./runs.tsx")),
  objects: lazy(() => import("./objects.tsx")),
  images: lazy(() => import("./images.tsx")),
  monitoring: lazy(() => import("./monitoring.tsx")),
  logs: lazy(() => import("./logs.tsx")),
  settings: lazy(() => import("./settings.tsx")),
  audit: lazy(() => import("./audit.tsx")),
};
const names = ["overview", "examine", "runs", "objects", "monitoring", "logs", "settings", "audit"] as const;

/** The page of one task. The tab is in the address, so that a link leads to it. */
export function Task() {
  const text = useText();
  const { id = "", tab = "" } = useParams();
  const asked = useAsk(TaskDocument, { id });
  const task = asked.data?.task;
  // How often it is asked for depends on the answer; both ask for the same and share it.
  useAsk(TaskDocument, { id }, { every: task ? everyOf(task) : false, enabled: task !== undefined });
  usePage({ title: task?.name ?? text("task.loading"), crumbs: [{ text: text("nav.tasks"), href: "/tasks" }], help: "task" });
  if (asked.error?.code === "NOT_FOUND") return <Gone />;
  if (asked.error && !task) return <Failure error={asked.error} onRetry={() => void asked.refetch()} heading={id} />;
  if (!task) return <StatusIndicator type="loading">{text("task.loading")}</StatusIndicator>;
  return <Found task={task} tab={tab} onRefresh={() => void asked.refetch()} />;
}

function Gone() {
  const text = useText();
  const navigate = useNavigate();
  const action = <Button onClick={() => void navigate("/tasks")}>{text("nav.tasks")}</Button>;
  return <Empty title={text("task.gone")} text={text("task.gone.next")} action={action} />;
}

function Found(props: { task: WholeTask; tab: string; onRefresh: () => void }) {
  const text = useText();
  const navigate = useNavigate();
  const { task } = props;
  // A task that waits to be checked and planned shows that first.
  const first = task.state === "PAUSED" && task.lastRun === null ? "examine" : "overview";
  const tab = names.find((name) => name === props.tab) ?? first;
  return (
    <SpaceBetween size="l">
      <TaskHeader task={task} onRefresh={props.onRefresh} />
      <Notes task={task} />
      <Facts task={task} />
      <Tabs
        ariaLabel={task.name}
        activeTabId={tab}
        onChange={(e) => void navigate(`/tasks/${task.id}/${e.detail.activeTabId}`, { replace: true })}
        tabs={names.map((name) => {
          // What a task of images has in place of objects stands at the same address.
          const shown = name === "objects" && task.type === "ECR" ? "images" : name;
          const Tab = tabs[shown];
          return {
            id: name,
            label: text(`task.tab.${shown}`),
            content: (
              <Suspense fallback={<StatusIndicator type="loading">{text("start.loading")}</StatusIndicator>}>
                {Tab && <Tab task={task} />}
              </Suspense>
            ),
          };
        })}
      />
    </SpaceBetween>
  );
}

function TaskHeader(props: { task: WholeTask; onRefresh: () => void }) {
  const text = useText();
  const navigate = useNavigate();
  const { role } = useAbout().caller;
  const { task } = props;
  const exportTask = useExport();
  const taskActions = useTaskActions(() => void navigate("/tasks"));
  const item = (action: Action) => {
    const why = whyNot(action, task, role, text);
    return { id: action, text: text(`action.${action}`), disabled: why !== undefined, disabledReason: why };
  };
  const main: Action = task.state === "PAUSED" ? "resume" : "run";
  return (
    <>
      <Header
        variant="h1"
        description={task.description}
        info={<InfoLink />}
        actions={
          <SpaceBetween direction="horizontal" size="xs">
            <Button iconName="refresh" ariaLabel={text("action.refresh")} onClick={props.onRefresh} />
            <ButtonDropdown
              loading={taskActions.busy}
              items={[...actions.filter((a) => a !== main).map(item), { text: text("action.export"), items: exportItems(task, text) }]}
              onItemClick={(e) => (isExport(e.detail.id) ? exportTask(e.detail.id, task) : taskActions.act(e.detail.id as Action, [task]))}
            >
              {text("action.actions")}
            </ButtonDropdown>
            <Button
              variant="primary"
              disabled={item(main).disabled}
              disabledReason={item(main).disabledReason}
              loading={taskActions.busy}
              onClick={() => taskActions.act(main, [task])}
            >
              {text(`action.${main}`)}
            </Button>
          </SpaceBetween>
        }
      >
        {task.name}
      </Header>
      {taskActions.dialog}
    </>
  );
}

/** What a person should know before all else: what is wrong and what to do, and what is under way. */
function Notes(props: { task: WholeTask }) {
  const text = useText();
  const { task } = props;
  const { operation } = task;
  return (
    <>
      {task.reason && (
        <Alert type={task.state === "ERROR" ? "error" : "warning"} header={task.reason}>
          {task.nextStep && text("error.next", { next: task.nextStep })}
        </Alert>
      )}
      {task.upgradeTo && !operation && <Newer task={task} version={task.upgradeTo} />}
      {operation && (
        <Alert type="info">
          <Sentence of={`task.underWay.${operation.kind}`} at={operation.begun} values={{ name: operation.by }} />
        </Alert>
      )}
    </>
  );
}

/** Says that the hub has a newer plugin than the task, and brings it up. */
function Newer(props: { task: WholeTask; version: string }) {
  const text = useText();
  const { role } = useAbout().caller;
  const upgrade = useUpgrade();
  const { task, version } = props;
  const why = whyNot("edit", task, role, text);
  const button = (
    <Button disabled={why !== undefined} disabledReason={why} loading={upgrade.busy !== undefined} onClick={() => upgrade.ask(task)}>
      {text("settings.upgrade")}
    </Button>
  );
  return (
    <Alert type="info" action={button}>
      {text("task.newer", { version })}
      {upgrade.dialog}
    </Alert>
  );
}

function Facts(props: { task: WholeTask }) {
  const text = useText();
  const { task } = props;
  return (
    <Container>
      <KeyValuePairs
        columns={4}
        minColumnWidth={180}
        items={[
          { label: text("tasks.state"), value: <TaskStateBadge state={task.state} /> },
          { label: text("task.health"), value: <HealthBadge task={task} /> },
          { label: text("tasks.schedule"), value: scheduleOf(task, text) },
          { label: text("tasks.nextRun"), value: <Time at={task.nextRun} /> },
          { label: text("task.source"), value: <Address of={task.source} /> },
          { label: text("task.destination"), value: <Address of={task.destination} /> },
          {
            label: text("task.created"),
            value: <Sentence of="task.createdBy" at={task.createdAt} values={{ name: task.createdBy }} />,
          },
          {
            label: text("task.version"),
            value: task.pluginVersion,
          },
        ]}
      />
    </Container>
  );
}
