import { expect, test } from "vitest";
import { axesOf, perSecond, type Series, topOf } from "./lines.ts";

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
  [[], 1],
  [[series("a", "Count")], 1],
  [[series("a", "Count", 0, 0)], 1],
  [[series("a", "Count", 1, 10), series("b", "Count", 20)], 22],
])("an axis ends above the highest value (%#)", (all, want) => expect(topOf(all)).toBeCloseTo(want));
