import { mkdir } from "node:fs/promises";
import { resolve } from "node:path";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import type { Hub } from "./hub.ts";

/** Screenshots of every page are kept here, to be looked at. */
const artefacts = resolve(import.meta.dirname, "../../../.cache/journeys");

/** A locator or a page waits so long before it gives up: machines are slow when they do much at once. */
const patience = 60_000;

/** Starts the browser that DTH_CHROMIUM names. */
export function startBrowser(): Promise<Browser> {
  const executablePath = process.env.DTH_CHROMIUM;
  if (!executablePath) throw new Error("DTH_CHROMIUM: it names no browser; make test-journeys sets it");
  // As root, which is usual in containers, Chromium has no sandbox; nothing but our own pages is shown.
  const root = process.getuid?.() === 0;
  return chromium.launch({ executablePath, args: ["--disable-dev-shm-usage", ...(root ? ["--no-sandbox"] : [])] });
}

export type Language = "en" | "zh-CN";
export type Theme = "light" | "dark";

/** How a person comes to the console. */
export interface Visit {
  language?: Language;
  theme?: Theme;
  width?: 1440 | 768;
}

/** A tab of the browser, which keeps account of what must not happen. */
export interface Tab {
  page: Page;
  context: BrowserContext;
  /** What went wrong since it was last asked: errors of the console and of scripts, refusals of the content security policy, requests
   *  that failed, and requests to other hosts. */
  faults(): string[];
  /** Keeps a picture of all of the page. */
  picture(name: string): Promise<void>;
}

/** Opens a tab of a browser that nobody has used before. */
export async function openTab(browser: Browser, hub: Hub, visit: Visit = {}): Promise<Tab> {
  const { language = "en", theme = "light", width = 1440 } = visit;
  const context = await browser.newContext({
    baseURL: hub.origin,
    viewport: { width, height: 900 },
    locale: language,
    timezoneId: "Europe/Berlin",
    colorScheme: theme,
    reducedMotion: "reduce",
    acceptDownloads: true,
    permissions: ["clipboard-read", "clipboard-write"],
  });
  context.setDefaultTimeout(patience);
  const page = await context.newPage();
  const faults = watch(page, hub.origin);
  return {
    page,
    context,
    faults() {
      return faults.splice(0);
    },
    async picture(name) {
      await mkdir(artefacts, { recursive: true });
      await page.screenshot({ path: `${artefacts}/${name}-${width}.png`, fullPage: true });
    },
  };
}

function watch(page: Page, origin: string): string[] {
  const faults: string[] = [];
  page.on("console", (message) => {
    // The design system's charts are drawn once before they know how wide they are.
    if (/<rect> attribute width: A negative value/.test(message.text())) return;
    // Chromium tells of the policy's refusals here, too.
    if (message.type() === "error" || message.type() === "warning") faults.push(`${message.type()} of the console: ${message.text()}`);
  });
  page.on("pageerror", (error) => faults.push(`error of a script: ${error.message}`));
  page.on("request", (request) => {
    const url = new URL(request.url());
    const own = url.origin === origin || url.protocol === "data:" || url.protocol === "blob:";
    if (!own) faults.push(`request to another host: ${request.url()}`);
  });
  page.on("requestfailed", (request) => {
    // A page that is left gives up what it asked for.
    const why = request.failure()?.errorText ?? "";
    if (why !== "net::ERR_ABORTED") faults.push(`request failed: ${request.method()} ${request.url()}: ${why}`);
  });
  page.on("response", (response) => {
    if (response.status() >= 400) faults.push(`HTTP ${response.status()}: ${response.request().method()} ${response.url()}`);
  });
  return faults;
}
