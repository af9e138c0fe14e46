import { expect, test } from "vitest";
import type { Client } from "../../api/client.ts";
import { addLines, allLines, kept, type LogLine } from "./follow.ts";

function line(second: number, text: string): LogLine {
  return { at: `2026-01-01T00:00:${String(second).padStart(2, "0")}Z`, stream: "s", text };
}

const textsOf = (lines: readonly LogLine[]) => lines.map((l) => l.text);

test("what is there is not told twice, what comes late is put where it belongs", () => {
  const before = [line(1, "a"), line(3, "c")];
  expect(textsOf(addLines(before, [line(1, "a"), line(2, "b"), line(3, "c"), line(4, "d")]))).toEqual(["a", "b", "c", "d"]);
});

test("a line that is written twice at the same time is two lines", () => {
  expect(addLines([line(2, "b")], [line(2, "b"), line(2, "b")])).toHaveLength(2);
});

test("nothing new is the same list, so that nothing is drawn anew", () => {
  const before = [line(1, "a")];
  expect(addLines(before, [line(1, "a")])).toBe(before);
  expect(addLines(before, [])).toBe(before);
});

test("only the last lines are kept", () => {
  const many = Array.from({ length: kept + 5 }, (_, i) => line(3, `${i}`));
  const all = addLines([line(1, "a")], many);
  expect([all.length, all[0]?.text, all.at(-1)?.text]).toEqual([kept, "5", `${kept + 4}`]);
});

/** A hub whose log has so many lines, one a second, and gives at most 1,000 at once. */
function hub(size: number): Client {
  return {
    async request(_, variables) {
      const { first, after } = variables as { first: number; after: string | null };
      const from = Number(after ?? 0);
      const to = Math.min(size, from + Math.min(first, 1000));
      const nodes = Array.from({ length: to - from }, (_, i) => line(0, `${from + i}`));
      return { taskLogs: { nodes, pageInfo: { hasNextPage: to < size, endCursor: String(to) } } } as never;
    },
  };
}

test.each([
  [0, 0, false],
  [999, 999, false],
  [1000, 1000, false],
  [2400, 2400, false],
  [2500, 2500, false],
  [2501, 2500, true],
])("of %i lines %i are loaded, and it is known whether there are more", async (size, want, cut) => {
  const choice = { id: "t", source: "WORKER" as const, stream: null, query: null, from: null, to: null };
  const found = await allLines(hub(size), choice, 2500);
  expect([found.lines.length, found.cut]).toEqual([want, cut]);
  expect(new Set(textsOf(found.lines)).size).toBe(want);
});
