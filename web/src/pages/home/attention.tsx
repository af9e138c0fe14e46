import Box from "@cloudscape-design/components/box";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import type { EndsFragment } from "../../api/generated.ts";
import { type Text, useText } from "../../i18n/text.tsx";
import { Go } from "../../parts/go.tsx";
import { things } from "../../parts/things.ts";
import { Time } from "../../parts/time.tsx";

/** Why a person should look at a task, in a line. */
export function whyLook(task: EndsFragment, text: Text): string {
  const { lastRun, agreement } = task;
  if (task.state === "ERROR" && task.reason) return task.reason;
  if (task.health === "FAILING" && lastRun?.error) return text("home.attention.why.failing", { error: lastRun.error });
  if (lastRun && lastRun.failed > 0)
    return text("home.attention.why.failed", { things: things(lastRun.failed, task.type === "ECR", text) });
  if (agreement && agreement.behind > 0)
    return text("home.attention.why.behind", { things: things(agreement.behind, task.type === "ECR", text) });
  return task.reason ?? text("home.attention.why.look");
}

/** The tasks that a person should look at, with why. */
export function AttentionList(props: { tasks: EndsFragment[] | undefined }) {
  const text = useText();
  const { tasks } = props;
  return (
    <Container
      header={
        <Header
          counter={tasks?.length ? text("tasks.count", { count: tasks.length }) : undefined}
          actions={<Go to="/tasks?attention=true">{text("home.viewAll")}</Go>}
        >
          {text("home.attention")}
        </Header>
      }
    >
      {tasks === undefined && text("start.loading")}
      {tasks?.length === 0 && <StatusIndicator type="success">{text("home.attention.none")}</StatusIndicator>}
      {tasks && tasks.length > 0 && (
        <SpaceBetween size="s">
          {tasks.map((task) => (
            <div key={task.id}>
              <Box float="right" color="text-body-secondary">
                <Time at={task.updatedAt} relative />
              </Box>
              <Go to={`/tasks/${task.id}`}>{task.name}</Go>
              <div>
                <StatusIndicator type={task.state === "ERROR" || task.health === "FAILING" ? "error" : "warning"} wrapText>
                  {whyLook(task, text)}
                </StatusIndicator>
              </div>
            </div>
          ))}
        </SpaceBetween>
      )}
    </Container>
  );
}
