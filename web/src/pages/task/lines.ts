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

/** The highest value of lines. */
export function highestOf(all: readonly Series[]): number {
  return all.reduce((most, s) => s.points.reduce((m, p) => Math.max(m, p.value), most), 0);
}

/** What a line has at an instant: the measurement of the step that the instant is in; undefined: there is none. */
export function valueAt(series: Series, instant: number): number | undefined {
  const found = series.points.find((p) => {
    const begin = Date.parse(p.at);
    return begin <= instant && instant < begin + Math.max(series.step, 1) * 1000;
  });
  return found?.value;
}
