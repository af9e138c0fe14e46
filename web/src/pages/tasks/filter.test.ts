import { expect, test } from "vitest";
import { fromAddress, toAddress, toFilter } from "./filter.ts";

test("a filter survives the address", () => {
  const search = new URLSearchParams("states=ERROR&states=PAUSED&type=S3&attention=true&text=a%26b");
  const query = fromAddress(search);
  expect(fromAddress(toAddress(query))).toEqual(query);
  expect(toFilter(query)).toEqual({ states: ["ERROR", "PAUSED"], type: "S3", attention: true, text: "a&b" });
});

test("an address that somebody wrote by hand asks for nothing that the API refuses", () => {
  expect(toFilter(fromAddress(new URLSearchParams("states=BROKEN&attention=maybe&other=1")))).toEqual({});
});

test("free text is looked for, and of several the last counts", () => {
  const token = (value: string) => ({ operator: ":", value });
  expect(toFilter({ tokens: [token("one"), token("two")], operation: "and" })).toEqual({ text: "two" });
});
