import Alert from "@cloudscape-design/components/alert";
import AttributeEditor from "@cloudscape-design/components/attribute-editor";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Form from "@cloudscape-design/components/form";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";
import { SettingsDocument, type SettingsQuery, UpdateSettingsDocument } from "../../api/generated.ts";
import { useFlash } from "../../app/flash.tsx";
import { mayAs, useAbout, useAsk, useTell } from "../../app/hub.tsx";
import { useText } from "../../i18n/text.tsx";
import { type Plugin, usePlugins } from "../../parts/contracts.ts";
import { explain, Failure } from "../../parts/failure.tsx";
import { Sentence } from "../../parts/time.tsx";

type Entry = { name: string; value: string };

/** Values that forms for new tasks begin with. */
export function Defaults() {
  const { plugins, error, retry } = usePlugins();
  const settings = useAsk(SettingsDocument, {});
  if (error) return <Failure error={error} onRetry={retry} />;
  if (settings.error && !settings.data) return <Failure error={settings.error} onRetry={() => void settings.refetch()} />;
  if (!plugins || !settings.data) return null;
  return <Editor plugins={plugins} settings={settings.data.settings} />;
}

type Settings = SettingsQuery["settings"];

/** The values of each plugin, as the settings have them. */
function valuesOf(plugins: Plugin[], settings: Settings): Record<string, Entry[]> {
  return Object.fromEntries(
    plugins.map((p) => [
      p.type,
      (settings.defaults.find((d) => d.type === p.type)?.values ?? []).map(({ name, value }) => ({ name, value })),
    ]),
  );
}

function Editor(props: { plugins: Plugin[]; settings: Settings }) {
  const text = useText();
  const flash = useFlash();
  const { role } = useAbout().caller;
  const { plugins } = props;
  // The settings that the person has seen, and what he makes of them.
  const [settings, setSettings] = useState(props.settings);
  const [values, setValues] = useState(() => valuesOf(plugins, settings));
  const take = (next: Settings) => {
    setSettings(next);
    setValues(valuesOf(plugins, next));
  };
  const dirty = JSON.stringify(values) !== JSON.stringify(valuesOf(plugins, settings));
  const newer = props.settings.revision > settings.revision;
  // Others may change them meanwhile: nothing that was typed is thrown away, and nobody overwrites what he has not seen.
  if (newer && !dirty) take(props.settings);
  const tell = useTell(UpdateSettingsDocument);
  const may = mayAs(role, "admin");
  const why = may
    ? text("settings.defaults.unchanged")
    : text("action.needs", { role: text("role.admin"), have: role ? text(`role.${role}`) : text("menu.noRole") });
  const save = () =>
    tell.mutate(
      { input: { revision: settings.revision, defaults: plugins.map((p) => ({ type: p.type, values: values[p.type] ?? [] })) } },
      {
        onSuccess: (answer) => {
          take(answer.settings);
          flash.success(text("settings.defaults.saved"));
        },
        onError: (error) => flash.failure(text("settings.defaults.notSaved"), error),
      },
    );
  const changedBy = settings.updatedBy && settings.updatedAt && (
    <Sentence of="settings.defaults.by" at={settings.updatedAt} values={{ name: settings.updatedBy }} />
  );
  return (
    <Container
      header={
        <Header description={changedBy} variant="h2">
          {text("settings.defaults")}
        </Header>
      }
    >
      <Form
        errorText={tell.error ? explain(tell.error, text) : undefined}
        actions={
          <Button variant="primary" disabled={!may || !dirty} disabledReason={why} loading={tell.isPending} onClick={save}>
            {text("settings.defaults.save")}
          </Button>
        }
      >
        <SpaceBetween size="l">
          {newer && dirty && (
            <Alert
              type="warning"
              header={text("settings.defaults.conflict")}
              action={<Button onClick={() => take(props.settings)}>{text("create.reload")}</Button>}
            >
              {text("create.conflictText")}
            </Alert>
          )}
          {plugins.map((p) => (
            <OfPlugin
              key={p.type}
              plugin={p}
              entries={values[p.type] ?? []}
              disabled={!may}
              onChange={(entries) => setValues({ ...values, [p.type]: entries })}
            />
          ))}
        </SpaceBetween>
      </Form>
    </Container>
  );
}

function OfPlugin(props: { plugin: Plugin; entries: Entry[]; disabled: boolean; onChange: (entries: Entry[]) => void }) {
  const text = useText();
  const { plugin, entries, onChange } = props;
  const options = plugin.parameters.map((p) => ({ value: p.name, label: p.label, description: p.name }));
  const change = (i: number, entry: Entry) => onChange(entries.map((e, at) => (at === i ? entry : e)));
  return (
    <SpaceBetween size="xs">
      <Box variant="h3">{text("settings.defaults.of", { type: plugin.type })}</Box>
      <AttributeEditor
        items={entries}
        addButtonText={text("settings.defaults.add")}
        removeButtonText={text("settings.defaults.remove")}
        removeButtonAriaLabel={(e) => `${text("settings.defaults.remove")}: ${e.name}`}
        disableAddButton={props.disabled}
        isItemRemovable={() => !props.disabled}
        onAddButtonClick={() => onChange([...entries, { name: "", value: "" }])}
        onRemoveButtonClick={(e) => onChange(entries.filter((_, i) => i !== e.detail.itemIndex))}
        empty={text("settings.defaults.none")}
        definition={[
          {
            label: text("settings.defaults.parameter"),
            errorText: (e, i) =>
              e.name !== "" && entries.findIndex((o) => o.name === e.name) !== i ? text("settings.defaults.twice") : null,
            control: (e, i) => (
              <Select
                selectedOption={options.find((o) => o.value === e.name) ?? null}
                options={options}
                filteringType="auto"
                disabled={props.disabled}
                ariaLabel={text("settings.defaults.parameter")}
                onChange={(event) => change(i, { name: event.detail.selectedOption.value ?? "", value: e.value })}
              />
            ),
          },
          {
            label: text("settings.defaults.value"),
            control: (e, i) => (
              <Input
                value={e.value}
                disabled={props.disabled}
                ariaLabel={`${text("settings.defaults.value")}: ${e.name}`}
                onChange={(event) => change(i, { ...e, value: event.detail.value })}
              />
            ),
          },
        ]}
      />
    </SpaceBetween>
  );
}
