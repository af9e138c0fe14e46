import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { Locator, Page } from "playwright-core";
import { expect, test } from "vitest";
import { violations } from "./stage/axe.ts";
import type { Language, Theme } from "./stage/browser.ts";
import { fact } from "./stage/facts.ts";
import { setStage } from "./stage/stage.ts";
import { find, isDone, until } from "./stage/tasks.ts";

const stage = setStage({ sample: true });

/** The parameters of the sample's ends, by which a person's own would be given. */
async function sample(): Promise<Record<string, string>> {
  const task = await find(stage.hub(), "sample-once");
  return Object.fromEntries(task?.parameters.map((p) => [p.name, p.value]) ?? []);
}

/** Goes on by the Tab key until what has the focus is inside a selector. */
async function tabTo(page: Page, selector: string): Promise<void> {
  for (let i = 0; i < 150; i++) {
    if (await page.evaluate((s) => document.activeElement?.matches(`${s}, ${s} *`) ?? false, selector)) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`the Tab key does not lead to ${selector}`);
}

/** Goes on by the Tab key to a button of a name. */
async function tabToButton(page: Page, name: string): Promise<void> {
  for (let i = 0; i < 150; i++) {
    const at = await page.evaluate(() => {
      const e = document.activeElement;
      return e?.tagName === "BUTTON" ? (e.getAttribute("aria-label") ?? e.textContent ?? "") : "";
    });
    if (at === name) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`the Tab key does not lead to the button ${name}`);
}

/** Fills in a parameter by the keyboard: what is there is replaced. */
async function type(page: Page, parameter: string, value: string): Promise<void> {
  await tabTo(page, `[data-parameter=${parameter}] input, [data-parameter=${parameter}] textarea`);
  await page.keyboard.press("Control+A");
  await page.keyboard.type(value);
  await page.keyboard.press("Escape"); // a list of suggestions may be open
}

/** Chooses from a list, or among radio buttons, by the keyboard. */
async function choose(page: Page, parameter: string, option: string): Promise<void> {
  await tabTo(page, `[data-parameter=${parameter}] button, [data-parameter=${parameter}] input[type=radio]`);
  const list = await page.evaluate(() => document.activeElement?.tagName === "BUTTON");
  if (list) await page.keyboard.press("Enter");
  for (let i = 0; i < 20; i++) {
    const at = list
      ? await page.locator("[role=option][class*=highlighted]").first().textContent()
      : await page.evaluate(() => (document.activeElement as HTMLInputElement).value);
    if (at?.includes(option)) {
      if (list) await page.keyboard.press("Enter");
      return;
    }
    await page.keyboard.press("ArrowDown");
  }
  throw new Error(`${parameter} has no option ${option}`);
}

async function next(page: Page, heading: string, button = "Next"): Promise<void> {
  await tabToButton(page, button);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: heading, level: 1 }).waitFor();
}

test("a task is made by the keyboard alone, and copies to the end", async () => {
  const given = await sample();
  const tab = await stage.signIn();
  const { page } = tab;
  await page.goto("/create?type=S3");
  await page.getByRole("heading", { name: "Type", level: 1 }).waitFor();
  await tabTo(page, "main input[type=text], main input:not([type])");
  await page.keyboard.type("by-keyboard");
  await next(page, "Source");
  await choose(page, "srcType", "S3_Compatible");
  await type(page, "srcBucket", given.srcBucket ?? "");
  await type(page, "srcPrefix", "videos/");
  await type(page, "srcEndpoint", given.srcEndpoint ?? "");
  await type(page, "srcCredentials", given.srcCredentials ?? "");
  await next(page, "Destination");
  await choose(page, "destType", "S3_Compatible");
  await type(page, "destBucket", given.destBucket ?? "");
  await type(page, "destPrefix", "by-keyboard");
  await type(page, "destEndpoint", given.destEndpoint ?? "");
  await type(page, "destCredentials", given.destCredentials ?? "");
  await next(page, "What and how");
  await next(page, "Fleet and schedule");
  await tabTo(page, "main input[type=radio]");
  await page.keyboard.press("ArrowDown"); // from a schedule to once
  await next(page, "Review");
  await page
    .getByText("The hub takes these settings")
    .or(page.getByRole("button", { name: "Create", exact: true }))
    .first()
    .waitFor();
  await tab.picture("create-review");
  await tabToButton(page, "Create");
  await page.keyboard.press("Enter");
  await page.getByText("by-keyboard is being created.").waitFor();
  const made = await find(stage.hub(), "by-keyboard");
  const done = await until(stage.hub(), made?.id ?? "", "it is done", isDone);
  expect(done.lastRun?.copied).toBeGreaterThan(0);
  expect(await (await stage.hub().bucket("destination")).count("by-keyboard/")).toBe(done.lastRun?.copied);
  await page.getByText("Both ends agree", { exact: true }).waitFor();
  await tab.picture("create-done");
});

/** Goes on so many steps of the wizard. */
async function forward(page: Page, steps: number): Promise<void> {
  for (let i = 0; i < steps; i++) await page.getByRole("button", { name: "Next", exact: true }).click();
}

test("what is wrong is said at its field, and nothing is created", async () => {
  const tab = await stage.signIn();
  const { page } = tab;
  await page.goto("/create?type=S3");
  await forward(page, 1);
  await page.getByText("A task needs a name").or(page.locator("[class*=awsui_error]")).first().waitFor();
  await page.getByRole("textbox", { name: "Name" }).first().fill("never");
  await forward(page, 1);
  await page.getByRole("heading", { name: "Source", level: 1 }).waitFor();
  const bucket = page.locator("[data-parameter=srcBucket]");
  await forward(page, 1);
  await expect.poll(() => bucket.locator("[class*=awsui_error]").count()).toBeGreaterThan(0);
  await bucket.locator("input").fill("Not A Bucket");
  await page.keyboard.press("Escape");
  await forward(page, 1);
  await bucket
    .getByText(/3 to 63/)
    .first()
    .waitFor();
  await page.getByRole("heading", { name: "Source", level: 1 }).waitFor();
  await tab.picture("create-wrong");
  expect(await find(stage.hub(), "never")).toBeUndefined();
});

test("a clone is checked and planned before it copies anything, then started, and edited", async () => {
  const hub = stage.hub();
  const model = await find(hub, "sample-once");
  const tab = await stage.signIn();
  const { page } = tab;
  await page.goto(`/tasks/${model?.id}/clone`);
  await page.getByRole("textbox", { name: "Name" }).first().fill("checked-first");
  await forward(page, 2);
  await page.locator("[data-parameter=destPrefix] input").fill("checked-first");
  await forward(page, 3);
  await page.getByText("The hub takes these settings").waitFor();
  await page.getByRole("button", { name: "Create and check first" }).click();
  await page.getByRole("button", { name: "Check", exact: true }).click();
  await page.getByText("Both ends can be used").waitFor();
  await page.getByRole("button", { name: "Plan", exact: true }).click();
  await fact(page, "To copy").waitFor();
  expect(await fact(page, "To copy").innerText()).toContain("4");
  await tab.picture("create-planned");
  const made = await find(hub, "checked-first");
  expect(made).toMatchObject({ state: "PAUSED", lastRun: null });
  expect(await (await hub.bucket("destination")).count("checked-first/")).toBe(0);
  await page.getByRole("button", { name: "Start", exact: true }).click();
  const done = await until(hub, made?.id ?? "", "it is done", isDone);
  expect(done.lastRun?.copied).toBe(4);

  await page.goto(`/tasks/${done.id}/edit`);
  await page
    .getByRole("textbox", { name: "Description - optional" })
    .or(page.locator("main textarea"))
    .first()
    .fill("Checked before it began.");
  await forward(page, 5);
  await page.getByRole("heading", { name: "What changes" }).waitFor();
  await tab.picture("edit-review");
  await page.getByRole("button", { name: "Save changes" }).click();
  await page.getByText("checked-first is changed.").waitFor();
  await tab.picture("edit-saved");
  await until(hub, done.id, "it is described", (t) => t.description === "Checked before it began." && t.state === "DONE");
});

const ways: { language: Language; theme: Theme }[] = [
  { language: "en", theme: "light" },
  { language: "en", theme: "dark" },
  { language: "zh-CN", theme: "light" },
  { language: "zh-CN", theme: "dark" },
];

/** What the guide says of the first transfer: the clicks of each step, and their sum. */
async function guide(): Promise<{ steps: number[]; sum: number }> {
  const page = await readFile(resolve(import.meta.dirname, "../../docs/guide/console.md"), "utf8");
  const steps = [...page.matchAll(/^\| \d \| .* \| (\d+) \|$/gm)].map((m) => Number(m[1]));
  return { steps, sum: Number(/^That is (\d+) clicks/m.exec(page)?.[1]) };
}

test("a newcomer's first transfer takes the clicks that the guide says", async () => {
  const tab = await stage.open();
  const { page } = tab;
  const clicks: number[] = [0];
  const click = async (target: Locator) => {
    await target.click();
    clicks[clicks.length - 1] = (clicks.at(-1) ?? 0) + 1;
  };
  const next = page.getByRole("button", { name: "Next", exact: true });
  const heading = (name: string) => page.getByRole("heading", { level: 1, name });
  await page.goto(await stage.hub().link());
  clicks[0] = 1; // the link itself, in the terminal
  await heading("Data Transfer Hub").waitFor();
  clicks.push(0);
  await click(page.getByRole("link", { name: "Tasks", exact: true }));
  await heading("Tasks").waitFor();
  await click(page.getByRole("link", { name: "sample-once", exact: true }));
  await heading("sample-once").waitFor();
  await click(page.getByRole("button", { name: "Actions", exact: true }));
  await click(page.getByRole("menuitem", { name: "Clone", exact: true }));
  clicks.push(0);
  await click(page.getByRole("textbox", { name: "Name" }).first());
  await page.keyboard.press("Control+A");
  await page.keyboard.type("first-transfer");
  clicks.push(0);
  await click(next);
  await click(next);
  await click(page.locator("[data-parameter=destPrefix] input"));
  await page.keyboard.press("Control+A");
  await page.keyboard.type("first-transfer");
  clicks.push(0);
  for (let i = 0; i < 3; i++) await click(next);
  await page.getByText("The hub takes these settings").waitFor();
  clicks.push(0);
  await click(page.getByRole("button", { name: "Create", exact: true }));
  await page.getByText("Both ends agree", { exact: true }).waitFor();
  await tab.picture("first-transfer");
  const { steps, sum } = await guide();
  expect(clicks).toEqual(steps);
  expect(clicks.reduce((all, n) => all + n, 0)).toBe(sum);
});

test("the wizard fits a tablet, step by step", async () => {
  const model = await find(stage.hub(), "sample-once");
  const tab = await stage.signIn({ width: 768 });
  const { page } = tab;
  await page.goto(`/tasks/${model?.id}/clone`);
  await page.locator("main textarea").first().waitFor();
  for (let i = 0; i < 6; i++) {
    if (i > 0) await forward(page, 1);
    await page.locator("main h1").first().waitFor();
    const beyond = () => page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    expect.soft(await beyond(), `step ${i + 1}`).toBeLessThanOrEqual(0);
    await tab.picture(`create-tablet-${i + 1}`);
  }
});

test.each(ways)("each step of the wizard can be used by everybody, in $language and $theme", async ({ language, theme }) => {
  const tab = await stage.signIn({ language, theme });
  const { page } = tab;
  for (const name of ["sample-once", "sample-images"]) {
    const model = await find(stage.hub(), name);
    if (!model) continue; // without skopeo there is no task of images
    await page.goto(`/tasks/${model.id}/clone`);
    await page.locator("main textarea").first().waitFor();
    const steps = page.locator("nav[class*=awsui_navigation] li, [class*=awsui_navigation] li").locator("a, button");
    expect(await steps.count()).toBeGreaterThanOrEqual(5);
    for (let i = 0; i < 6; i++) {
      if (i > 0) await page.getByRole("button", { name: language === "en" ? "Next" : "下一步", exact: true }).click();
      await page.locator(`main h1`).first().waitFor();
      expect.soft(await violations(page), `${name}, step ${i + 1}`).toEqual([]);
      await tab.picture(`create-${name}-${i + 1}-${language}-${theme}`);
    }
  }
});
