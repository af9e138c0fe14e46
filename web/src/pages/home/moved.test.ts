import { expect, test } from "vitest";
import { bars } from "./moved.tsx";

test("measurements are summed into bars, and none is counted twice or lost", () => {
  const window = { from: "2026-01-01T00:00:00Z", to: "2026-01-01T03:00:00Z" };
  const points = [
    { at: "2026-01-01T00:00:00Z", value: 1 },
    { at: "2026-01-01T00:59:00Z", value: 2 },
    { at: "2026-01-01T02:00:00Z", value: 4 },
    { at: "2026-01-01T03:00:00Z", value: 8 }, // after the window
  ];
  expect(bars(points, window, 3600).map((b) => [b.x.toISOString(), b.y])).toEqual([
    ["2026-01-01T00:00:00.000Z", 3],
    ["2026-01-01T01:00:00.000Z", 0],
    ["2026-01-01T02:00:00.000Z", 4],
  ]);
});
