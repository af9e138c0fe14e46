import { expect, test } from "vitest";
import type { TaskState } from "../api/generated.ts";
import { messages as first } from "../i18n/en/index.ts";
import { more } from "../i18n/en/more.ts";
import { newText } from "../i18n/text.tsx";
import { type Action, actions, whyNot } from "./actions.ts";

const text = newText("en", { ...first, ...more });

function offered(state: TaskState, stack?: { id: string | null }): Action[] {
  return actions.filter((a) => whyNot(a, { id: "1", name: "t", state, stack }, "admin", text) === undefined);
}

// As lambda/task/state.go has it.
test.each<[TaskState, Action[]]>([
  ["STARTING", ["clone", "stop"]],
  ["IN_PROGRESS", ["run", "pause", "edit", "clone", "stop"]],
  ["PAUSED", ["resume", "edit", "clone", "stop"]],
  ["UPDATING", ["clone", "stop"]],
  ["DONE", ["run", "edit", "clone", "stop"]],
  ["STOPPING", ["clone"]],
  ["STOPPED", ["clone", "delete"]],
  ["ERROR", ["edit", "clone", "stop", "delete"]],
])("what is offered for a task that is %s", (state, want) => expect(offered(state)).toEqual(want));

test("a failed task is deleted without a stack only, and edited with one only", () => {
  expect(offered("ERROR", { id: "arn" })).toEqual(["edit", "clone", "stop"]);
  expect(offered("ERROR", { id: null })).toEqual(["clone", "stop", "delete"]);
});

test("a role that is too low is named with the one that is needed", () => {
  const task = { id: "1", name: "t", state: "IN_PROGRESS" as const };
  expect(whyNot("pause", task, "viewer", text)).toBe("This needs the role Operator; yours is Viewer.");
  expect(whyNot("pause", task, "operator", text)).toBeUndefined();
  expect(whyNot("stop", task, "operator", text)).toContain("Administrator");
  expect(whyNot("run", task, null, text)).toContain("No role");
});
