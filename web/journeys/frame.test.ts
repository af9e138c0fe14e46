import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { setStage } from "./stage/stage.ts";

const stage = setStage({ sample: true });

/** All that the browser keeps after its windows are closed, as text. */
function keptForGood(page: Page): Promise<string> {
  return page.evaluate(() => JSON.stringify({ ...localStorage }) + document.cookie);
}

test("a person signs in by a link, which holds once, comes back to the page that was asked for, and signs out", async () => {
  const tab = await stage.open();
  const { page } = tab;
  await page.goto("/tasks?states=DONE");
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await tab.picture("sign-in");
  const link = await stage.hub().link();
  await page.goto(link);
  await page.getByRole("heading", { level: 1, name: "Data Transfer Hub" }).waitFor();
  expect(new URL(page.url()).search).toBe("");
  expect(await keptForGood(page)).not.toMatch(/eyJ|token/i);

  const other = await stage.open();
  await other.page.goto(link);
  await other.page.getByRole("alert").waitFor();
  expect(other.faults().filter((f) => !f.includes("403"))).toEqual([]);

  // A new window of the same browser is signed in without a question, at the page that it names.
  const second = await tab.context.newPage();
  await second.goto("/tasks?states=DONE");
  await second.getByRole("link", { name: "sample-once" }).waitFor();
  expect(new URL(second.url()).search).toBe("?states=DONE");

  await page
    .getByRole("button", { name: /Administrator|root|^[a-z]/ })
    .last()
    .click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await tab.picture("after-sign-out");
  // The session at the provider has ended, too.
  await page.goto("/tasks");
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
});

test("the first stop of the Tab key leads past the bars to the page", async () => {
  const tab = await stage.signIn();
  const { page } = tab;
  await page.goto("/tasks");
  await page.getByRole("link", { name: "sample-once" }).waitFor();
  await page.keyboard.press("Tab");
  const skip = page.getByRole("link", { name: "Skip to main content" });
  expect(await skip.evaluate((e) => e === document.activeElement)).toBe(true);
  expect((await skip.boundingBox())?.height).toBeGreaterThan(24); // it is seen
  await tab.picture("skip-link");
  await page.keyboard.press("Enter");
  expect(await page.evaluate(() => document.activeElement?.id)).toBe("content");
  expect(new URL(page.url()).hash).toBe("");
  await page.keyboard.press("Tab");
  expect(await page.evaluate(() => document.activeElement?.closest("main") !== null)).toBe(true);
});

test("a person chooses language and theme, which stay", async () => {
  const tab = await stage.signIn();
  const { page } = tab;
  await page.getByRole("button", { name: "Language: English" }).click();
  await page.getByRole("menuitem", { name: "中文(简体)" }).click();
  await page.getByRole("link", { name: "任务", exact: true }).waitFor();
  expect(await page.evaluate(() => document.documentElement.lang)).toBe("zh-CN");
  await page.getByRole("button", { name: "主题" }).click();
  await page.getByRole("menuitem", { name: "深色" }).click();
  const dark = () => page.evaluate(() => document.body.className);
  await expect.poll(dark).toContain("awsui-dark-mode");
  await page.reload();
  await page.getByRole("heading", { level: 1 }).waitFor();
  expect(await dark()).toContain("awsui-dark-mode");
  await tab.picture("chosen-language-and-theme");
  expect(await page.title()).toContain("Data Transfer Hub");
  await page.getByRole("button", { name: "语言: 中文(简体)" }).click();
  await page.getByRole("menuitem", { name: "English" }).click();
  await page.getByRole("link", { name: "Tasks", exact: true }).waitFor();
});

test("deep links survive a reload, and what is not there is said", async () => {
  const tab = await stage.signIn();
  const { page } = tab;
  await page.goto("/tasks?states=DONE");
  await page.getByRole("link", { name: "sample-once" }).waitFor();
  expect(await page.getByRole("link", { name: "sample-nightly" }).count()).toBe(0);
  await page.reload();
  await page.getByRole("link", { name: "sample-once" }).waitFor();
  expect(await page.getByRole("link", { name: "sample-nightly" }).count()).toBe(0);
  await page.goto("/no/such/page");
  await page.getByRole("heading", { name: "There is no such page" }).waitFor();
  await page.getByRole("button", { name: "Info: Open help" }).click();
  await page.getByRole("heading", { name: "No such page", exact: true }).waitFor();
  await tab.picture("no-such-page");
  await page.getByRole("button", { name: "Home" }).click();
  await page.getByRole("heading", { level: 1, name: "Data Transfer Hub" }).waitFor();
});

test("the end of the session is said over the page, and another begins", async () => {
  const tab = await stage.signIn();
  const { page } = tab;
  await page.goto("/tasks");
  await page.getByRole("link", { name: "sample-once" }).waitFor();
  // The hub no longer knows the session, as after eight hours: tokens that it gave are refused.
  await page.route("**/graphql", (route) => route.fulfill({ status: 401, json: { errors: [] } }));
  await page.route("**/oidc/token", (route) => route.fulfill({ status: 400, json: { error: "invalid_grant" } }));
  await page.getByRole("button", { name: "Refresh" }).click();
  await page.getByRole("dialog", { name: "You are signed out" }).waitFor();
  await tab.picture("signed-out");
  await page.unroute("**/graphql");
  await page.unroute("**/oidc/token");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("link", { name: "sample-once" }).waitFor();
  expect(new URL(page.url()).pathname).toBe("/tasks");
  expect(tab.faults().filter((f) => !/HTTP 40[01]|status of 40[01]/.test(f))).toEqual([]);
});

test("a token that the hub refuses once is renewed, and nobody notices", async () => {
  const tab = await stage.signIn();
  const { page } = tab;
  await page.goto("/tasks");
  await page.getByRole("link", { name: "sample-once" }).waitFor();
  const given = new Set<string>();
  let refused = "";
  await page.route("**/graphql", async (route) => {
    const token = (await route.request().headerValue("authorization")) ?? "";
    given.add(token);
    refused ||= token;
    if (token === refused) await route.fulfill({ status: 401, json: { errors: [] } });
    else await route.continue();
  });
  await page.goto("/tasks?states=DONE");
  await page.getByRole("link", { name: "sample-once" }).waitFor();
  expect(given.size).toBeGreaterThan(1);
  expect(await page.getByRole("dialog").count()).toBe(0);
  expect(tab.faults().filter((f) => !/HTTP 401|status of 401/.test(f))).toEqual([]);
});

test("a hub that ends while its pages are looked at is said on each, until it is back", async () => {
  const tab = await stage.signIn();
  const { page } = tab;
  const gone = page.getByText(/^Not refreshed since/);
  for (const [at, there] of [
    ["/", "Needs your attention"],
    ["/tasks", "sample-once"],
  ] as const) {
    await page.goto(at);
    await page.getByText(there).first().waitFor();
    expect(await gone.count()).toBe(0);
    await page.route("**/graphql", (route) => route.abort("connectionrefused"));
    await gone.waitFor();
    await page.getByText("The hub does not answer.").waitFor();
    await page.getByText(there).first().waitFor(); // what was known is still there
    await tab.picture(`gone-${there.replaceAll(" ", "-").toLowerCase()}`);
    await page.unroute("**/graphql");
    await page.getByRole("button", { name: "Try again" }).click();
    await gone.waitFor({ state: "detached" });
  }
  expect(tab.faults().filter((f) => !f.includes("ERR_CONNECTION_REFUSED"))).toEqual([]);
});

test("a hub that does not answer is said, and the page goes on when it does", async () => {
  const tab = await stage.signIn();
  const { page } = tab;
  await page.goto("/tasks");
  await page.getByRole("link", { name: "sample-once" }).waitFor();
  await page.route("**/graphql", (route) => route.abort("connectionrefused"));
  await page.goto("/tasks?states=DONE");
  await page.getByText("The hub does not answer.").waitFor();
  await tab.picture("unreachable");
  await page.unroute("**/graphql");
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByRole("link", { name: "sample-once" }).waitFor();
  expect(tab.faults().filter((f) => !f.includes("ERR_CONNECTION_REFUSED"))).toEqual([]);
});
