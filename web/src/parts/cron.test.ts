import { expect, test } from "vitest";
import vectors from "../api/contracts.json";
import { nextTimes, parse } from "./cron.ts";

test.each(vectors.cron)("$expression ticks as the hub's own does", ({ expression, after, next }) => {
  const schedule = parse(expression);
  const times = "fault" in schedule ? null : nextTimes(schedule, new Date(after), 5).map((t) => `${t.toISOString().slice(0, 19)}Z`);
  expect(times).toEqual(next);
});

test("a fault names the field, its value and what is allowed", () => {
  expect(parse("0 24 * * ? *")).toEqual({ fault: { kind: "field", field: "hours", value: "24", min: 0, max: 23 } });
  expect(parse("* * * * *")).toEqual({ fault: { kind: "count", count: 5 } });
});
