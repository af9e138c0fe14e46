import { type SigninSilentArgs, type User, UserManager, WebStorageStateStore } from "oidc-client-ts";
import type { Config } from "../config.ts";

/** A signed-in person. */
export interface Session {
  /** Value of the Authorization header, with an id token that is renewed when it has expired. "" when the session ended. */
  authorization(): Promise<string>;
  /** Tries to get a fresh token without asking the person. False: he has to sign in. */
  renew(): Promise<boolean>;
  /** Leaves for the provider's page and comes back to where the person was. */
  signIn(): Promise<void>;
  /** Ends the session here, and at the provider where that is possible: then the browser leaves for its page, and this is true. */
  signOut(): Promise<boolean>;
}

/** Whatever asks for a renewal while one is under way waits for that one: a refresh token may be good for one use only. */
class Manager extends UserManager {
  private renewal: Promise<User | null> | undefined;

  override signinSilent(args?: SigninSilentArgs): Promise<User | null> {
    this.renewal ??= super.signinSilent(args).finally(() => {
      this.renewal = undefined;
    });
    return this.renewal;
  }
}

/** What sign-in needs of the library, so that tests can stand in for a provider. */
export type Provider = Pick<
  UserManager,
  "getUser" | "removeUser" | "signinRedirect" | "signinRedirectCallback" | "signinSilent" | "signoutRedirect"
> & { metadataService: Pick<UserManager["metadataService"], "getEndSessionEndpoint"> };

/**
 * Opens a session with an OpenID Connect provider by authorization code and PKCE (RFC 7636). Tokens stay in the session storage
 * of this tab. Returns undefined when the browser is leaving for the provider's page. Throws when the provider refuses.
 */
export async function openSession(config: Config): Promise<Session | undefined> {
  const { signIn } = config;
  const manager = new Manager({
    authority: signIn.issuer,
    client_id: signIn.clientId,
    redirect_uri: signIn.redirectUri,
    post_logout_redirect_uri: signIn.logoutUri,
    scope: signIn.scope,
    response_type: "code",
    userStore: new WebStorageStateStore({ store: window.sessionStorage }),
    stateStore: new WebStorageStateStore({ store: window.sessionStorage }),
    automaticSilentRenew: true,
  });
  return beginSession(manager, config);
}

/** Takes up what the provider sent the browser back with, or the session of this tab, or leaves for the provider's page. */
export async function beginSession(provider: Provider, config: Config): Promise<Session | undefined> {
  const back = new URLSearchParams(window.location.search);
  if (back.has("state") && (back.has("code") || back.has("error"))) {
    const user = await provider.signinRedirectCallback().catch((error: unknown) => {
      if (back.has("error") || !isUsed(error)) throw error;
      return undefined;
    });
    window.history.replaceState(null, "", readPath(user?.state));
  }
  const session = newSession(provider, config);
  if ((await session.authorization()) !== "") return session;
  await session.signIn();
  return undefined;
}

/**
 * A second visit of the same address, by the back button say, has no state any more: that person signs in anew. Whatever else
 * goes wrong would go wrong again, and send the browser to and fro without an end.
 */
function isUsed(error: unknown): boolean {
  return error instanceof Error && error.message === "No matching state found in storage";
}

/** The place to come back to. Only a path of our own: what comes back from elsewhere could name any address. */
export function readPath(state: unknown): string {
  return typeof state === "string" && /^\/(?![/\\])/.test(state) ? state : "/";
}

function newSession(provider: Provider, config: Config): Session {
  // AppSync takes the bare token, where RFC 6750 has a scheme before it:
  // https://docs.aws.amazon.com/appsync/latest/devguide/security-authz.html
  const scheme = config.mode === "aws" ? "" : "Bearer ";
  const header = (user: User | null) => (user?.id_token && !user.expired ? scheme + user.id_token : "");
  const renew = async (): Promise<User | null> => {
    const user = await provider.getUser();
    // Without a refresh token a renewal would need a frame of the provider, which its policy and ours refuse.
    if (!user?.refresh_token) return null;
    return provider.signinSilent().catch(() => null);
  };
  return {
    authorization: async () => header(await provider.getUser()) || header(await renew()),
    renew: async () => header(await renew()) !== "",
    signIn: () => provider.signinRedirect({ state: window.location.pathname + window.location.search }),
    async signOut() {
      const { logoutEndpoint, clientId, logoutUri } = config.signIn;
      if (logoutEndpoint !== "") {
        await provider.removeUser();
        // Cognito's own form: https://docs.aws.amazon.com/cognito/latest/developerguide/logout-endpoint.html
        window.location.assign(`${logoutEndpoint}?${new URLSearchParams({ client_id: clientId, logout_uri: logoutUri })}`);
        return true;
      }
      // Not every provider has a page for it, and one that does may not answer now: the person is signed out here all the same.
      try {
        if (await provider.metadataService.getEndSessionEndpoint()) {
          await provider.signoutRedirect();
          return true;
        }
      } catch {
        // The session ends below.
      }
      await provider.removeUser();
      return false;
    },
  };
}
