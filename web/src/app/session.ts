import { UserManager, WebStorageStateStore } from "oidc-client-ts";
import type { Config } from "../config.ts";

/** A signed-in person. */
export interface Session {
  /** Value of the Authorization header, with the id token. "" when the session ended. */
  authorization(): Promise<string>;
  /** Tries to get a fresh token without asking the person. False: he has to sign in. */
  renew(): Promise<boolean>;
  /** Leaves for the provider's page and comes back to where the person was. */
  signIn(): Promise<void>;
  /** Ends the session here and at the provider. */
  signOut(): Promise<void>;
}

/**
 * Opens a session with an OpenID Connect provider by authorization code and PKCE (RFC 7636). Tokens stay in the session storage
 * of this tab. Returns undefined when the browser is leaving for the provider's page. Throws when the provider refuses.
 */
export async function openSession(config: Config): Promise<Session | undefined> {
  const { signIn } = config;
  const manager = new UserManager({
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
  const back = new URLSearchParams(window.location.search);
  if (back.has("state") && (back.has("code") || back.has("error"))) {
    // A second visit of the same address, by the back button say, has no state any more: that person signs in anew.
    const user = await manager.signinRedirectCallback().catch((error: unknown) => {
      if (back.has("error")) throw error;
      return undefined;
    });
    window.history.replaceState(null, "", readPath(user?.state));
  }
  const session = newSession(manager, config);
  if ((await session.authorization()) !== "" || (await session.renew())) return session;
  await session.signIn();
  return undefined;
}

/** The place to come back to. Only a path of our own: what comes back from elsewhere could name any address. */
export function readPath(state: unknown): string {
  return typeof state === "string" && /^\/(?![/\\])/.test(state) ? state : "/";
}

function newSession(manager: UserManager, config: Config): Session {
  // AppSync takes the bare token, where RFC 6750 has a scheme before it:
  // https://docs.aws.amazon.com/appsync/latest/devguide/security-authz.html
  const scheme = config.mode === "aws" ? "" : "Bearer ";
  return {
    async authorization() {
      const user = await manager.getUser();
      return user?.id_token && !user.expired ? scheme + user.id_token : "";
    },
    async renew() {
      const user = await manager.getUser();
      // Without a refresh token a renewal would need a frame of the provider, which its policy and ours refuse.
      if (!user?.refresh_token) return false;
      return manager.signinSilent().then(
        (fresh) => Boolean(fresh?.id_token),
        () => false,
      );
    },
    signIn: () => manager.signinRedirect({ state: window.location.pathname + window.location.search }),
    async signOut() {
      const { logoutEndpoint, clientId, logoutUri } = config.signIn;
      if (logoutEndpoint === "") return manager.signoutRedirect();
      await manager.removeUser();
      // Cognito's own form: https://docs.aws.amazon.com/cognito/latest/developerguide/logout-endpoint.html
      window.location.assign(`${logoutEndpoint}?${new URLSearchParams({ client_id: clientId, logout_uri: logoutUri })}`);
    },
  };
}
