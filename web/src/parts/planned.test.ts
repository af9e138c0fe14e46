import { expect, test } from "vitest";
import { messages as first } from "../i18n/en/index.ts";
import { more } from "../i18n/en/more.ts";
import { newText } from "../i18n/text.tsx";
import { total } from "./planned.tsx";

const text = newText("en", { ...first, ...more });

const cost = (low: number | null, high = low, currency: string | null = "USD") => ({
  item: "requests",
  unit: "1,000",
  quantity: { low: 1, high: 1 },
  currency: low === null ? null : currency,
  amount: low === null ? null : { low, high: high ?? low },
  note: null,
});

test.each([
  [[cost(1.5), cost(2)], "$3.50"],
  [[cost(1, 2), cost(3)], "$4.00 to $5.00"],
  [[cost(1), cost(2, 2, "CNY")], "$1.00 + CN¥2.00"],
  [[cost(1), cost(null)], "$1.00 + Price not known"],
  [[], "Price not known"],
])("the sum of a bill %#", (costs, want) => expect(total(costs, text)).toBe(want));
