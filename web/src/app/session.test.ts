import { User } from "oidc-client-ts";
import { beforeEach, expect, test, vi } from "vitest";
import { readConfig } from "../config.ts";
import { beginSession, type Provider } from "./session.ts";

const local = {
  mode: "local",
  api: "/graphql",
  signIn: { issuer: "/oidc", clientId: "console", scope: "openid", redirectUri: "", logoutUri: "", logoutEndpoint: "" },
};
const config = readConfig(local, "http://127.0.0.1:8080");

function user(token: string, seconds: number): User {
  return new User({
    id_token: token,
    access_token: token,
    refresh_token: "again",
    token_type: "Bearer",
    profile: { sub: "s", iss: "i", aud: "a", exp: 0, iat: 0 },
    expires_at: Math.floor(Date.now() / 1000) + seconds,
  });
}

function provider(have: User | null, more: Partial<Provider> = {}) {
  let now = have;
  const fake = {
    getUser: vi.fn(async () => now),
    removeUser: vi.fn(async () => {
      now = null;
    }),
    signinRedirect: vi.fn(async () => undefined),
    signinRedirectCallback: vi.fn(async () => user("first", 60)),
    signinSilent: vi.fn(async () => {
      now = user("fresh", 60);
      return now;
    }),
    signoutRedirect: vi.fn(async () => undefined),
    metadataService: { getEndSessionEndpoint: async () => "http://127.0.0.1:8080/oidc/signout" as string | undefined },
    ...more,
  };
  return fake as typeof fake & Provider;
}

beforeEach(() => window.history.replaceState(null, "", "/"));

test("a code that cannot be exchanged is said, and nobody is sent to the provider again", async () => {
  window.history.replaceState(null, "", "/?code=c&state=s");
  const refused = provider(null, { signinRedirectCallback: () => Promise.reject(new Error("invalid_client")) });
  await expect(beginSession(refused, config)).rejects.toThrow("invalid_client");
  expect(refused.signinRedirect).not.toHaveBeenCalled();
});

test("an address that was used already begins a sign-in", async () => {
  window.history.replaceState(null, "", "/?code=c&state=s");
  const used = provider(null, { signinRedirectCallback: () => Promise.reject(new Error("No matching state found in storage")) });
  expect(await beginSession(used, config)).toBeUndefined();
  expect(used.signinRedirect).toHaveBeenCalledOnce();
});

test("an expired token is renewed before it is used", async () => {
  const session = await beginSession(provider(user("old", -5)), config);
  expect(await session?.authorization()).toBe("Bearer fresh");
});

test("without a renewal the session has ended", async () => {
  const ended = provider(user("old", -5), { signinSilent: () => Promise.reject(new Error("invalid_grant")) });
  expect(await beginSession(ended, config)).toBeUndefined();
  expect(ended.signinRedirect).toHaveBeenCalledOnce();
});

test.each([
  ["has no page for it", async () => undefined],
  ["does not answer", () => Promise.reject(new Error("Failed to fetch"))],
])("somebody is signed out here when the provider %s", async (_, getEndSessionEndpoint) => {
  const fake = provider(user("old", 60), { metadataService: { getEndSessionEndpoint } as Provider["metadataService"] });
  const session = await beginSession(fake, config);
  expect(await session?.signOut()).toBe(false);
  expect(fake.removeUser).toHaveBeenCalledOnce();
  expect(fake.signoutRedirect).not.toHaveBeenCalled();
});

test("the browser leaves for the provider's page where there is one", async () => {
  const fake = provider(user("old", 60));
  const session = await beginSession(fake, config);
  expect(await session?.signOut()).toBe(true);
  expect(fake.signoutRedirect).toHaveBeenCalledOnce();
});
