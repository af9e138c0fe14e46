import type { EndsFragment } from "../../api/generated.ts";
import { isBusy } from "../../parts/state.tsx";

type Subject = Pick<EndsFragment, "state" | "lastRun" | "operation">;

/** Nothing changes any more unless somebody asks for it here. */
function isOver(task: Subject): boolean {
  return (task.state === "STOPPED" || task.state === "ERROR") && task.operation === null && !isBusy(task);
}

/** After how many seconds a task is asked for again: soon while something is under way; false: not at all. */
export function everyOf(task: Subject): number | false {
  if (isOver(task)) return false;
  return isBusy(task) || task.operation !== null ? 2 : 5;
}

/** The same of the lists of a task, which weigh more. */
export function everyOfLists(task: Subject): number | false {
  if (isOver(task)) return false;
  return isBusy(task) || task.operation !== null ? 3 : 15;
}
