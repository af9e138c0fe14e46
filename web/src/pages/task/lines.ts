import type { TaskMetricsQuery } from "../../api/generated.ts";

/** One line of a chart, as the hub gives it. */
export type Series = TaskMetricsQuery["taskMetrics"][number];

/** Lines that have the same unit: only they can share an axis. */
export interface Axis {
  unit: string;
  series: Series[];
}

/** Lines by their units, in the order in which the units come first. */
export function axesOf(all: readonly Series[]): Axis[] {
  const axes: Axis[] = [];
  for (const s of all) {
    const axis = axes.find((a) => a.unit === s.unit);
    if (axis) axis.series.push(s);
    else axes.push({ unit: s.unit, series: [s] });
  }
  return axes;
}

/** Sums of steps as means of a second: a step's length changes with the range, and so would its sums. */
export function perSecond(all: readonly Series[]): Series[] {
  return all.map((s) => ({ ...s, points: s.points.map((p) => ({ ...p, value: p.value / Math.max(s.step, 1) })) }));
}

/** The end of an axis: a little above the highest value, and never 0. */
export function topOf(all: readonly Series[]): number {
  const highest = all.reduce((most, s) => s.points.reduce((m, p) => Math.max(m, p.value), most), 0);
  return highest === 0 ? 1 : highest * 1.1;
}
