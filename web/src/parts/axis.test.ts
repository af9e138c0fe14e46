import { expect, test } from "vitest";
import { byteScale, countScale } from "./axis.ts";

/** The marks of an axis, as d3's scales choose them (https://d3js.org/d3-array/ticks): about so many, at 1, 2 or 5 times a power of ten. */
function marks(top: number, about = 4): number[] {
  const raw = top / about;
  const power = 10 ** Math.floor(Math.log10(raw));
  const error = raw / power;
  const step = power * (error >= Math.sqrt(50) ? 10 : error >= Math.sqrt(10) ? 5 : error >= Math.sqrt(2) ? 2 : 1);
  return Array.from({ length: Math.floor(top / step) + 1 }, (_, i) => i * step);
}

test.each([
  [4.2 * 2 ** 20, ["0 MiB/s", "1 MiB/s", "2 MiB/s", "3 MiB/s", "4 MiB/s"]],
  [700 * 2 ** 10, ["0 KiB/s", "200 KiB/s", "400 KiB/s", "600 KiB/s"]],
  [1.2 * 2 ** 30, ["0 GiB/s", "0.5 GiB/s", "1 GiB/s"]],
])("an axis up to %d bytes has round marks", (highest, want) => {
  const { top, tick, factor } = byteScale(highest, "en", "/s");
  expect(marks(top).map(tick)).toEqual(want);
  expect(highest / factor).toBeLessThan(top);
});

test.each([0, 1, 2, 3, 4, 7, 12, 999, 12_345])("an axis of %d things has no marks at halves", (highest) => {
  const { top, tick } = countScale(highest, "en");
  const all = marks(top);
  expect(all.every(Number.isInteger)).toBe(true);
  expect(new Set(all.map(tick)).size).toBe(all.length);
  expect(top).toBeGreaterThan(highest);
});

test("without a value there is an axis, too", () => {
  expect(byteScale(0, "en").top).toBeGreaterThan(0);
});
