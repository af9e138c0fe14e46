import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import Table from "@cloudscape-design/components/table";
import { useEffect, useState } from "react";
import {
  CheckDocument,
  type CheckQuery,
  PlanDocument,
  type PlanQuery,
  ResumeTaskDocument,
  StartCheckDocument,
  StartPlanDocument,
  TaskDocument,
} from "../api/generated.ts";
import { useFlash } from "../app/flash.tsx";
import { mayAs, useAbout, useAsk, useTell } from "../app/hub.tsx";
import { type Key, type Text, useText } from "../i18n/text.tsx";
import { whyNot } from "./actions.ts";
import { Empty, Failure } from "./failure.tsx";
import { PlanResult } from "./planned.tsx";
import { endName } from "./policies.tsx";
import { things } from "./things.ts";
import { Sentence } from "./time.tsx";

/** Check, Plan and Start of a task, with what the latest check and the latest plan found. */
export function Examine(props: { taskId: string }) {
  const id = props.taskId;
  const task = useAsk(TaskDocument, { id });
  const check = useAnswer(CheckDocument, id, (a) => a.check?.state);
  const plan = useAnswer(PlanDocument, id, (a) => a.plan?.state);
  const shown = task.data?.task;
  if (task.error && !shown) return <Failure error={task.error} onRetry={() => void task.refetch()} />;
  if (!shown) return null;
  return (
    <SpaceBetween size="l">
      <Begin task={shown} checking={check.data?.check?.state === "RUNNING"} planning={plan.data?.plan?.state === "RUNNING"} />
      <CheckPart asked={check} />
      <PlanPart asked={plan} ofImages={shown.type === "ECR"} />
    </SpaceBetween>
  );
}

type Answered<A> = ReturnType<typeof useAsk<A, { id: string }>>;

/** Asks for an answer that takes a while, again and again until it is there. */
function useAnswer<A>(operation: Parameters<typeof useAsk<A, { id: string }>>[0], id: string, stateOf: (a: A) => string | undefined) {
  const [running, setRunning] = useState(false);
  const asked = useAsk(operation, { id }, { every: running && 2 });
  const state = asked.data && stateOf(asked.data);
  useEffect(() => setRunning(state === "RUNNING"), [state]);
  return asked;
}

interface BeginProps {
  task: { id: string; name: string; state: Parameters<typeof whyNot>[1]["state"] };
  checking: boolean;
  planning: boolean;
}

function Begin(props: BeginProps) {
  const text = useText();
  const flash = useFlash();
  const { task } = props;
  const { role } = useAbout().caller;
  const tell = { check: useTell(StartCheckDocument), plan: useTell(StartPlanDocument), start: useTell(ResumeTaskDocument) };
  const run = async (what: keyof typeof tell) => {
    try {
      await tell[what].mutateAsync({ id: task.id });
      if (what === "start") flash.success(text("examine.done", { name: task.name }));
    } catch (error) {
      flash.failure(text("failed.action", { action: text(`examine.${what}`), name: task.name }), error);
    }
  };
  const possible = ["PAUSED", "IN_PROGRESS", "DONE"].includes(task.state);
  const why = mayAs(role, "operator")
    ? text("action.notNow", { state: text(`state.${task.state}`) })
    : text("action.needs", { role: text("role.operator"), have: role ? text(`role.${role}`) : text("menu.noRole") });
  const off = { disabled: !possible || !mayAs(role, "operator"), disabledReason: why };
  const notStart = whyNot("resume", task, role, text);
  return (
    <Container
      header={
        <Header
          variant="h2"
          description={text(possible ? "examine.text" : "examine.wait")}
          actions={
            <SpaceBetween direction="horizontal" size="xs">
              <Button {...off} loading={props.checking || tell.check.isPending} onClick={() => void run("check")}>
                {text("examine.check")}
              </Button>
              <Button {...off} loading={props.planning || tell.plan.isPending} onClick={() => void run("plan")}>
                {text("examine.plan")}
              </Button>
              {task.state === "PAUSED" && (
                <Button
                  variant="primary"
                  disabled={notStart !== undefined}
                  disabledReason={notStart}
                  loading={tell.start.isPending}
                  onClick={() => void run("start")}
                >
                  {text("examine.start")}
                </Button>
              )}
            </SpaceBetween>
          }
        >
          {text("examine.title")}
        </Header>
      }
    >
      {task.state === "PAUSED" && text("examine.startText")}
    </Container>
  );
}

type Check = NonNullable<CheckQuery["check"]>;
type Finding = Check["findings"][number];

function CheckPart(props: { asked: Answered<CheckQuery> }) {
  const text = useText();
  const { asked } = props;
  const check = asked.data?.check;
  if (asked.error && !asked.data) return <Failure error={asked.error} onRetry={() => void asked.refetch()} />;
  if (check?.state === "FAILED") return <Failed header={text("examine.check")} error={check.error} />;
  return (
    <Table
      header={
        <Header variant="h3" description={check && <Asked at={check.started} />}>
          {text("examine.check")}
        </Header>
      }
      footer={check?.state === "DONE" && <Verdict findings={check.findings} />}
      items={check?.findings ?? []}
      loading={check?.state === "RUNNING" && check.findings.length === 0}
      loadingText={text("examine.running")}
      wrapLines
      columnDefinitions={[
        { id: "end", header: text("examine.end"), cell: (f) => endName(f.end, text) },
        { id: "right", header: text("examine.right"), cell: (f) => rightName(f.right, text), isRowHeader: true },
        { id: "result", header: text("examine.result"), cell: (f) => <Result finding={f} /> },
        { id: "remedy", header: text("examine.remedy"), cell: (f) => f.remedy ?? text("value.none") },
      ]}
      empty={<Empty title={text("examine.check.none")} text={text("examine.check.noneText")} />}
      ariaLabels={{ tableLabel: text("examine.check") }}
    />
  );
}

/** A right in words; one that the console does not know stays as the hub names it. */
function rightName(right: string, text: Text): string {
  return (text(`examine.right.${right}` as Key) as string | undefined) ?? right;
}

const looks = { ok: "success", denied: "error", unknown: "warning" } as const;

function Result(props: { finding: Finding }) {
  const text = useText();
  const { result, message } = props.finding;
  const known = result === "ok" || result === "denied" ? result : "unknown";
  return (
    <>
      <StatusIndicator type={looks[known]}>{text(`examine.result.${known}`)}</StatusIndicator>
      {message && <Box color="text-body-secondary">{message}</Box>}
    </>
  );
}

function Verdict(props: { findings: Finding[] }) {
  const text = useText();
  const denied = props.findings.filter((f) => f.result === "denied").length;
  const unknown = props.findings.filter((f) => f.result !== "denied" && f.result !== "ok").length;
  return (
    <div aria-live="polite">
      {denied > 0 && <StatusIndicator type="error">{text("examine.check.denied", { count: denied })}</StatusIndicator>}
      {denied === 0 && unknown > 0 && <StatusIndicator type="warning">{text("examine.check.unknown", { count: unknown })}</StatusIndicator>}
      {denied === 0 && unknown === 0 && <StatusIndicator type="success">{text("examine.check.ok")}</StatusIndicator>}
    </div>
  );
}

function PlanPart(props: { asked: Answered<PlanQuery>; ofImages: boolean }) {
  const text = useText();
  const { asked, ofImages } = props;
  const plan = asked.data?.plan;
  if (asked.error && !asked.data) return <Failure error={asked.error} onRetry={() => void asked.refetch()} />;
  if (plan?.state === "FAILED") return <Failed header={text("examine.plan")} error={plan.error} />;
  return (
    <Container
      header={
        <Header variant="h3" description={plan && <Asked at={plan.started} />}>
          {text("examine.plan")}
        </Header>
      }
    >
      {plan?.state === "RUNNING" && (
        <StatusIndicator type="loading">
          {`${text("examine.running")}: ${text("examine.plan.listed", { things: things(plan.listed, ofImages, text) })}`}
        </StatusIndicator>
      )}
      {plan?.result && <PlanResult result={plan.result} ofImages={ofImages} />}
      {!plan && <Empty title={text("examine.plan.none")} text={text("examine.plan.noneText")} />}
    </Container>
  );
}

function Asked(props: { at: string }) {
  return <Sentence of="examine.at" at={props.at} relative />;
}

function Failed(props: { header: string; error: string | null }) {
  const text = useText();
  return (
    <Alert type="error" header={`${props.header}: ${text("examine.failed")}`}>
      {props.error}
    </Alert>
  );
}
