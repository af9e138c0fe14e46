import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import { violations } from "./stage/axe.ts";
import type { Language, Theme } from "./stage/browser.ts";
import { setStage } from "./stage/stage.ts";

const stage = setStage({ sample: true });

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
    const tab = await stage.signIn({ language, theme });
    for (const look of looks) {
      await look.open(tab.page);
      expect.soft(await violations(tab.page), look.name).toEqual([]);
      await tab.picture(`${look.name}-${language}-${theme}`);
    }
  });

  test("the sign-in page can be used by everybody", async () => {
    const tab = await stage.open({ language, theme });
    await tab.page.goto("/tasks");
    await tab.page.locator("h1").waitFor();
    expect(await violations(tab.page)).toEqual([]);
    await tab.picture(`sign-in-${language}-${theme}`);
  });
});

test("pages fit a tablet", async () => {
  const tab = await stage.signIn({ width: 768 });
  for (const look of looks) {
    await look.open(tab.page);
    const beyond = () => tab.page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    expect.soft(await beyond(), look.name).toBeLessThanOrEqual(0);
    await tab.picture(look.name);
  }
});
