import { expect } from "vitest";
import { CreateTaskDocument, TaskDocument, type TaskQuery, TasksDocument } from "../../src/api/generated.ts";
import type { Hub } from "./hub.ts";

export type Task = TaskQuery["task"];

/** Time for what a hub does in the background, on a machine that does much else. */
const patience = { timeout: 90_000, interval: 100 };

/** The task of a name, by the API. */
export async function find(hub: Hub, name: string): Promise<Task | undefined> {
  const all = await hub.api.request(TasksDocument, { filter: { text: name } });
  const found = all.tasks.nodes.find((t) => t.name === name);
  return found && (await hub.api.request(TaskDocument, { id: found.id })).task;
}

/** Makes a task between the sample's buckets, by the API, with all that is not named as the task sample-once has it. */
export async function create(hub: Hub, name: string, parameters: Record<string, string>, start = false): Promise<Task> {
  const model = await find(hub, "sample-once");
  if (!model) throw new Error("the hub has no task sample-once; it needs the sample");
  const all = { ...Object.fromEntries(model.parameters.map((p) => [p.name, p.value])), ...parameters };
  const entries = Object.entries(all).map(([n, value]) => ({ name: n, value }));
  const made = await hub.api.request(CreateTaskDocument, { input: { name, type: "S3", parameters: entries, start } });
  return made.task;
}

/** Waits until a task is as it should be, by the API, and returns it. */
export async function until(hub: Hub, id: string, what: string, holds: (task: Task) => boolean): Promise<Task> {
  let last: Task | undefined;
  const look = async () => {
    last = (await hub.api.request(TaskDocument, { id })).task;
    return holds(last) || `${last.state}, ${last.health}, run ${JSON.stringify(last.lastRun)}`;
  };
  await expect.poll(look, { ...patience, message: what }).toBe(true);
  return last as Task;
}

/** Whether the last run of a task is over and its stack is at rest. */
export function isDone(task: Task): boolean {
  return task.state === "DONE" && task.lastRun?.state === "DONE";
}
