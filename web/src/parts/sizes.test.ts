import { expect, test } from "vitest";
import vectors from "../api/contracts.json";
import { parseRate, parseSize } from "./sizes.ts";

test.each(vectors.sizes)("$text is as large as the hub reads it", ({ text, bytes }) => {
  expect(parseSize(text)?.toString() ?? "").toBe(bytes);
});

test("a rate may say that it is one", () => {
  expect(parseRate(" 200MiB/s ")).toBe(200n << 20n);
  expect(parseRate("0")).toBe(0n);
  expect(parseRate("5/m")).toBeUndefined();
});
