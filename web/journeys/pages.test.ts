import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import { violations } from "./stage/axe.ts";
import type { Language, Theme } from "./stage/browser.ts";
import { setStage } from "./stage/stage.ts";
import { find, until } from "./stage/tasks.ts";

const stage = setStage({ sample: true });

/** Each way in which the console is looked at. */
const ways: { language: Language; theme: Theme }[] = [
  { language: "en", theme: "light" },
  { language: "en", theme: "dark" },
  { language: "zh-CN", theme: "light" },
  { language: "zh-CN", theme: "dark" },
];

/** A page or a part of one, how to come there, and when it is there. */
interface Look {
  name: string;
  open: (page: Page) => Promise<unknown>;
}

/** The tabs of a task's page, and something that is there when their content is. */
const tabs: Record<string, string> = {
  overview: "dl",
  runs: "table input[type=radio]",
  objects: "table input[type=checkbox]",
  monitoring: "[class*=awsui_chart-container]",
  logs: "table tbody code, table tbody [class*=awsui_code]",
  settings: "dl >> nth=3",
  audit: "table tbody td >> nth=3",
};

/** Opens the page of the sample's task, which copies thousands of objects and has one that fails. */
async function openTask(page: Page, tab: string): Promise<void> {
  const task = await until(
    stage.hub(),
    (await find(stage.hub(), "sample"))?.id ?? "",
    "an object has failed",
    (t) => t.health === "ATTENTION",
  );
  await page.goto(`/tasks/${task.id}/${tab}`);
  await page
    .getByRole("tabpanel")
    .locator(tabs[tab] ?? "")
    .first()
    .waitFor();
}

const looks: Look[] = [
  {
    name: "home",
    async open(page) {
      await page.goto("/");
      // Before anything is moved the charts say so.
      await page
        .locator("[class*=awsui_chart-container]")
        .or(page.getByText(/Nothing was moved|此期间没有传输/))
        .last()
        .waitFor();
    },
  },
  {
    name: "tasks",
    async open(page) {
      await page.goto("/tasks");
      await page.getByRole("link", { name: "sample-once" }).waitFor();
    },
  },
  ...Object.keys(tabs).map((tab) => ({ name: `task-${tab}`, open: (page: Page) => openTask(page, tab) })),
  {
    name: "task-object",
    async open(page) {
      await openTask(page, "objects");
      await page.getByText("fails-on-purpose/report/2024.csv").first().click();
      await page.locator("[class*=awsui_split-panel] dl").first().waitFor();
    },
  },
  {
    name: "task-run",
    async open(page) {
      await openTask(page, "runs");
      await page.locator("table input[type=radio]").first().click();
      await page.locator("[class*=awsui_split-panel] dl").first().waitFor();
    },
  },
  {
    name: "task-stop",
    async open(page) {
      await openTask(page, "overview");
      await page.locator("main button[aria-haspopup]").first().click();
      await page.locator("[data-testid=stop]").first().click();
      await page.getByRole("dialog").waitFor();
    },
  },
  {
    name: "settings",
    async open(page) {
      await page.goto("/settings");
      await page.locator("main dl").first().waitFor();
      await page.locator("main table tbody td").first().waitFor();
    },
  },
  {
    name: "help",
    async open(page) {
      await page.goto("/tasks");
      await page.locator("h1 a[role=button], h1 ~ * a[role=button]").first().click();
      await page.locator("[class*=awsui_help-panel] h2").waitFor();
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
