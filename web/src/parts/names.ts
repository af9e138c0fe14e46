import type { Key, Text } from "../i18n/text.tsx";
import { type Plugin, valueText } from "./contracts.ts";

/** The text of a key that is put together; undefined: there is none, since the hub knows a word that this console does not. */
function known(key: string, text: Text): string | undefined {
  return text(key as Key) as string | undefined;
}

/** What became of an object: DONE, SKIPPED and so on, in words. */
export function statusName(status: string, text: Text): string {
  return known(`tally.${status}`, text) ?? status;
}

/** How or why: stream, archived, size and so on, in words. */
export function reasonName(reason: string, text: Text): string {
  return known(`reason.${reason}`, text) ?? reason;
}

/** A decision of the finder or an outcome of a copy, as the engine counts them (DONE:stream, skipped:archived), in words. */
export function tallyName(name: string, text: Text): string {
  const [status = "", ...reason] = name.split(":");
  if (reason.length === 0) return statusName(status, text);
  return text("task.tally", { status: statusName(status, text), reason: reasonName(reason.join(":"), text) });
}

/** What was done to a task, in words. */
export function deedName(action: string, text: Text): string {
  return known(`task.audit.did.${action.replaceAll(" ", "_")}`, text) ?? action;
}

/** What was changed of a task, with its values: parameters.srcBucket is what the plugin's contract calls it. */
export interface NamedChange {
  field: string;
  before: string;
  after: string;
}

/** A change in words. A plugin that is not there leaves parameters as the hub names them. */
export function changeName(change: NamedChange, plugin: Pick<Plugin, "parameters"> | undefined, text: Text): NamedChange {
  const [kind = "", ...rest] = change.field.split(".");
  const name = rest.join(".");
  const each = (write: (value: string) => string | undefined) => ({
    before: write(change.before) ?? change.before,
    after: write(change.after) ?? change.after,
  });
  if (change.field === "state") return { field: text("tasks.state"), ...each((v) => known(`state.${v}`, text)) };
  if (change.field === "name" || change.field === "description") return { ...change, field: text(`task.settings.${change.field}`) };
  if (kind === "labels") return { ...change, field: text("task.audit.label", { name }) };
  const parameter = kind === "parameters" ? plugin?.parameters.find((p) => p.name === name) : undefined;
  return parameter ? { field: parameter.label, ...each((v) => valueText(parameter, v, text)) } : change;
}
