import AttributeEditor from "@cloudscape-design/components/attribute-editor";
import Checkbox from "@cloudscape-design/components/checkbox";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Textarea from "@cloudscape-design/components/textarea";
import Tiles from "@cloudscape-design/components/tiles";
import { type Key, useText } from "../../i18n/text.tsx";
import type { Plugin } from "../../parts/contracts.ts";
import type { Draft } from "./draft.ts";

interface Props {
  draft: Draft;
  plugins: Plugin[];
  /** The task that is edited: its type stays, and its plugin may have a newer version. */
  task?: { pluginVersion: string; upgradeTo: string | null };
  /** What is wrong with a field, as far as it is to be shown. */
  errorOf: (field: string) => string | undefined;
  onChange: (change: Partial<Draft>) => void;
}

const names: Record<string, Key> = { S3: "home.start.S3", ECR: "home.start.ECR" };

/** The first step: the kind of transfer, and how the task is called. */
export function FirstStep(props: Props) {
  const text = useText();
  const { draft, task, onChange } = props;
  return (
    <SpaceBetween size="l">
      <Container>
        <FormField label={text("create.type.label")} constraintText={task && text("create.type.fixed")}>
          <Tiles
            value={draft.type}
            items={props.plugins.map((p) => ({
              value: p.type,
              label: names[p.type] ? text(names[p.type] as Key) : p.type,
              description: p.description,
              disabled: task !== undefined && p.type !== draft.type,
            }))}
            onChange={(e) => onChange({ type: e.detail.value })}
          />
        </FormField>
      </Container>
      <Container header={<Header variant="h2">{text("create.identity")}</Header>}>
        <SpaceBetween size="l">
          <FormField label={text("create.name")} constraintText={text("create.name.text")} errorText={props.errorOf("name")}>
            <Input value={draft.name} autoComplete={false} onChange={(e) => onChange({ name: e.detail.value })} />
          </FormField>
          <FormField
            label={<Optional label={text("create.description")} />}
            description={text("create.description.text")}
            errorText={props.errorOf("description")}
          >
            <Textarea value={draft.description} rows={2} onChange={(e) => onChange({ description: e.detail.value })} />
          </FormField>
          <Labels {...props} />
        </SpaceBetween>
      </Container>
      {task?.upgradeTo && (
        <Container header={<Header variant="h2">{text("create.upgrade")}</Header>}>
          <Checkbox
            checked={draft.upgrade}
            description={text("create.upgrade.text", { version: task.pluginVersion })}
            onChange={(e) => onChange({ upgrade: e.detail.checked })}
          >
            {text("create.upgrade.to", { version: task.upgradeTo })}
          </Checkbox>
        </Container>
      )}
    </SpaceBetween>
  );
}

function Optional(props: { label: string }) {
  const text = useText();
  return (
    <>
      {props.label} <i>{`- ${text("create.optional")}`}</i>
    </>
  );
}

function Labels(props: Props) {
  const text = useText();
  const { labels } = props.draft;
  const set = (at: number, change: { name?: string; value?: string }) =>
    props.onChange({ labels: labels.map((l, i) => (i === at ? { ...l, ...change } : l)) });
  return (
    <FormField
      label={<Optional label={text("create.labels")} />}
      description={text("create.labels.text")}
      errorText={props.errorOf("labels")}
      stretch
    >
      <AttributeEditor
        items={labels}
        empty={text("create.labels.none")}
        addButtonText={text("create.labels.add")}
        removeButtonText={text("create.labels.remove")}
        disableAddButton={labels.length >= 50}
        definition={[
          {
            label: text("create.labels.name"),
            control: (l, i) => <Input value={l.name} onChange={(e) => set(i, { name: e.detail.value })} />,
            errorText: (_, i) => props.errorOf(`labels.${i}`),
          },
          {
            label: text("create.labels.value"),
            control: (l, i) => <Input value={l.value} onChange={(e) => set(i, { value: e.detail.value })} />,
          },
        ]}
        onAddButtonClick={() => props.onChange({ labels: [...labels, { name: "", value: "" }] })}
        onRemoveButtonClick={(e) => props.onChange({ labels: labels.filter((_, i) => i !== e.detail.itemIndex) })}
      />
    </FormField>
  );
}
