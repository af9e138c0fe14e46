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
import { PluginsDocument, type PluginsQuery, SettingsDocument, type SettingsQuery, UpdateSettingsDocument } from "../../api/generated.ts";
import { useFlash } from "../../app/flash.tsx";
import { mayAs, useAbout, useAsk, useTell } from "../../app/hub.tsx";
import { localTime } from "../../format.ts";
import { useText } from "../../i18n/text.tsx";
import { explain, Failure } from "../../parts/failure.tsx";

type Entry = { name: string; value: string };
type Plugin = PluginsQuery["plugins"][number];

/** Values that forms for new tasks begin with. */
export function Defaults() {
  const plugins = useAsk(PluginsDocument, {});
  const settings = useAsk(SettingsDocument, {});
  const failed = plugins.error ?? settings.error;
  if (failed) return <Failure error={failed} onRetry={() => void Promise.all([plugins.refetch(), settings.refetch()])} />;
  if (!plugins.data || !settings.data) return null;
  // What is typed begins anew when somebody has changed the settings, so that nobody overwrites what he has not seen.
  return <Editor key={settings.data.settings.revision} plugins={plugins.data.plugins} settings={settings.data.settings} />;
}

function Editor(props: { plugins: Plugin[]; settings: SettingsQuery["settings"] }) {
  const text = useText();
  const flash = useFlash();
  const { role } = useAbout().caller;
  const { plugins, settings } = props;
  const [values, setValues] = useState<Record<string, Entry[]>>(() =>
    Object.fromEntries(plugins.map((p) => [p.type, settings.defaults.find((d) => d.type === p.type)?.values ?? []])),
  );
  const tell = useTell(UpdateSettingsDocument);
  const may = mayAs(role, "admin");
  const save = () =>
    tell.mutate(
      { input: { revision: settings.revision, defaults: plugins.map((p) => ({ type: p.type, values: values[p.type] ?? [] })) } },
      {
        onSuccess: () => flash.success(text("settings.defaults.saved")),
        onError: (error) => flash.failure(text("settings.defaults.notSaved"), error),
      },
    );
  const changedBy =
    settings.updatedBy && settings.updatedAt
      ? text("settings.defaults.by", { name: settings.updatedBy, time: localTime(settings.updatedAt, text.language) })
      : undefined;
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
          <Button variant="primary" disabled={!may} loading={tell.isPending} onClick={save}>
            {text("settings.defaults.save")}
          </Button>
        }
      >
        <SpaceBetween size="l">
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
