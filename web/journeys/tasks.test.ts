import { readFile } from "node:fs/promises";
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { setStage } from "./stage/stage.ts";
import { create, find, isDone, until } from "./stage/tasks.ts";

const stage = setStage({ sample: true });

/** Chooses tasks of the list by their names. */
async function choose(page: Page, ...names: string[]): Promise<void> {
  for (const name of names) await page.getByRole("checkbox", { name: `Choose ${name}`, exact: true }).check();
}

async function act(page: Page, action: string): Promise<void> {
  await page.getByRole("button", { name: "Actions", exact: true }).click();
  await page.getByRole("menuitem", { name: action, exact: true }).click();
}

/** The row of a task. */
function row(page: Page, name: string) {
  return page.getByRole("row").filter({ has: page.getByRole("link", { name, exact: true }) });
}

test("a task is resumed, run again, stopped and deleted from the list, which follows what happens", async () => {
  const hub = stage.hub();
  const made = await create(hub, "from-the-list", { srcPrefix: "videos/", destPrefix: "from-the-list" });
  await until(hub, made.id, "it is PAUSED", (t) => t.state === "PAUSED");
  const tab = await stage.signIn();
  const { page } = tab;
  await page.goto("/tasks");
  await choose(page, "from-the-list");
  await act(page, "Resume");
  await page.getByText("from-the-list goes on").waitFor();
  await row(page, "from-the-list").getByText("Done", { exact: true }).first().waitFor();
  await row(page, "from-the-list").getByText("In agreement").waitFor();
  const done = await until(hub, made.id, "it is done", isDone);
  expect(await (await hub.bucket("destination")).count("from-the-list/")).toBe(done.lastRun?.copied);

  await choose(page, "from-the-list");
  await act(page, "Run now");
  await page.getByText("A run of from-the-list begins.").waitFor();
  const again = await until(hub, made.id, "there is another run", (t) => isDone(t) && t.lastRun?.id !== done.lastRun?.id);
  expect(again.lastRun?.copied).toBe(0);

  await choose(page, "from-the-list");
  await act(page, "Stop");
  const question = page.getByRole("dialog");
  await question.getByText("What is lost").waitFor();
  await tab.picture("confirm-stop");
  await question.getByRole("button", { name: "Cancel" }).click();
  expect((await find(hub, "from-the-list"))?.state).toBe("DONE");
  await act(page, "Stop");
  await question.getByRole("button", { name: "Stop" }).click();
  await row(page, "from-the-list").getByText("Stopped", { exact: true }).waitFor();
  await choose(page, "from-the-list");
  await act(page, "Delete");
  await question.getByRole("button", { name: "Delete" }).click();
  await page.getByText("from-the-list was deleted.").waitFor();
  await row(page, "from-the-list").waitFor({ state: "detached" });
  expect(await find(hub, "from-the-list")).toBeUndefined();
  // What was copied stays.
  expect(await (await hub.bucket("destination")).count("from-the-list/")).toBe(done.lastRun?.copied);
});

test("several tasks are paused together, after a question that names them", async () => {
  const hub = stage.hub();
  const daily = { srcPrefix: "videos/", ec2CronExpression: "0 3 * * ? *" };
  const made = await Promise.all(["first", "second"].map((name) => create(hub, name, { ...daily, destPrefix: name }, true)));
  for (const task of made) await until(hub, task.id, "it is at work", (t) => t.state === "IN_PROGRESS");
  const tab = await stage.signIn();
  const { page } = tab;
  await page.goto("/tasks");
  await choose(page, "first", "second");
  await act(page, "Pause");
  const question = page.getByRole("dialog", { name: "Pause 2 tasks?" });
  expect(await question.getByRole("listitem").allTextContents()).toEqual(expect.arrayContaining(["first", "second"]));
  await tab.picture("confirm-pause");
  await question.getByRole("button", { name: "Pause" }).click();
  await page.getByText("Pause: done for 2 tasks.").waitFor();
  for (const name of ["first", "second"]) await row(page, name).getByText("Paused", { exact: true }).waitFor();
  for (const task of made) await until(hub, task.id, "it is PAUSED", (t) => t.state === "PAUSED");
});

test("the list is filtered and sorted, which the address keeps, and a task is exported in every form", async () => {
  const tab = await stage.signIn();
  const { page } = tab;
  await page.goto("/tasks");
  await page.getByRole("link", { name: "sample-nightly" }).waitFor();
  const filter = page.getByRole("combobox", { name: "Find tasks" });
  await filter.fill("nightly");
  await filter.press("Enter");
  await row(page, "sample-once").waitFor({ state: "detached" });
  expect(new URL(page.url()).search).toBe("?text=nightly");
  await page.getByRole("button", { name: /^Name/ }).first().press("Enter");
  await expect.poll(() => new URL(page.url()).search).toBe("?sort=name&text=nightly");
  await page.reload();
  await page.getByRole("columnheader", { name: /^Name/ }).and(page.locator("[aria-sort=ascending]")).waitFor();
  await tab.picture("tasks-filtered");
  // The link at the side leads to all tasks.
  await page.locator("nav a[href='/tasks']").first().click();
  await row(page, "sample-once").waitFor();
  await choose(page, "sample-nightly");
  for (const [form, want] of [
    ["Task file (YAML)", /^name: "sample-nightly"[\s\S]*srcPrefix: "awkward\/"/],
    ["CloudFormation parameters", /"ParameterKey": "srcPrefix"/],
    ["Command line", /^dth task create -f - <<'EOF'/],
  ] as const) {
    const [file] = await Promise.all([page.waitForEvent("download"), act(page, form)]);
    expect(await readFile(await file.path(), "utf8")).toMatch(want);
  }
});
