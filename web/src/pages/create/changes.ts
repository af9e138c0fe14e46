import type { WholeFragment } from "../../api/generated.ts";
import type { Text } from "../../i18n/text.tsx";
import { type Plugin, valueText } from "../../parts/contracts.ts";
import type { Draft } from "./draft.ts";
import { defaultOf, type Parameter, toValues, type Values } from "./values.ts";

/** One setting of a task before and after an edit, and what the change does to the task. */
export interface Change {
  name: string;
  before: string;
  after: string;
  effect: string;
}

/** What an edit changes, in the order of the form. */
export function changesOf(
  task: WholeFragment,
  draft: Draft,
  plugin: Plugin,
  entries: { name: string; value: string }[],
  text: Text,
): Change[] {
  const all: Change[] = [];
  const atOnce = text("review.diff.atOnce");
  const add = (name: string, before: string, after: string, effect: string) => {
    if (before !== after) all.push({ name, before: before || text("value.none"), after: after || text("value.none"), effect });
  };
  add(text("create.name"), task.name, draft.name.trim(), atOnce);
  add(text("create.description"), task.description, draft.description, atOnce);
  add(text("create.labels"), labelsText(task.labels), labelsText(draft.labels), atOnce);
  const before = toValues(task.parameters);
  const after = toValues(entries);
  for (const p of plugin.parameters) add(p.label, said(p, plugin, before, text), said(p, plugin, after, text), plugin.effect(p.onUpdate));
  if (draft.upgrade && task.upgradeTo)
    add(text("create.upgrade"), task.pluginVersion, task.upgradeTo, plugin.effect("restarts the workers"));
  return all;
}

/** Whether an edit sends anything: also a default that is written down, or no longer, although nothing changes by that. */
export function isEdited(task: WholeFragment, draft: Draft, entries: { name: string; value: string }[]): boolean {
  const same = (a: Values, b: Values) => Object.keys({ ...a, ...b }).every((k) => a[k] === b[k]);
  return (
    task.name !== draft.name.trim() ||
    task.description !== draft.description ||
    draft.upgrade ||
    !same(toValues(task.labels), toValues(draft.labels)) ||
    !same(toValues(task.parameters), toValues(entries))
  );
}

function said(p: Parameter, plugin: Plugin, values: Values, text: Text): string {
  const given = values[p.name];
  if (given === "" && p.type === "cron") return text("schedule.once");
  return valueText(p, given || defaultOf(plugin, p, values), text);
}

function labelsText(labels: readonly { name: string; value: string }[]): string {
  return [...labels]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((l) => `${l.name}: ${l.value}`)
    .join(", ");
}
