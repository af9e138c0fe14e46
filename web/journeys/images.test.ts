import { expect, test } from "vitest";
import { violations } from "./stage/axe.ts";
import type { Language, Theme } from "./stage/browser.ts";
import { fact } from "./stage/facts.ts";
import { setStage } from "./stage/stage.ts";
import { find, isDone, type Task, until } from "./stage/tasks.ts";

const stage = setStage({ sample: true });

/** The sample's task of images, when its first run is over; undefined without skopeo, which copies them. */
async function images(): Promise<Task | undefined> {
  const task = await find(stage.hub(), "sample-images");
  if (!task) return undefined;
  return until(stage.hub(), task.id, "its first run is over", (t) => t.lastRun?.state === "DONE");
}

const without = "skipped: there is no task of images, since skopeo is not on this machine";

test("each image is there with its digest, and one that is missing is told with what to do, and retried", async (context) => {
  const task = await images();
  if (!task) return context.skip(without);
  const tab = await stage.signIn();
  const { page } = tab;
  await page.goto(`/tasks/${task.id}/objects`);
  await page.getByRole("tab", { name: "Images", selected: true }).waitFor();
  await page.getByText("Why images failed").waitFor();
  await page.getByRole("button", { name: "Show sample/multi:2.0" }).click();
  const digest = await fact(page, "Digest at the source").innerText();
  expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/);
  expect(await fact(page, "Digest at the destination").innerText()).toBe(digest);
  expect(await fact(page, "Platforms").innerText()).toBe("linux/amd64, linux/arm64");
  expect(await fact(page, "Signatures and the like").innerText()).toBe("1");
  await tab.picture("images");
  // The bar at the top stays where it is when a long list is scrolled.
  await page.mouse.move(700, 300);
  await page.mouse.wheel(0, 300);
  await expect.poll(() => page.locator("#top").boundingBox()).toMatchObject({ y: 0 });
  await page.getByRole("link", { name: "Log of this image" }).click();
  await page.getByText("sample/multi:2.0").first().waitFor();

  await page.goto(`/tasks/${task.id}/objects?status=ERROR`);
  const row = page.getByRole("row").filter({ has: page.getByRole("button", { name: "Show sample/missing:1.0" }) });
  await row.waitFor();
  await row.getByRole("checkbox").check();
  const before = (await find(stage.hub(), "sample-images"))?.lastRun?.id;
  await page.getByRole("button", { name: "Retry chosen" }).click();
  const again = await until(stage.hub(), task.id, "the retry is over", (t) => t.lastRun?.trigger === "retry" && t.lastRun.state === "DONE");
  expect(again.lastRun?.id).not.toBe(before);
  expect(again.lastRun?.failed).toBe(1);
  await page.goto("/");
  await page.getByText("1 image failed in the last run").waitFor();
  await tab.picture("images-home");
});

test("a task of images is made in the wizard, and copies them", async (context) => {
  const model = await images();
  if (!model) return context.skip(without);
  const given = Object.fromEntries(model.parameters.map((p) => [p.name, p.value]));
  const tab = await stage.signIn();
  const { page } = tab;
  const field = (name: string) => page.locator(`[data-parameter=${name}]`);
  const next = async (heading: string) => {
    await page.getByRole("button", { name: "Next", exact: true }).click();
    await page.getByRole("heading", { name: heading, level: 1 }).waitFor();
  };
  const type = async (name: string, value: string) => {
    await field(name).locator("input, textarea").first().fill(value);
    await page.keyboard.press("Escape"); // a list of suggestions may be open
  };
  await page.goto("/create");
  await page.getByRole("radio", { name: /Transfer container images/ }).check();
  await page.getByRole("textbox", { name: "Name" }).first().fill("made-images");
  await next("Source");
  await field("sourceType").getByRole("radio").last().check();
  await type("srcRegistry", given.srcRegistry ?? "");
  await field("srcList").getByRole("radio").last().check();
  await type("srcImageList", "sample/multi:ALL_TAGS");
  await tab.picture("create-images-source");
  await next("Destination");
  await type("destRegistry", given.destRegistry ?? "");
  await type("destPrefix", "made");
  await next("What and how");
  await next("Fleet and schedule");
  await page.getByRole("radio", { name: /^Once/ }).check();
  await next("Review");
  await page.getByText("The hub takes these settings").waitFor();
  await tab.picture("create-images-review");
  await page.getByRole("button", { name: "Create", exact: true }).click();
  await page.getByText("made-images is being created.").waitFor();
  const made = await find(stage.hub(), "made-images");
  const done = await until(stage.hub(), made?.id ?? "", "it is done", isDone);
  expect(done.lastRun?.copied).toBeGreaterThan(0);
  await page.getByText("Both ends agree", { exact: true }).waitFor();
  await fact(page, "Images behind").waitFor();
  await page.getByRole("tab", { name: "Images" }).click();
  await page
    .getByRole("row", { name: /sample\/multi/ })
    .first()
    .waitFor();
  await tab.picture("created-images");
});

const ways: { language: Language; theme: Theme; width?: 768 }[] = [
  { language: "en", theme: "light" },
  { language: "en", theme: "dark", width: 768 },
  { language: "zh-CN", theme: "light", width: 768 },
  { language: "zh-CN", theme: "dark" },
];

test.each(ways)("images can be looked at by everybody, in $language and $theme", async (way) => {
  const task = await images();
  if (!task) return;
  const tab = await stage.signIn(way);
  const { page } = tab;
  for (const at of ["overview", "objects", "settings"]) {
    await page.goto(`/tasks/${task.id}/${at}${at === "objects" ? "?object=sample/missing:1.0" : ""}`);
    await page.getByRole("tabpanel").locator("dl, table tbody td").first().waitFor();
    expect.soft(await violations(page), at).toEqual([]);
    expect.soft(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth), at).toBeLessThanOrEqual(0);
    await tab.picture(`images-${at}-${way.language}-${way.theme}`);
  }
});
