import { expect, test } from "vitest";
import type { EndsFragment, RunState, TaskState } from "../../api/generated.ts";
import { everyOf, everyOfLists } from "./polling.ts";

function task(state: TaskState, run?: RunState, working = false) {
  const lastRun = run ? ({ state: run } as EndsFragment["lastRun"]) : null;
  return { state, lastRun, operation: working ? { kind: "UPDATE" as const, begun: "", by: "" } : null };
}

test.each([
  ["a run is under way", task("IN_PROGRESS", "COPYING"), 2, 3],
  ["the stack is being made", task("STARTING"), 2, 3],
  ["the stack of a failed task is being changed", task("ERROR", "DONE", true), 2, 3],
  ["a run of a failed task goes on", task("ERROR", "COPYING"), 2, 3],
  ["a run can begin by itself", task("IN_PROGRESS", "DONE"), 5, 15],
  ["it can go on", task("PAUSED"), 5, 15],
  ["it is stopped", task("STOPPED", "DONE"), false, false],
  ["it failed", task("ERROR", "DONE"), false, false],
])("%s", (_, subject, task, lists) => expect([everyOf(subject), everyOfLists(subject)]).toEqual([task, lists]));
