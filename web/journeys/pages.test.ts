import type { Page, Route } from "playwright-core";
import { describe, expect, test } from "vitest";
import { StartCheckDocument, StartPlanDocument, StopTaskDocument } from "../src/api/generated.ts";
import { violations } from "./stage/axe.ts";
import type { Language, Theme } from "./stage/browser.ts";
import { setStage } from "./stage/stage.ts";
import { create, find, until } from "./stage/tasks.ts";

const stage = setStage({ sample: true });

/** Milliseconds for all pages one after another, on a machine that does much else. */
const long = 600_000;

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
  /** What has to be done before another is looked at. */
  close?: (page: Page) => Promise<unknown>;
}

const away = { code: "UNAVAILABLE", next: "Wait for it." };

function asks(route: Route, operation: string): boolean {
  return String(route.request().postDataJSON()?.query).includes(`query ${operation}(`);
}

/** A task that was stopped, and can be deleted. */
async function stopped(): Promise<string> {
  const hub = stage.hub();
  const made = (await find(hub, "stopped")) ?? (await create(hub, "stopped", { destPrefix: "stopped" }));
  if (made.state !== "STOPPED") {
    await until(hub, made.id, "it waits", (t) => t.state === "PAUSED");
    await hub.api.request(StopTaskDocument, { id: made.id });
    await until(hub, made.id, "it is stopped", (t) => t.state === "STOPPED");
  }
  return made.id;
}

/** A task that was checked and planned, and has not begun. */
async function examined(): Promise<string> {
  const hub = stage.hub();
  const made = (await find(hub, "examined")) ?? (await create(hub, "examined", { srcPrefix: "videos/", destPrefix: "examined" }));
  if (!made.planned) {
    await until(hub, made.id, "it waits", (t) => t.state === "PAUSED");
    await hub.api.request(StartCheckDocument, { id: made.id });
    await hub.api.request(StartPlanDocument, { id: made.id });
  }
  return made.id;
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
    name: "task-pause",
    async open(page) {
      await page.goto("/tasks");
      for (const name of ["sample", "sample-nightly"]) {
        await page
          .getByRole("row")
          .filter({ has: page.getByRole("link", { name, exact: true }) })
          .getByRole("checkbox")
          .check();
      }
      await page.locator("main button[aria-haspopup]").first().click();
      await page.locator("[data-testid=pause]").first().click();
      await page.getByRole("dialog").waitFor();
    },
  },
  {
    name: "task-delete",
    async open(page) {
      await page.goto(`/tasks/${await stopped()}/overview`);
      await page.locator("main button[aria-haspopup]").first().click();
      await page.locator("[data-testid=delete]").first().click();
      await page.getByRole("dialog").waitFor();
    },
  },
  {
    name: "task-examine",
    async open(page) {
      await page.goto(`/tasks/${await examined()}/examine`);
      await page.getByRole("tabpanel").locator("table tbody td").first().waitFor();
      await page.getByRole("tabpanel").locator("dl").first().waitFor();
      await page.locator("[class*=awsui_chart-container]").first().waitFor();
    },
  },
  {
    name: "edit",
    async open(page) {
      await page.goto(`/tasks/${await examined()}/edit`);
      await page.locator("main textarea").first().waitFor();
    },
  },
  {
    name: "guard",
    async open(page) {
      await page.goto("/create");
      await page.locator("main textarea").first().fill("not saved");
      await page.locator("[class*=awsui_breadcrumb] a").first().click();
      await page.getByRole("dialog").waitFor();
    },
    async close(page) {
      // Leaving is what was asked for.
      await page.getByRole("dialog").getByRole("button").last().click();
      await page.waitForURL("/");
    },
  },
  {
    name: "failure",
    async open(page) {
      await page.route("**/graphql", (route) =>
        asks(route, "Tasks")
          ? route.fulfill({ json: { errors: [{ message: "The store is away.", extensions: away }] } })
          : route.continue(),
      );
      await page.goto("/tasks");
      await page.getByText("The store is away.").waitFor();
    },
    close: (page) => page.unroute("**/graphql"),
  },
  {
    name: "stale",
    async open(page) {
      await page.goto("/tasks");
      await page.getByRole("link", { name: "sample-once" }).waitFor();
      await page.route("**/graphql", (route) => route.fulfill({ json: { errors: [{ message: "The store is away.", extensions: away }] } }));
      await page.getByText("The store is away.").waitFor();
    },
    close: (page) => page.unroute("**/graphql"),
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
  test(
    "every page can be used by everybody",
    async () => {
      const tab = await stage.signIn({ language, theme });
      for (const look of looks) {
        await look.open(tab.page);
        expect.soft(await violations(tab.page), look.name).toEqual([]);
        await tab.picture(`${look.name}-${language}-${theme}`);
        await look.close?.(tab.page);
      }
    },
    long,
  );

  test("the sign-in page can be used by everybody", async () => {
    const tab = await stage.open({ language, theme });
    await tab.page.goto("/tasks");
    await tab.page.locator("h1").waitFor();
    expect(await violations(tab.page)).toEqual([]);
    await tab.picture(`sign-in-${language}-${theme}`);
  });
});

test(
  "pages fit a tablet",
  async () => {
    const tab = await stage.signIn({ width: 768 });
    for (const look of looks) {
      await look.open(tab.page);
      const beyond = () => tab.page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      expect.soft(await beyond(), look.name).toBeLessThanOrEqual(0);
      await tab.picture(look.name);
      await look.close?.(tab.page);
    }
  },
  long,
);
