import { expect, test } from "vitest";
import vectors from "../../api/contracts.json";
import { readContracts } from "../../api/contracts.ts";
import { check, checkFrame, isTime } from "./check.ts";

import { type Contract, defaultOf, toEntries } from "./values.ts";

const places: Record<string, Contract[]> = { cloud: readContracts(vectors.cloud), local: readContracts(vectors.local) };

function contractOf(place: string, type: string): Contract {
  const found = places[place]?.find((c) => c.type === type);
  if (!found) throw new Error(`there is no contract of ${type} for ${place}`);
  return found;
}

const known = (c: Contract) => new Set(c.parameters.map((p) => p.name));

// The plugin's code says what is refused. A form cannot hold parameters that there are not, and the console also says at once
// what the plugin says only when all else is right.
test.each(vectors.validation)("$place: $given is refused where the plugin refuses it", ({ place, type, given, refused }) => {
  const contract = contractOf(place, type);
  const values = Object.fromEntries(Object.entries(given).filter(([, v]) => v !== undefined)) as Record<string, string>;
  const names = known(contract);
  const found = [...new Set(check(contract, values).map((p) => p.field))].sort();
  const wanted = [...new Set(refused.filter((f) => names.has(f)))].sort();
  expect(wanted.filter((f) => !found.includes(f))).toEqual([]);
  if (wanted.length === 0) expect(found).toEqual([]);
});

test("what is sent is what differs from the defaults, and what applies", () => {
  const contract = contractOf("cloud", "S3");
  const given = { srcBucket: "a", srcType: "Amazon_S3", destStorageClass: "none", destPutObjectSSEKmsKeyId: "k", srcPrefix: "" };
  expect(toEntries(contract, given)).toEqual([
    { name: "srcBucket", value: "a" },
    { name: "destStorageClass", value: "none" },
  ]);
  // Once is said by an empty schedule.
  expect(toEntries(contract, { ec2CronExpression: "" })).toEqual([{ name: "ec2CronExpression", value: "" }]);
  // What a task had written down stays written down.
  expect(toEntries(contract, { srcType: "Amazon_S3" }, { srcType: "Amazon_S3" })).toEqual([{ name: "srcType", value: "Amazon_S3" }]);
});

test("defaults follow the destination", () => {
  const contract = contractOf("cloud", "S3");
  const acl = contract.parameters.find((p) => p.name === "destAcl");
  if (!acl) throw new Error("destAcl is gone");
  expect(defaultOf(contract, acl, {})).toBe("bucket-owner-full-control");
  expect(defaultOf(contract, acl, { destType: "S3_Compatible" })).toBe("none");
});

test.each([
  [{ name: " ", description: "", labels: [] }, ["name"]],
  [{ name: "x".repeat(129), description: "", labels: [] }, ["name"]],
  [{ name: "照".repeat(128), description: "x".repeat(2001), labels: [] }, ["description"]],
  [
    {
      name: "a",
      description: "",
      labels: [
        { name: "team", value: "x" },
        { name: "team", value: "y" },
        { name: "a b", value: "" },
      ],
    },
    ["labels.1", "labels.2"],
  ],
])("what every task has is checked: %j", (frame, want) => {
  expect(checkFrame(frame).map((p) => p.field)).toEqual(want);
});

test.each([
  ["2024-02-29T23:59:59Z", true],
  ["2023-02-29T00:00:00Z", false],
  ["2026-01-31T00:60:00Z", false],
  ["2026-13-01T00:00:00Z", false],
  ["2026-01-01 00:00:00Z", false],
])("%s is a time: %s", (text, want) => expect(isTime(text)).toBe(want));
