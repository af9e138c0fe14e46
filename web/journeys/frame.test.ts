import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { signIn, startBrowser, type Tab } from "./stage/browser.ts";
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

test("a person signs in by a link, which holds once, and signs out", async () => {
  tab = await signIn(browser, hub);
  const { page } = tab;
  await page.getByRole("heading", { level: 1, name: "Data Transfer Hub" }).waitFor();
  expect(new URL(page.url()).search).toBe("");
  const kept = await page.evaluate(() => JSON.stringify({ ...localStorage }) + document.cookie);
  expect(kept).not.toMatch(/eyJ|token/i);
  expect(tab.faults()).toEqual([]);
});
