import type { EndsFragment, Role, TaskState } from "../api/generated.ts";
import { mayAs } from "../app/hub.tsx";
import type { Text } from "../i18n/text.tsx";

/** What a person can do with a task that is there. */
export const actions = ["run", "pause", "resume", "edit", "clone", "stop", "delete"] as const;
export type Action = (typeof actions)[number];

/** What is known of a task when its actions are offered. */
export type Subject = Pick<EndsFragment, "id" | "name" | "state"> & { stack?: { id: string | null } };

/** As the API's own rules are (lambda/task): what is not offered here would be refused there. */
const rules: Record<Action, { role: Role; states: readonly TaskState[] | "any" }> = {
  run: { role: "operator", states: ["IN_PROGRESS", "DONE"] },
  pause: { role: "operator", states: ["IN_PROGRESS"] },
  resume: { role: "operator", states: ["PAUSED"] },
  edit: { role: "admin", states: ["IN_PROGRESS", "PAUSED", "DONE", "ERROR"] },
  clone: { role: "admin", states: "any" },
  stop: { role: "admin", states: ["STARTING", "IN_PROGRESS", "PAUSED", "UPDATING", "DONE", "ERROR"] },
  delete: { role: "admin", states: ["STOPPED", "ERROR"] },
};

/** Why somebody cannot do something with a task now; undefined: he can. */
export function whyNot(action: Action, task: Subject, have: Role | null, text: Text): string | undefined {
  const rule = rules[action];
  if (!mayAs(have, rule.role))
    return text("action.needs", { role: text(`role.${rule.role}`), have: have ? text(`role.${have}`) : text("menu.noRole") });
  if (rule.states !== "any" && !rule.states.includes(task.state)) return text("action.notNow", { state: text(`state.${task.state}`) });
  if (action === "delete" && task.state === "ERROR" && task.stack?.id) return text("action.hasStack");
  if (action === "edit" && task.state === "ERROR" && task.stack && !task.stack.id) return text("action.noStack");
  return undefined;
}
