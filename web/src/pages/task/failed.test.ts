import { expect, test } from "vitest";
import { candidates, type FailedPage, failedClasses } from "./failed.ts";

function page(names: (string | null)[], hasNextPage = false): FailedPage {
  return { nodes: names.map((errorClass) => ({ errorClass })), pageInfo: { hasNextPage } };
}

const many = (name: string) => Array.from({ length: 100 }, () => name);
const run = (id: string, errors: Record<string, number>) => ({
  id,
  errors: Object.entries(errors).map(([name, count]) => ({ name, count })),
});

test("after a retry of one class the others are still there, with what the records have", () => {
  const runs = [run("retry", { kms: 1 }), run("whole", { kms: 3, access_denied: 2 })];
  expect(failedClasses(page(["access_denied", "access_denied", "kms"]), new Map(), runs)).toEqual([
    { name: "access_denied", count: 2, more: false },
    { name: "kms", count: 1, more: false },
  ]);
});

test("a class whose objects are all copied is gone, whatever a run told of it", () => {
  expect(failedClasses(page([]), new Map(), [run("whole", { kms: 3 })])).toEqual([]);
  const pages = new Map([
    ["access_denied", page(many("access_denied"), true)],
    ["kms", page([])],
  ]);
  const runs = [run("whole", { kms: 3, access_denied: 5000 })];
  expect(failedClasses(page(many("access_denied"), true), pages, runs)).toEqual([{ name: "access_denied", count: 5000, more: false }]);
});

test("classes behind the first page of records are found by what runs told", () => {
  const first = page(many("access_denied"), true);
  const runs = [run("retry", { other: 1 }), run("whole", { throttled: 7, access_denied: 300 })];
  expect(candidates(first, runs)).toEqual(["access_denied", "other", "throttled"]);
  const pages = new Map([
    ["access_denied", page(many("access_denied"), true)],
    ["other", page([null])],
    ["throttled", page(Array.from({ length: 7 }, () => "throttled"))],
  ]);
  expect(failedClasses(first, pages, runs)).toEqual([
    { name: "access_denied", count: 100, more: true },
    { name: "throttled", count: 7, more: false },
    { name: "other", count: 1, more: false },
  ]);
});
