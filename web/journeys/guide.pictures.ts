import { mkdir, stat } from "node:fs/promises";
import { resolve } from "node:path";
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { StartCheckDocument, StartPlanDocument } from "../src/api/generated.ts";
import type { Language } from "./stage/browser.ts";
import { setStage } from "./stage/stage.ts";
import { create, find, until } from "./stage/tasks.ts";

const stage = setStage({ sample: true });
const folder = resolve(import.meta.dirname, "../../docs/images");

/** Keeps what a window of a usual size shows. A page of the guide is no place for megabytes. */
async function keep(page: Page, name: string): Promise<void> {
  await page.waitForTimeout(500); // charts and panels have come to rest
  const path = `${folder}/${name}.png`;
  await page.screenshot({ path });
  expect((await stat(path)).size, name).toBeLessThan(150_000);
}

async function sample(name: string) {
  const task = await until(
    stage.hub(),
    (await find(stage.hub(), name))?.id ?? "",
    "its first run is over",
    (t) => t.lastRun?.state === "DONE",
  );
  return task.id;
}

/** Takes the pictures of one language. */
async function take(language: Language, end: string): Promise<void> {
  const hub = stage.hub();
  await mkdir(folder, { recursive: true });
  const tab = await stage.signIn({ language });
  const { page } = tab;
  await page.setViewportSize({ width: 1280, height: 760 });
  const id = await sample("sample");

  await page.goto(`/tasks/${await sample("sample-once")}/clone`);
  await page.locator("main textarea").first().waitFor();
  await page.getByRole("button", { name: /^(Next|下一步)$/ }).click();
  await page.locator("[data-parameter=srcBucket]").waitFor();
  await keep(page, `console-create${end}`);

  const planned = await create(hub, `planned-${language.toLowerCase()}`, { srcPrefix: "videos/", destPrefix: `planned-${language}` });
  await until(hub, planned.id, "it waits", (t) => t.state === "PAUSED");
  await hub.api.request(StartCheckDocument, { id: planned.id });
  await hub.api.request(StartPlanDocument, { id: planned.id });
  await page.goto(`/tasks/${planned.id}/examine`);
  await page.getByText(/Both ends can be used|两端均可使用/).waitFor();
  await page.getByText(/^(To copy|待复制)$/).waitFor();
  await page.getByRole("heading", { name: /^(Plan|规划)$/ }).evaluate((e) => e.scrollIntoView());
  await page.mouse.wheel(0, -90);
  await keep(page, `console-plan${end}`);

  const source = await hub.bucket("source");
  const body = Buffer.alloc(2048, "dth ");
  await source.putAll(Array.from({ length: 4000 }, (_, i) => [`many/${i % 10}/${i}`, body] as const));
  const many = await create(
    hub,
    `many-${language.toLowerCase()}`,
    { srcPrefix: "many/", destPrefix: `many-${language}`, bandwidthLimit: "300KiB" },
    true,
  );
  await page.goto(`/tasks/${many.id}`);
  await page.locator("progress").waitFor();
  await page.waitForTimeout(5000);
  await keep(page, `console-run${end}`);

  await page.goto(`/tasks/${id}/objects`);
  await page.getByText("fails-on-purpose/report/2024.csv").first().waitFor();
  await keep(page, `console-objects${end}`);
  if (await find(hub, "sample-images")) {
    await page.goto(`/tasks/${await sample("sample-images")}/objects`);
    await page.getByText("sample/multi").first().waitFor();
    await page.getByRole("heading", { name: /^(Images|镜像)$/ }).evaluate((e) => e.scrollIntoView());
    await page.mouse.wheel(0, -90);
    await keep(page, `console-images${end}`);
  }
  await page.goto(`/tasks/${id}/monitoring`);
  await page.locator("[class*=awsui_chart-container]").nth(1).waitFor();
  await keep(page, `console-monitoring${end}`);
  await page.goto("/");
  await page.locator("[class*=awsui_chart-container]").last().waitFor();
  await keep(page, `console-home${end}`);
}

test.each([
  ["en", ""],
  ["zh-CN", ".zh-CN"],
] as const)("pictures in %s", take);
