import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { ObjectsDocument, RunDocument } from "../src/api/generated.ts";
import { fact, number } from "./stage/facts.ts";
import type { Hub } from "./stage/hub.ts";
import { setStage } from "./stage/stage.ts";
import { create, isDone, type Task, until } from "./stage/tasks.ts";

const stage = setStage({ sample: true });

/** What the page of a task has shown of a run, in order, each value once. */
interface Shown {
  share: number[];
  rate: string[];
  left: string[];
}

/** Has the page keep what it shows of a run, however short it is there. */
async function keepShown(page: Page): Promise<void> {
  await page.evaluate(() => {
    const shown: Shown = { share: [], rate: [], left: [] };
    const add = <T>(to: T[], value: T | undefined) => {
      if (value !== undefined && value !== to.at(-1)) to.push(value);
    };
    const look = () => {
      const bar = document.querySelector("progress");
      if (bar) add(shown.share, bar.value);
      const text = document.querySelector("main")?.textContent ?? "";
      add(shown.rate, /Rate([\d.,KM]+ objects\/s, [\d.,]+ \w+\/s)/.exec(text)?.[1]);
      add(shown.left, /Time left: (\d[^A-Z]*)/.exec(text)?.[1]);
    };
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
    (window as unknown as { shown: Shown }).shown = shown;
  });
}

function keptShown(page: Page): Promise<Shown> {
  return page.evaluate(() => (window as unknown as { shown: Shown }).shown);
}

test("progress, rate and time left of 5,000 objects move, and end at what the ledger says", async () => {
  const hub = stage.hub();
  const source = await hub.bucket("source");
  const body = Buffer.alloc(2048, "dth ");
  await source.putAll(Array.from({ length: 5000 }, (_, i) => [`many/${i % 10}/${i}`, body] as const));
  // One cannot be copied: a plain object is in its way.
  await source.put("many/odd/report", "content");
  await (await hub.bucket("destination")).put("copy/many/odd", "in the way");
  // As much as it takes to be watched: about ten seconds.
  const made = await create(hub, "many", { srcPrefix: "many/", destPrefix: "copy", bandwidthLimit: "1MiB" });
  await until(hub, made.id, "it is PAUSED", (t) => t.state === "PAUSED");

  const tab = await stage.signIn();
  const { page } = tab;
  await page.goto(`/tasks/${made.id}`);
  await page.getByText("No run yet").first().waitFor();
  await keepShown(page);
  await page.getByRole("button", { name: "Resume" }).click();
  await page.getByText("First run under way").waitFor();
  await expect.poll(async () => (await keptShown(page)).share.length, { timeout: 120_000 }).toBeGreaterThan(1);
  await tab.picture("running");
  await page.getByText("Agree, but for what is named", { exact: true }).waitFor({ timeout: 120_000 });

  const shown = await keptShown(page);
  expect(shown.share).toEqual([...shown.share].sort((a, b) => a - b));
  // Neither does it jump from nothing to all, nor is more shown than there is.
  expect(shown.share.filter((s) => s > 0 && s < 100).length, JSON.stringify(shown)).toBeGreaterThan(2);
  expect(Math.max(...shown.share)).toBeLessThanOrEqual(100);
  expect(shown.rate.length, JSON.stringify(shown)).toBeGreaterThan(2);
  expect(shown.left.length, JSON.stringify(shown)).toBeGreaterThan(0);

  const done = await until(hub, made.id, "it is done", isDone);
  const { taskRun: run } = await hub.api.request(RunDocument, { id: made.id, runId: done.lastRun?.id ?? "" });
  const copied = run.outcomes.find((o) => o.name === "DONE:stream");
  expect(copied).toMatchObject({ objects: 5000, bytes: 5000 * 2048 });
  expect(run).toMatchObject({ queued: 5001, settled: 5001, listedSource: 5001, proved: true });
  const failed = await hub.api.request(ObjectsDocument, { id: made.id, first: 100 });
  expect(failed.taskObjects.nodes.map((o) => o.key)).toEqual(["many/odd/report"]);
  for (const [label, want] of [
    ["Queued", run.queued],
    ["Settled", run.settled],
    ["Copied", copied?.objects],
    ["Failed", failed.taskObjects.nodes.length],
    ["Objects behind", failed.taskObjects.nodes.length],
  ] as const)
    await expect.poll(async () => number(await fact(page, label).innerText()), { timeout: 30_000, message: label }).toBe(want);
  expect(await fact(page, "Bytes").innerText()).toBe("9.77 MiB");
  // The object that was in the way is there, too.
  expect(await (await hub.bucket("destination")).count("copy/many/")).toBe(5000 + 1);
  await tab.picture("done");
  await page.getByRole("tab", { name: "Runs" }).click();
  const row = page.getByRole("row").filter({ has: page.getByRole("radio") });
  await row.first().waitFor();
  expect(await row.first().getByRole("cell", { name: "5,001", exact: true }).count()).toBe(1); // queued
  expect(await row.first().getByRole("cell", { name: "5,000", exact: true }).count()).toBe(1); // copied
  await row.first().getByRole("radio").click();
  const panel = page.locator("[class*=awsui_split-panel]");
  const command = await panel.getByRole("region", { name: "Report" }).innerText();
  // The command works: on one machine the report is a file there.
  const report = execFileSync("sh", ["-c", command], { encoding: "utf8" });
  // What is only at the destination is in it, too.
  const keys = report
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line).key);
  expect(keys).toContain("many/odd/report");
  await tab.picture("run-with-report");
}, 600_000);

/** A task with three objects, of which the destination cannot take two: plain objects are in their way. */
async function failing(hub: Hub): Promise<Task> {
  const [source, destination] = await Promise.all([hub.bucket("source"), hub.bucket("destination")]);
  for (const key of ["odd/good.csv", "odd/one/report.csv", "odd/two/report.csv"]) await source.put(key, `content of ${key}`);
  for (const key of ["failing/odd/one", "failing/odd/two"]) await destination.put(key, "in the way");
  const made = await create(hub, "failing", { srcPrefix: "odd/", destPrefix: "failing" }, true);
  return until(hub, made.id, "it is done with two failures", (t) => isDone(t) && t.lastRun?.failed === 2);
}

test("failed objects are grouped by class with what to do, retried one by one and all, and then are gone", async () => {
  const hub = stage.hub();
  const task = await failing(hub);
  const tab = await stage.signIn();
  const { page } = tab;
  await page.goto("/");
  await page.getByText("2 objects failed in the last run").waitFor();
  await page.getByRole("link", { name: "failing" }).click();
  await page.getByRole("tab", { name: "Objects" }).click();
  const reason = page.getByRole("row", { name: /odd\/one\/report\.csv/ });
  await reason.waitFor();
  await page.getByRole("heading", { name: "Why objects failed" }).waitFor();
  await page.getByText("2 objects", { exact: true }).waitFor();
  await page
    .getByText(/^What to do: /)
    .first()
    .waitFor();
  await tab.picture("failed-objects");

  // The log of one object is found by its key.
  await page.getByRole("button", { name: "Show odd/one/report.csv" }).click();
  await page.getByRole("link", { name: "Log of this object" }).click();
  await page
    .getByText(/key=odd\/one\/report\.csv/)
    .first()
    .waitFor();
  expect(await page.getByText(/key=odd\/two\/report\.csv/).count()).toBe(0);
  await tab.picture("log-of-an-object");
  const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Download" }).click()]);
  expect(await readFile(await file.path(), "utf8")).toContain('"key":"odd/one/report.csv"');

  const destination = await hub.bucket("destination");
  await destination.remove("failing/odd/one");
  await page.getByRole("tab", { name: "Objects" }).click();
  // Details that were closed open again for what is chosen then, and have the retry of it.
  await page.getByRole("button", { name: "Show odd/two/report.csv" }).click();
  const panel = page.locator("[class*=awsui_split-panel]");
  await panel.getByRole("button", { name: "Close panel" }).click();
  await page.getByRole("button", { name: "Show odd/one/report.csv" }).click();
  await panel.getByRole("button", { name: "Retry: odd/one/report.csv" }).waitFor();
  await tab.picture("failed-object");
  await panel.getByRole("button", { name: "Retry: odd/one/report.csv" }).click();
  await page.getByText("A run begins that takes up what was chosen.").waitFor();
  await reason.waitFor({ state: "detached" });
  await page.getByRole("row", { name: /odd\/two\/report\.csv/ }).waitFor();

  await until(hub, task.id, "the retry is over", isDone);
  await page.getByText("1 object", { exact: true }).waitFor();
  await destination.remove("failing/odd/two");
  await page.getByRole("button", { name: "Retry all" }).click();
  await page.getByText("No object has failed").waitFor();
  const well = await until(hub, task.id, "it is well", (t) => isDone(t) && t.health === "HEALTHY");
  expect(await destination.count("failing/odd/")).toBe(3);
  await page.getByRole("tab", { name: "Overview" }).click();
  await page.getByText("Both ends agree", { exact: true }).waitFor();
  expect(well.agreement?.behind).toBe(0);
});

test("a task is paused, resumed, stopped and deleted on its page, and its audit says who did it", async () => {
  const hub = stage.hub();
  const made = await create(hub, "whole-life", { srcPrefix: "videos/", destPrefix: "whole-life", ec2CronExpression: "0 3 * * ? *" }, true);
  await until(hub, made.id, "its first run is over", (t) => t.state === "IN_PROGRESS" && t.lastRun?.state === "DONE");
  const tab = await stage.signIn();
  const { page } = tab;
  await page.goto(`/tasks/${made.id}/audit`);
  const act = async (action: string) => {
    await page.getByRole("button", { name: "Actions", exact: true }).click();
    await page.getByRole("menuitem", { name: action, exact: true }).click();
  };
  const state = () => fact(page, "State").innerText();
  await act("Pause");
  await expect.poll(state, { timeout: 60_000 }).toBe("Paused");
  await page.getByRole("button", { name: "Resume" }).click();
  await expect.poll(state, { timeout: 60_000 }).toBe("In progress");
  await page.getByRole("button", { name: "Run now" }).click();
  await page.getByText("A run of whole-life begins.").waitFor();
  await until(hub, made.id, "the run by hand is over", (t) => t.lastRun?.trigger === "manual" && t.lastRun.state === "DONE");
  await act("Stop");
  await page.getByRole("dialog").getByRole("button", { name: "Stop" }).click();
  await expect.poll(state, { timeout: 60_000 }).toBe("Stopped");
  for (const action of ["Created", "Paused", "Resumed", "Run begun", "Stopped"])
    await page
      .getByRole("cell", { name: new RegExp(`^${action}`) })
      .first()
      .waitFor();
  await tab.picture("audit-of-a-life");
  await act("Delete");
  await tab.picture("confirm-delete");
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.getByRole("heading", { name: "Tasks", level: 1 }).waitFor();
  await page.goto(`/tasks/${made.id}`);
  await page.getByText("There is no such task any more").waitFor();
});
