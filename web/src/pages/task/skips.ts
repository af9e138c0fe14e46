import type { RunPartsFragment } from "../../api/generated.ts";

/** Objects that were left out for a reason. */
export interface Skip {
  reason: string;
  objects: number;
  bytes: number;
}

/**
 * What a run left out, by reason: the finder by its decisions (skipped:archived), workers by their outcomes (SKIPPED:archived).
 * An object is in one of them only, since what the finder leaves out no worker sees.
 */
export function skipsOf(run: Pick<RunPartsFragment, "decisions" | "outcomes">): Skip[] {
  const sums = new Map<string, Skip>();
  for (const { name, objects, bytes } of [...run.decisions, ...run.outcomes]) {
    const [kind, reason = ""] = name.split(":");
    if (kind?.toLowerCase() !== "skipped" || objects === 0) continue;
    const sum = sums.get(reason) ?? { reason, objects: 0, bytes: 0 };
    sums.set(reason, { reason, objects: sum.objects + objects, bytes: sum.bytes + bytes });
  }
  return [...sums.values()].sort((a, b) => b.objects - a.objects);
}
