import { expect, test } from "vitest";
import { addSample, rateOf, type Sample } from "./rate.ts";

const sample = (seconds: number, settled: number, runId = "r"): Sample => ({
  runId,
  at: seconds * 1000,
  queued: 1000,
  settled,
  bytes: settled * 10,
});

function after(...all: Sample[]) {
  return all.reduce(addSample, [] as readonly Sample[]);
}

test("the rate is taken over the last minute", () => {
  expect(rateOf(after(sample(0, 0), sample(10, 100), sample(20, 300)))).toEqual({ objects: 15, bytes: 150, left: 700 / 15 });
  // What was at 0 s is too old at 70 s.
  expect(rateOf(after(sample(0, 0), sample(10, 100), sample(70, 700)))).toEqual({ objects: 10, bytes: 100, left: 30 });
});

test("one sample, or the same one twice, is no rate", () => {
  expect(rateOf([])).toBeUndefined();
  expect(rateOf(after(sample(1, 1)))).toBeUndefined();
  expect(rateOf(after(sample(1, 1), sample(1, 1)))).toBeUndefined();
});

test("an answer that was overtaken changes nothing", () => {
  const samples = after(sample(0, 0), sample(10, 100));
  expect(addSample(samples, sample(5, 50))).toBe(samples);
});

test("another run begins anew", () => {
  expect(after(sample(0, 900), sample(10, 1000), sample(20, 5, "next"))).toEqual([sample(20, 5, "next")]);
});

test("nothing moves, and nothing goes backwards", () => {
  expect(rateOf(after(sample(0, 100), sample(10, 100)))).toEqual({ objects: 0, bytes: 0, left: undefined });
  expect(rateOf(after(sample(0, 100), sample(10, 90)))).toEqual({ objects: 0, bytes: 0, left: undefined });
});
