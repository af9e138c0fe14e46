import { expect, test } from "vitest";
import { readLine } from "./logs.tsx";

test.each([
  [
    '{"time":"x","level":"INFO","msg":"object","key":"a b","size":3}',
    "object",
    [
      ["level", "INFO"],
      ["key", "a b"],
      ["size", "3"],
    ],
  ],
  ['{"msg":"m","nested":{"a":[1]}}', "m", [["nested", '{"a":[1]}']]],
  ["panic: no JSON", "panic: no JSON", []],
  ["[1,2]", "[1,2]", []],
  ["null", "null", []],
  ['{"other":1}', '{"other":1}', [["other", "1"]]],
])("%s", (line, message, fields) => expect(readLine(line)).toEqual({ message, fields }));
