import { expect, test } from "vitest";
import { skipsOf } from "./skips.ts";

const tally = (name: string, objects: number) => ({ name, objects, bytes: objects * 10 });

test("what the finder and the workers left out is added up by reason, the most first", () => {
  const run = {
    decisions: [tally("new", 5), tally("skipped:filtered", 2), tally("skipped:archived", 3), tally("skipped:too_large", 0)],
    outcomes: [tally("DONE:stream", 4), tally("SKIPPED:archived", 1), tally("FAILED", 1), tally("SKIPPED", 1)],
  };
  expect(skipsOf(run)).toEqual([
    { reason: "archived", objects: 4, bytes: 40 },
    { reason: "filtered", objects: 2, bytes: 20 },
    { reason: "", objects: 1, bytes: 10 },
  ]);
});

test("a run that left out nothing has no skips", () => expect(skipsOf({ decisions: [], outcomes: [tally("DONE:stream", 4)] })).toEqual([]));
