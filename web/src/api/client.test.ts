import { afterEach, expect, test, vi } from "vitest";
import { type ClientOptions, newClient } from "./client.ts";
import { HubDocument } from "./generated.ts";

afterEach(() => vi.unstubAllGlobals());

/** An API that takes one token only, and keeps account of those that it was given. */
function api(good: string): string[] {
  const asked: string[] = [];
  vi.stubGlobal("fetch", async (_: string, options: RequestInit) => {
    const token = (options.headers as Record<string, string>).Authorization ?? "";
    asked.push(token);
    const status = token === good ? 200 : 401;
    return { status, json: async () => (status === 200 ? { data: { hub: "there" } } : { errors: [] }) };
  });
  return asked;
}

function client(tokens: { now: string; next: string }, onSignedOut: () => void) {
  const renewals: string[] = [];
  const options: ClientOptions = {
    api: "/graphql",
    authorization: () => tokens.now,
    async renew() {
      renewals.push(tokens.next);
      if (tokens.next === "") return false;
      tokens.now = tokens.next;
      return true;
    },
    onSignedOut,
  };
  return { request: () => newClient(options).request(HubDocument, {}), renewals };
}

test("a request whose token is refused is repeated once with a fresh one", async () => {
  const asked = api("new");
  const out = vi.fn();
  expect(await client({ now: "old", next: "new" }, out).request()).toEqual({ hub: "there" });
  expect(asked).toEqual(["old", "new"]);
  expect(out).not.toHaveBeenCalled();
});

test("a token that is refused again is not renewed without an end", async () => {
  const asked = api("another");
  const out = vi.fn();
  await expect(client({ now: "old", next: "new" }, out).request()).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
  expect(asked).toEqual(["old", "new"]);
  expect(out).toHaveBeenCalledOnce();
});

test("without a renewal the person is told at once", async () => {
  const asked = api("new");
  const out = vi.fn();
  await expect(client({ now: "old", next: "" }, out).request()).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
  expect(asked).toEqual(["old"]);
  expect(out).toHaveBeenCalledOnce();
});

test("what another request has renewed is taken, and not renewed again", async () => {
  const asked = api("new");
  const tokens = { now: "old", next: "" };
  const { request, renewals } = client(tokens, vi.fn());
  const answer = request();
  tokens.now = "new";
  expect(await answer).toEqual({ hub: "there" });
  expect([asked, renewals]).toEqual([["old", "new"], []]);
});
