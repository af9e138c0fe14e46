import { expect, test } from "vitest";
import vectors from "../../api/contracts.json";
import { readContracts } from "../../api/contracts.ts";
import { groupsOf } from "./settings.ts";

const contract = readContracts(vectors.cloud).find((c) => c.type === "S3");
if (!contract) throw new Error("there is no contract of S3");
const s3 = contract;

function of(entries: Record<string, string>) {
  const list = Object.entries(entries).map(([name, value]) => ({ name, value }));
  const groups = groupsOf(s3, list);
  return { groups, find: (name: string) => groups.flatMap((g) => g.all).find((s) => s.name === name) };
}

test("settings are in the contract's groups and order, with what was changed", () => {
  const { groups, find } = of({ srcBucket: "a", destBucket: "b", includeTags: "true" });
  expect(groups[0]?.all[0]?.name).toBe(s3.parameters[0]?.name);
  expect(groups.every((g) => g.known)).toBe(true);
  expect(find("includeTags")).toMatchObject({ value: "true", byDefault: "false", changed: true });
  expect(find("srcType")).toMatchObject({ value: "Amazon_S3", changed: false });
});

test("what does not apply is left out, unless somebody gave it", () => {
  expect(of({ srcType: "S3_Compatible" }).find("srcRoleArn")).toBeUndefined();
  expect(of({ srcType: "S3_Compatible", srcRoleArn: "arn:x" }).find("srcRoleArn")).toMatchObject({ changed: true });
  expect(of({ srcType: "Amazon_S3" }).find("srcRoleArn")).toMatchObject({ changed: false, value: "" });
});

test("defaults that follow other values are no changes", () => {
  expect(of({ destType: "S3_Compatible" }).find("destStorageClass")).toMatchObject({ value: "none", changed: false });
});

test("a parameter that the plugin has forgotten is still shown", () => {
  const { groups } = of({ srcBucket: "a", longGone: "7" });
  expect(groups.at(-1)).toMatchObject({ known: false, all: [{ name: "longGone", value: "7", changed: true }] });
});
