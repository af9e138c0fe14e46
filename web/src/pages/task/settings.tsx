import Badge from "@cloudscape-design/components/badge";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import CopyToClipboard from "@cloudscape-design/components/copy-to-clipboard";
import ExpandableSection from "@cloudscape-design/components/expandable-section";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useNavigate } from "react-router";
import { type ParameterPartsFragment, PluginsDocument, PoliciesDocument, type PolicyPartsFragment } from "../../api/generated.ts";
import { useAbout, useAsk } from "../../app/hub.tsx";
import { useText } from "../../i18n/text.tsx";
import { whyNot } from "../../parts/actions.ts";
import { Failure } from "../../parts/failure.tsx";
import type { TabProps, WholeTask } from "./task.tsx";

/** All settings of a task, its stack, and what both ends have to allow. */
export default function TaskSettings(props: TabProps) {
  const { task } = props;
  const plugins = useAsk(PluginsDocument, {});
  if (plugins.error && !plugins.data) return <Failure error={plugins.error} onRetry={() => void plugins.refetch()} />;
  const parameters = plugins.data?.plugins.find((p) => p.type === task.type)?.parameters ?? [];
  return (
    <SpaceBetween size="l">
      <General task={task} />
      {groupsOf(parameters, task).map(({ group, all }) => (
        <Group key={group} name={group} parameters={all} task={task} />
      ))}
      <Policies task={task} />
      <Stack task={task} />
    </SpaceBetween>
  );
}

/** The parameters that apply to a task, by group, in the contract's order. Those that no longer exist come last. */
function groupsOf(parameters: ParameterPartsFragment[], task: WholeTask): { group: string; all: ParameterPartsFragment[] }[] {
  const given = new Map(task.parameters.map((p) => [p.name, p.value]));
  const value = (name: string) => given.get(name) ?? parameters.find((p) => p.name === name)?.default ?? "";
  const groups = new Map<string, ParameterPartsFragment[]>();
  for (const p of parameters) {
    if (!p.when.every((c) => c.in.includes(value(c.parameter))) && !given.has(p.name)) continue;
    groups.set(p.group, [...(groups.get(p.group) ?? []), p]);
  }
  return [...groups].map(([group, all]) => ({ group, all }));
}

function General(props: { task: WholeTask }) {
  const text = useText();
  const navigate = useNavigate();
  const { role } = useAbout().caller;
  const { task } = props;
  const why = whyNot("edit", task, role, text);
  return (
    <Container
      header={
        <Header
          variant="h2"
          actions={
            <Button disabled={why !== undefined} disabledReason={why} onClick={() => void navigate(`/tasks/${task.id}/edit`)}>
              {text("task.settings.edit")}
            </Button>
          }
        >
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

function Group(props: { name: string; parameters: ParameterPartsFragment[]; task: WholeTask }) {
  const given = new Map(props.task.parameters.map((p) => [p.name, p.value]));
  return (
    <Container header={<Header variant="h2">{props.name}</Header>}>
      <KeyValuePairs
        columns={3}
        minColumnWidth={200}
        items={props.parameters.map((p) => ({ label: p.label, value: <Value parameter={p} given={given.get(p.name)} /> }))}
      />
    </Container>
  );
}

/** The value of a parameter; one that was given and differs from the default is marked. */
function Value(props: { parameter: ParameterPartsFragment; given: string | undefined }) {
  const text = useText();
  const { parameter, given } = props;
  const byDefault = parameter.default ?? "";
  const value = given ?? byDefault;
  const shown = value === "" ? <Box color="text-body-secondary">{text("task.settings.empty")}</Box> : value;
  if (given === undefined || given === byDefault || parameter.required) return shown;
  return (
    <SpaceBetween size="xxs">
      <div>
        {value === "" ? text("task.settings.empty") : value} <Badge color="blue">{text("task.settings.changed")}</Badge>
      </div>
      <Box fontSize="body-s" color="text-body-secondary">
        {text("task.settings.default", { value: byDefault === "" ? text("task.settings.empty") : byDefault })}
      </Box>
    </SpaceBetween>
  );
}

function Policies(props: { task: WholeTask }) {
  const text = useText();
  const asked = useAsk(PoliciesDocument, { id: props.task.id });
  const policies = asked.data?.taskPolicies;
  return (
    <Container header={<Header variant="h2">{text("task.settings.policies")}</Header>}>
      {asked.error && !policies && <Failure error={asked.error} onRetry={() => void asked.refetch()} />}
      {policies?.length === 0 && text("task.settings.noPolicies")}
      <SpaceBetween size="s">
        {policies?.map((p) => (
          <PolicyOf key={p.end + p.kind + p.attachTo} policy={p} />
        ))}
      </SpaceBetween>
    </Container>
  );
}

/** One thing that an owner of an end has to allow, to be copied. */
function PolicyOf(props: { policy: PolicyPartsFragment }) {
  const text = useText();
  const { end, kind, attachTo, document, text: words } = props.policy;
  const content = document ?? words ?? "";
  return (
    <ExpandableSection headerText={text("task.settings.policy.attach", { end, kind, to: attachTo })}>
      <SpaceBetween size="xs">
        <CopyToClipboard
          textToCopy={content}
          copyButtonText={text("action.copy")}
          copySuccessText={text("action.copied")}
          copyErrorText={text("action.notCopied")}
        />
        <Box variant={document ? "pre" : "p"}>{content}</Box>
      </SpaceBetween>
    </ExpandableSection>
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
          { label: text("task.settings.stackName"), value: stack.name },
          { label: text("task.settings.stackId"), value: stack.id ?? text("value.none") },
          ...stack.outputs.map((o) => ({ label: o.name, value: o.value })),
        ]}
      />
    </Container>
  );
}
