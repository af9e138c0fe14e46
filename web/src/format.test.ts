import { expect, test } from "vitest";
import { bytes, duration, percent, relative, short, utcTime } from "./format.ts";
import { messages as first } from "./i18n/en/index.ts";
import { more } from "./i18n/en/more.ts";
import { newText } from "./i18n/text.tsx";

test.each([
  [0, "0 B"],
  [0.5, "0.5 B"],
  [0.001, "0 B"],
  [1, "1 B"],
  [1023, "1,023 B"],
  [1024, "1 KiB"],
  [1536, "1.5 KiB"],
  [1024 ** 2 - 1, "1 MiB"],
  [64 * 1024 ** 2, "64 MiB"],
  [5 * 1024 ** 4, "5 TiB"],
  [123_456_789, "118 MiB"],
  [2 ** 70, "1,024 EiB"],
])("%d bytes are %s", (n, want) => expect(bytes(n, "en")).toBe(want));

test.each([
  [0, "0 sec"],
  [59.6, "1 min"],
  [61, "1 min 1 sec"],
  [3600, "1 hr"],
  [7500, "2 hr 5 min"],
  [90_061, "1 day 1 hr"],
])("%d seconds are %s", (n, want) => expect(duration(n, "en")).toBe(want));

test("all is said only when it is all", () => {
  expect(percent(0.9999, "en")).toBe("99%");
  expect(percent(1, "en")).toBe("100%");
});

test("numbers and times", () => {
  expect(short(1234, "en")).toBe("1.2K");
  expect(utcTime("2026-01-31T09:05:00.123Z")).toBe("2026-01-31 09:05:00");
});

test("how long ago", () => {
  const text = newText("en", { ...first, ...more });
  const now = new Date("2026-01-31T12:00:00Z");
  expect(relative("2026-01-31T11:59:58Z", now, text)).toBe("just now");
  expect(relative("2026-01-31T11:15:00Z", now, text)).toBe("45 min. ago");
  expect(relative("2026-02-02T13:00:00Z", now, text)).toBe("in 2 days");
});
