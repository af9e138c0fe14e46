import Badge from "@cloudscape-design/components/badge";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import CopyToClipboard from "@cloudscape-design/components/copy-to-clipboard";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";
import Toggle from "@cloudscape-design/components/toggle";
import { useState } from "react";
import { useNavigate } from "react-router";
import { PoliciesDocument } from "../../api/generated.ts";
import { useAbout, useAsk } from "../../app/hub.tsx";
import { useText } from "../../i18n/text.tsx";
import { whyNot } from "../../parts/actions.ts";
import { Address } from "../../parts/address.tsx";
import { usePlugins, valueText } from "../../parts/contracts.ts";
import { Failure } from "../../parts/failure.tsx";
import { Policies } from "../../parts/policies.tsx";
import { type Group, groupsOf, type Setting } from "./settings.ts";
import type { TabProps, WholeTask } from "./task.tsx";

/** All settings of a task, its stack, and what both ends have to allow. */
export default function TaskSettings(props: TabProps) {
  const text = useText();
  const { task } = props;
  const { plugins, error, retry } = usePlugins();
  const [changedOnly, setChangedOnly] = useState(false);
  if (error) return <Failure error={error} onRetry={retry} />;
  if (!plugins) return <Spinner />;
  const plugin = plugins.find((p) => p.type === task.type);
  const groups = groupsOf({ type: task.type, parameters: plugin?.parameters ?? [] }, task.parameters);
  const shown = groups.map((g) => ({ ...g, all: g.all.filter((s) => s.changed || !changedOnly) })).filter((g) => g.all.length > 0);
  return (
    <SpaceBetween size="l">
      <General task={task} changedOnly={changedOnly} onChangedOnly={setChangedOnly} />
      {shown.map((g) => (
        <GroupOf key={g.name} group={g} name={g.known ? (plugin?.groupName(g.name) ?? g.name) : text("task.settings.unknown")} />
      ))}
      <EndPolicies task={task} />
      <Stack task={task} />
    </SpaceBetween>
  );
}

function General(props: { task: WholeTask; changedOnly: boolean; onChangedOnly: (only: boolean) => void }) {
  const text = useText();
  const navigate = useNavigate();
  const { role } = useAbout().caller;
  const { task } = props;
  const why = whyNot("edit", task, role, text);
  const actions = (
    <SpaceBetween direction="horizontal" size="s" alignItems="center">
      <Toggle checked={props.changedOnly} onChange={(e) => props.onChangedOnly(e.detail.checked)}>
        {text("task.settings.changedOnly")}
      </Toggle>
      <Button disabled={why !== undefined} disabledReason={why} onClick={() => void navigate(`/tasks/${task.id}/edit`)}>
        {text("task.settings.edit")}
      </Button>
    </SpaceBetween>
  );
  return (
    <Container
      header={
        <Header variant="h2" actions={actions}>
          {text("task.settings.general")}
        </Header>
      }
    >
      <KeyValuePairs
        columns={3}
        minColumnWidth={200}
        items={[
          { label: text("task.settings.name"), value: task.name },
          { label: text("task.settings.description"), value: task.description || text("value.none") },
          {
            label: text("task.settings.labels"),
            value: task.labels.length === 0 ? text("value.none") : task.labels.map((l) => `${l.name}: ${l.value}`).join(", "),
          },
        ]}
      />
    </Container>
  );
}

function GroupOf(props: { name: string; group: Group }) {
  return (
    <Container header={<Header variant="h2">{props.name}</Header>}>
      <KeyValuePairs
        columns={3}
        minColumnWidth={200}
        items={props.group.all.map((s) => ({ label: s.parameter?.label ?? s.name, value: <Value setting={s} /> }))}
      />
    </Container>
  );
}

/** The value of a parameter; one that differs from the default is marked. */
function Value(props: { setting: Setting }) {
  const text = useText();
  const { parameter, value, byDefault, changed } = props.setting;
  const words = (v: string) => (v === "" ? text("task.settings.empty") : parameter ? valueText(parameter, v, text) : v);
  if (!changed || parameter?.required)
    return value === "" ? (
      <Box color="text-body-secondary">{words(value)}</Box>
    ) : (
      <span className="value">
        <Address of={words(value)} />
      </span>
    );
  return (
    <SpaceBetween size="xxs">
      <div>
        <span className="value">
          <Address of={words(value)} />
        </span>{" "}
        <Badge color="blue">{text("task.settings.changed")}</Badge>
      </div>
      {parameter && (
        <Box fontSize="body-s" color="text-body-secondary">
          {text("task.settings.default", { value: words(byDefault) })}
        </Box>
      )}
    </SpaceBetween>
  );
}

function EndPolicies(props: { task: WholeTask }) {
  const text = useText();
  const asked = useAsk(PoliciesDocument, { id: props.task.id });
  const policies = asked.data?.taskPolicies;
  return (
    <Container header={<Header variant="h2">{text("task.settings.policies")}</Header>}>
      {asked.error && !policies && <Failure error={asked.error} onRetry={() => void asked.refetch()} />}
      {asked.isPending && <Spinner />}
      {policies && <Policies policies={policies} open={false} />}
    </Container>
  );
}

function Stack(props: { task: WholeTask }) {
  const text = useText();
  const { stack } = props.task;
  return (
    <Container header={<Header variant="h2">{text("task.settings.stack")}</Header>}>
      <KeyValuePairs
        columns={2}
        items={[
          { label: text("task.settings.stackName"), value: <Copied value={stack.name} /> },
          { label: text("task.settings.stackId"), value: stack.id ? <Copied value={stack.id} /> : text("value.none") },
          ...stack.outputs.map((o) => ({ label: o.name, value: <Copied value={o.value} /> })),
        ]}
      />
    </Container>
  );
}

/** A name that is used elsewhere, to be copied. */
function Copied(props: { value: string }) {
  const text = useText();
  if (props.value === "") return <>{text("value.none")}</>;
  return (
    <CopyToClipboard
      variant="inline"
      textToCopy={props.value}
      copyButtonAriaLabel={text("code.copy", { name: props.value })}
      copySuccessText={text("action.copied")}
      copyErrorText={text("action.notCopied")}
    />
  );
}
