import { expect, test } from "vitest";
import { axesOf, highestOf, perSecond, type Series, valueAt } from "./lines.ts";

function series(name: string, unit: string, ...values: number[]): Series {
  return { name, unit, step: 60, points: values.map((value, i) => ({ at: `2026-01-01T00:0${i}:00Z`, value })) };
}

test("messages and seconds do not share an axis", () => {
  const axes = axesOf([series("waiting", "Count"), series("oldest", "Seconds"), series("under way", "Count")]);
  expect(axes.map((a) => [a.unit, a.series.map((s) => s.name)])).toEqual([
    ["Count", ["waiting", "under way"]],
    ["Seconds", ["oldest"]],
  ]);
});

test("bytes of a minute are bytes of a second", () => {
  expect(perSecond([series("bytes", "Bytes", 120, 0)])[0]?.points.map((p) => p.value)).toEqual([2, 0]);
});

test.each([
  [[], 0],
  [[series("a", "Count")], 0],
  [[series("a", "Count", 1, 10), series("b", "Count", 20)], 20],
])("the highest value of lines (%#)", (all, want) => expect(highestOf(all)).toBe(want));

test("at an instant a line has what was measured in the step around it", () => {
  const at = (time: string) => valueAt(series("a", "Count", 5, 7), Date.parse(time));
  expect(at("2026-01-01T00:00:00Z")).toBe(5);
  expect(at("2026-01-01T00:00:59Z")).toBe(5);
  expect(at("2026-01-01T00:01:30Z")).toBe(7);
  expect(at("2026-01-01T00:02:00Z")).toBeUndefined();
  expect(at("2025-12-31T23:59:59Z")).toBeUndefined();
});
