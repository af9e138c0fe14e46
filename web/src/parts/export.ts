import { TaskDocument } from "../api/generated.ts";
import { useFlash } from "../app/flash.tsx";
import { useHub } from "../app/hub.tsx";
import { type Text, useText } from "../i18n/text.tsx";
import { download, type Spec, toCommand, toParameters, toYaml } from "./exports.ts";

/** The forms in which a task is exported. */
const forms = ["exportYaml", "exportParameters", "exportCli"] as const;
type Form = (typeof forms)[number];

/** Whether an item of a menu is an export. */
export function isExport(id: string): id is Form {
  return forms.some((f) => f === id);
}

/** The items of a menu that export a task; disabled when there is none. */
export function exportItems(task: { id: string } | undefined, text: Text) {
  return forms.map((id) => ({ id, text: text(`action.${id}`), disabled: !task, disabledReason: text("action.chooseOne") }));
}

/** Has the browser keep a task as a file. What lists show of a task lacks its parameters: they are asked for. */
export function useExport(): (form: Form, task: { id: string; name: string }) => void {
  const { client } = useHub();
  const flash = useFlash();
  const text = useText();
  return (form, task) => {
    client.request(TaskDocument, { id: task.id }).then(
      (answer) => save(form, answer.task),
      (error) => flash.failure(text("failed.action", { action: text("action.export"), name: task.name }), error),
    );
  };
}

function save(form: Form, spec: Spec): void {
  const name = spec.name.replace(/[^\w.-]+/g, "-");
  if (form === "exportYaml") download(`${name}.yaml`, "application/yaml", toYaml(spec));
  else if (form === "exportParameters") download(`${name}.parameters.json`, "application/json", toParameters(spec));
  else download(`${name}.sh`, "text/x-shellscript", toCommand(spec));
}
