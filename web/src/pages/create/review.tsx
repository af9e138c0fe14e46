import Alert from "@cloudscape-design/components/alert";
import Badge from "@cloudscape-design/components/badge";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import SpaceBetween from "@cloudscape-design/components/space-between";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import Tabs from "@cloudscape-design/components/tabs";
import { useAbout } from "../../app/hub.tsx";
import { useText } from "../../i18n/text.tsx";
import { Address } from "../../parts/address.tsx";
import { Code } from "../../parts/code.tsx";
import { type Plugin, valueText } from "../../parts/contracts.ts";
import { type Spec, toCommand, toParameters, toYaml } from "../../parts/exports.ts";
import { explain } from "../../parts/failure.tsx";
import { Policies } from "../../parts/policies.tsx";
import type { Change } from "./changes.ts";
import { Difference } from "./difference.tsx";
import type { Draft, Verdict } from "./draft.ts";
import { type Step, shown, stepOf, steps } from "./steps.ts";
import { defaultOf, isChanged, type Parameter } from "./values.ts";

interface Props {
  draft: Draft;
  plugin: Plugin;
  verdict: Verdict;
  /** Of a task that is edited. */
  changes?: Change[];
  onGo: (step: Step) => void;
}

/** The last step: everything at a glance, the same task elsewhere, and what both ends have to allow. */
export function ReviewStep(props: Props) {
  const { draft, plugin, verdict } = props;
  const { name, description, type } = draft;
  const labels = draft.labels.map(({ name: n, value }) => ({ name: n, value }));
  const spec: Spec = { name, description, type, labels, parameters: verdict.entries };
  return (
    <SpaceBetween size="l">
      <Standing {...props} />
      {props.changes && <Difference changes={props.changes} />}
      <About draft={draft} plugin={plugin} onGo={props.onGo} />
      {steps.slice(1, -1).map((step) => (
        <Settings key={step} {...props} step={step} />
      ))}
      <Elsewhere spec={spec} />
      <Allow verdict={verdict} />
    </SpaceBetween>
  );
}

/** Whether the hub takes these settings; where not, which and where. */
function Standing(props: Props) {
  const text = useText();
  const { verdict, plugin } = props;
  const { wrong } = verdict;
  if (wrong.length > 0)
    return (
      <Alert type="error" header={text("review.wrong", { count: wrong.length })}>
        {text("review.wrongNext")}
        <ul>
          {wrong.map((w) => (
            <li key={w.field + w.message}>
              <Button variant="inline-link" onClick={() => props.onGo(w.step)}>
                {text(`create.${w.step}`)}
              </Button>
              {`: ${fieldName(w.field, plugin, text("create.name"))}: ${w.message}`}
            </li>
          ))}
        </ul>
      </Alert>
    );
  if (verdict.error)
    return (
      <Alert type="warning" header={text("review.notChecked")}>
        {explain(verdict.error, text)}
      </Alert>
    );
  return (
    <div aria-live="polite">
      <StatusIndicator type={verdict.checking ? "loading" : "success"}>
        {text(verdict.checking ? "review.checking" : "review.right")}
      </StatusIndicator>
    </div>
  );
}

function fieldName(field: string, plugin: Plugin, name: string): string {
  if (field === "name") return name;
  return plugin.parameters.find((p) => p.name === field)?.label ?? field;
}

function StepHeader(props: { step: Step; onGo: (step: Step) => void }) {
  const text = useText();
  const title = text(`create.${props.step}`);
  return (
    <Header
      variant="h2"
      actions={
        <Button ariaLabel={text("review.editOf", { title })} onClick={() => props.onGo(props.step)}>
          {text("review.edit")}
        </Button>
      }
    >
      {title}
    </Header>
  );
}

function About(props: { draft: Draft; plugin: Plugin; onGo: (step: Step) => void }) {
  const text = useText();
  const { draft, plugin } = props;
  const labels = draft.labels.map((l) => (l.value === "" ? l.name : `${l.name}: ${l.value}`)).join(", ");
  return (
    <Container header={<StepHeader step="type" onGo={props.onGo} />}>
      <KeyValuePairs
        columns={3}
        items={[
          { label: text("create.type.label"), value: plugin.description },
          { label: text("create.name"), value: draft.name || text("value.none") },
          { label: text("create.description"), value: draft.description || text("value.none") },
          { label: text("create.labels"), value: labels || text("value.none") },
        ]}
      />
    </Container>
  );
}

/** Every parameter of a step that applies: what was set is marked, all else shows its default. */
function Settings(props: Props & { step: Step }) {
  const { draft, plugin, step } = props;
  const { local } = useAbout();
  const all = shown(plugin, draft.given, local).filter((p) => stepOf(p) === step);
  if (all.length === 0) return null;
  return (
    <Container header={<StepHeader step={step} onGo={props.onGo} />}>
      <KeyValuePairs
        columns={3}
        items={all.map((p) => ({ label: p.label, value: <Value parameter={p} draft={draft} plugin={plugin} /> }))}
      />
    </Container>
  );
}

function Value(props: { parameter: Parameter; draft: Draft; plugin: Plugin }) {
  const text = useText();
  const { parameter: p, plugin } = props;
  const { given } = props.draft;
  const set = isChanged(plugin, p, given);
  const value = set ? (given[p.name] ?? "") : defaultOf(plugin, p, given);
  const said = value === "" && p.type === "cron" ? text("schedule.once") : valueText(p, value, text);
  return (
    <SpaceBetween direction="horizontal" size="xs">
      <Box color={set ? "inherit" : "text-body-secondary"} variant="span">
        <span className="value">
          <Address of={said || text("value.none")} />
        </span>
      </Box>
      {set && <Badge color="blue">{text("review.given")}</Badge>}
    </SpaceBetween>
  );
}

function Elsewhere(props: { spec: Spec }) {
  const text = useText();
  const { spec } = props;
  const forms = {
    cli: toCommand(spec),
    yaml: toYaml(spec),
    parameters: toParameters(spec),
  };
  return (
    <Container
      header={
        <Header variant="h2" description={text("review.spec.text")}>
          {text("review.spec")}
        </Header>
      }
    >
      <Tabs
        ariaLabel={text("review.spec")}
        tabs={(Object.keys(forms) as (keyof typeof forms)[]).map((id) => ({
          id,
          label: text(`review.spec.${id}`),
          content: <Code name={text(`review.spec.${id}`)} content={forms[id]} />,
        }))}
      />
    </Container>
  );
}

function Allow(props: { verdict: Verdict }) {
  const text = useText();
  const { policies, checking } = props.verdict;
  return (
    <Container
      header={
        <Header variant="h2" description={text("review.policies.text")}>
          {text("review.policies")}
        </Header>
      }
    >
      {policies ? (
        <Policies policies={policies} />
      ) : (
        <StatusIndicator type={checking ? "loading" : "pending"}>
          {text(checking ? "review.checking" : "review.policies.wait")}
        </StatusIndicator>
      )}
    </Container>
  );
}
