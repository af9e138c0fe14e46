import type { Locator, Page } from "playwright-core";

/** The value beside a label of a page, among those that are shown now. */
export function fact(page: Page, label: string): Locator {
  const name = page.locator("dt").filter({ hasText: new RegExp(`^${label}$`) });
  return page.locator("dl div").filter({ has: name }).locator("dd").last();
}

/** A number as a page shows it in English: 5,000. */
export function number(text: string): number {
  return Number(text.replace(/,/g, ""));
}
