import { expect, test } from "vitest";
import vectors from "../api/contracts.json";
import { readContracts } from "../api/contracts.ts";
import { messages as english } from "../i18n/en/index.ts";
import { more as moreEnglish } from "../i18n/en/more.ts";
import { newText } from "../i18n/text.tsx";
import { contract } from "../i18n/zh/contract.ts";
import { messages as chinese } from "../i18n/zh/index.ts";
import { more as moreChinese } from "../i18n/zh/more.ts";
import { translate } from "./contracts.ts";
import { changeName, deedName, tallyName } from "./names.ts";

const en = newText("en", { ...english, ...moreEnglish });
const zh = newText("zh-CN", { ...chinese, ...moreChinese });

test.each([
  ["new", "New at the source"],
  ["changed:size", "Changed (another size)"],
  ["skipped:archived", "Not taken (archived)"],
  ["DONE:stream", "Copied (streamed)"],
  ["SKIPPED:key_too_long", "Skipped (key too long)"],
  ["FAILED", "Failed"],
  ["DONE:by_magic", "Copied (by_magic)"],
  ["LATER", "LATER"],
])("the engine counts %s, which people read as %s", (name, want) => expect(tallyName(name, en)).toBe(want));

test("what was done is said in words, and what this console does not know as the hub says it", () => {
  expect(deedName("check started", en)).toBe("Check begun");
  expect(deedName("check started", zh)).toBe("开始检查");
  expect(deedName("painted blue", zh)).toBe("painted blue");
});

test("changes are named as the settings are", () => {
  const s3 = readContracts(vectors.cloud).find((c) => c.type === "S3");
  if (!s3) throw new Error("there is no contract of S3");
  const plugin = translate({ description: "", version: "1", ...s3, parameters: [...s3.parameters] }, contract);
  const name = (field: string, before: string, after: string) => changeName({ field, before, after }, plugin, zh);
  expect(name("state", "PAUSED", "IN_PROGRESS")).toEqual({ field: "状态", before: "已暂停", after: "进行中" });
  expect(name("labels.team", "", "a")).toMatchObject({ field: "标签 team", after: "a" });
  expect(name("parameters.includeTags", "", "true")).toMatchObject({ field: contract.parameters.S3?.includeTags?.label, before: "" });
  expect(name("parameters.includeTags", "", "true").after).not.toBe("true");
  expect(name("parameters.goneByNow", "1", "2")).toEqual({ field: "parameters.goneByNow", before: "1", after: "2" });
});
