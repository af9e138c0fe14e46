import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { openTab, startBrowser, type Tab, type Visit } from "./browser.ts";
import { type Hub, startHub } from "./hub.ts";

/** What the tests of a file share. */
export interface Stage {
  hub(): Hub;
  /** Opens a tab of a browser that nobody has used before; nobody is signed in. */
  open(visit?: Visit): Promise<Tab>;
  /** Opens a tab and signs in by a link, as a person does. */
  signIn(visit?: Visit): Promise<Tab>;
}

/** Gives the tests of a file a hub and a browser. After each test its tabs are closed, and what went wrong in them fails it. */
export function setStage(options: { sample?: boolean } = {}): Stage {
  let hub: Hub;
  let browser: Browser;
  let tabs: Tab[] = [];
  beforeAll(async () => {
    const both = await Promise.allSettled([startHub(options), startBrowser()]);
    if (both[0].status === "fulfilled") hub = both[0].value;
    if (both[1].status === "fulfilled") browser = both[1].value;
    for (const one of both) if (one.status === "rejected") throw one.reason;
  });
  afterAll(async () => {
    await browser?.close();
    await hub?.stop();
  });
  afterEach(async ({ task }) => {
    const all = tabs;
    tabs = [];
    const faults = all.flatMap((tab) => tab.faults());
    const failed = task.result?.state === "fail" || faults.length > 0;
    for (const [i, tab] of all.entries()) {
      if (failed) await tab.picture(`failed-${task.name.replace(/\W+/g, "-").slice(0, 60)}-${i}`).catch(() => undefined);
      await tab.context.close();
    }
    expect(faults).toEqual([]);
  });
  const open = async (visit?: Visit) => {
    const tab = await openTab(browser, hub, visit);
    tabs.push(tab);
    return tab;
  };
  return {
    hub: () => hub,
    open,
    async signIn(visit) {
      const tab = await open(visit);
      await tab.page.goto(await hub.link());
      await tab.page.locator("h1").waitFor();
      return tab;
    },
  };
}
