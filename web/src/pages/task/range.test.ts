import { expect, test } from "vitest";
import { isPossible, lengths, readRange, secondsOf, spanOf, writeRange } from "./range.ts";

function back(address: string) {
  const written = Object.entries(writeRange(readRange(new URLSearchParams(address), "24h"))).filter(([, v]) => v !== undefined);
  return Object.fromEntries(written);
}

test.each([
  ["", { last: "86400" }],
  ["last=3600", { last: "3600" }],
  ["last=7200", { last: "7200" }],
  ["last=-1", { last: "86400" }],
  ["last=soon", { last: "86400" }],
  ["from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z", { from: "2026-01-01T00:00:00.000Z", to: "2026-01-02T00:00:00.000Z" }],
  ["from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z&last=3600", { last: "3600" }],
  ["from=yesterday&to=today", { last: "86400" }],
])("%s is read and written", (address, want) => expect(back(address)).toEqual(want));

test("every length that is offered can be linked to", () => {
  for (const l of lengths) expect(readRange(new URLSearchParams({ last: String(secondsOf(l)) }), "1h")).toBe(l);
});

test("a range that ends now moves with it, another does not", () => {
  const now = Date.parse("2026-01-01T12:00:00Z");
  expect(spanOf(readRange(new URLSearchParams("last=3600"), ""), now)).toEqual({
    from: "2026-01-01T11:00:00.000Z",
    to: "2026-01-01T12:00:00.000Z",
  });
  const fixed = readRange(new URLSearchParams("from=2020-01-01T00:00:00Z&to=2020-01-02T00:00:00Z"), "");
  expect(spanOf(fixed, now).to).toBe("2020-01-02T00:00:00.000Z");
});

test.each([
  [59, false],
  [60, true],
  [400 * 86_400, true],
  [400 * 86_400 + 1, false],
])("%i seconds can be asked for: %s", (amount, want) => expect(isPossible({ type: "relative", amount, unit: "second" })).toBe(want));
