import { expect, test } from "vitest";
import { fromAddress, sortOf, toAddress, toFilter } from "./filter.ts";

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

test("an order survives the address beside the filter", () => {
  const query = fromAddress(new URLSearchParams("text=a"));
  for (const sort of [
    { field: "name", descending: true },
    { field: "created", descending: false },
  ]) {
    const address = toAddress(query, sort);
    expect(sortOf(address)).toEqual(sort);
    expect(fromAddress(address)).toEqual(query);
  }
  expect(sortOf(new URLSearchParams("sort=%3Cb%3E"))).toBeUndefined();
  expect(sortOf(new URLSearchParams())).toBeUndefined();
});
