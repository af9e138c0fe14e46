import { expect, test } from "vitest";
import { toCommand, toParameters, toYaml } from "./exports.ts";

const spec = {
  name: 'a "b"',
  description: "",
  type: "S3",
  labels: [{ name: "team: x", value: "ja" }],
  parameters: [
    { name: "srcPrefix", value: "$(reboot)\n'\\ EOF" },
    { name: "destBucket", value: "backup" },
  ],
};

test("a task file has every value as a string, whatever is in it", () => {
  expect(toYaml(spec)).toBe(
    [
      'name: "a \\"b\\""',
      "type: S3",
      "labels:",
      '  "team: x": "ja"',
      "parameters:",
      '  destBucket: "backup"',
      `  srcPrefix: "$(reboot)\\n'\\\\ EOF"`,
      "",
    ].join("\n"),
  );
});

test("the command's text ends where it should", () => {
  // The only line that is EOF alone is the last: a value's newline is written as \n.
  const lines = toCommand(spec).split("\n");
  expect(lines.filter((l) => l === "EOF")).toHaveLength(1);
  expect(lines.at(-2)).toBe("EOF");
});

test("parameters are as CloudFormation's command takes them", () => {
  expect(JSON.parse(toParameters(spec))).toEqual([
    { ParameterKey: "destBucket", ParameterValue: "backup" },
    { ParameterKey: "srcPrefix", ParameterValue: "$(reboot)\n'\\ EOF" },
  ]);
});
