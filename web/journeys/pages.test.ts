import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { violations } from "./stage/axe.ts";
import { type Language, openTab, signIn, startBrowser, type Tab, type Theme } from "./stage/browser.ts";
import { type Hub, startHub } from "./stage/hub.ts";

let hub: Hub;
let browser: Browser;
let tab: Tab | undefined;

beforeAll(async () => {
  [hub, browser] = await Promise.all([startHub({ sample: true }), startBrowser()]);
});

afterAll(async () => {
  await browser?.close();
  await hub?.stop();
});

afterEach(async () => {
  await tab?.context.close();
  tab = undefined;
});

/** Each way in which the console is looked at. */
const ways: { language: Language; theme: Theme }[] = [
  { language: "en", theme: "light" },
  { language: "en", theme: "dark" },
  { language: "zh-CN", theme: "light" },
  { language: "zh-CN", theme: "dark" },
];

/** A page or a part of one, how to come there, and when it is there. */
const looks: { name: string; open: (page: Page) => Promise<void> }[] = [
  {
    name: "home",
    async open(page) {
      await page.goto("/");
      await page.locator("[class*=awsui_chart-container]").last().waitFor();
    },
  },
  {
    name: "tasks",
    async open(page) {
      await page.goto("/tasks");
      await page.getByRole("link", { name: "sample-once" }).waitFor();
    },
  },
  {
    name: "absent",
    async open(page) {
      await page.goto("/nowhere");
      await page.locator("main button").waitFor();
    },
  },
];

describe.each(ways)("in $language and $theme", ({ language, theme }) => {
  test("every page can be used by everybody", async () => {
    tab = await signIn(browser, hub, { language, theme });
    for (const look of looks) {
      await look.open(tab.page);
      expect.soft(await violations(tab.page), look.name).toEqual([]);
      await tab.picture(`${look.name}-${language}-${theme}`);
    }
    expect(tab.faults()).toEqual([]);
  });
});

test("the sign-in page can be used by everybody", async () => {
  for (const way of ways) {
    tab = await openTab(browser, hub, way);
    await tab.page.goto("/tasks");
    await tab.page.locator("h1").waitFor();
    expect.soft(await violations(tab.page), JSON.stringify(way)).toEqual([]);
    await tab.picture(`sign-in-${way.language}-${way.theme}`);
    expect(tab.faults()).toEqual([]);
    await tab.context.close();
  }
});
