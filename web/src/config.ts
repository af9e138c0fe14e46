/** What `/config.json` says of the hub that serves this console. The same build runs on one machine and in an AWS account. */
export interface Config {
  /** "local": one machine; "aws": an AWS account. */
  mode: "local" | "aws";
  version: string;
  region?: string;
  /** Address of the API. */
  api: string;
  signIn: SignIn;
}

/** Who signs people in: any OpenID Connect provider with authorization code and PKCE. */
export interface SignIn {
  issuer: string;
  clientId: string;
  /** Separated by blanks. */
  scope: string;
  redirectUri: string;
  logoutUri: string;
  /** Where a person is signed out; "": the provider's discovery document says it. Cognito's does not. */
  logoutEndpoint: string;
}

/** Reads the configuration of the hub. Addresses may be relative to the console's own. */
export async function loadConfig(origin: string): Promise<Config> {
  const answer = await fetch("/config.json", { cache: "no-store" });
  if (!answer.ok) throw new Error(`/config.json: HTTP ${answer.status}`);
  return readConfig(await answer.json(), origin);
}

/** Checks a configuration and completes it. Throws an error that names the field which is wrong. */
export function readConfig(document: unknown, origin: string): Config {
  const all = fields(document, "config.json");
  const signIn = fields(all.signIn, "signIn");
  const mode = all.mode;
  if (mode !== "local" && mode !== "aws") throw new Error(`config.json: mode: ${JSON.stringify(mode)}; allowed are "local" and "aws"`);
  const address = (name: string, value: unknown) => new URL(required(name, value), origin).href;
  const home = new URL("/", origin).href;
  return {
    mode,
    version: text(all.version),
    region: text(all.region) || undefined,
    api: address("api", all.api),
    signIn: {
      issuer: address("signIn.issuer", signIn.issuer),
      clientId: required("signIn.clientId", signIn.clientId),
      scope: text(signIn.scope) || "openid",
      redirectUri: text(signIn.redirectUri) || home,
      logoutUri: text(signIn.logoutUri) || home,
      logoutEndpoint: text(signIn.logoutEndpoint),
    },
  };
}

function fields(value: unknown, name: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error(`${name} is no object`);
  return value as Record<string, unknown>;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function required(name: string, value: unknown): string {
  const found = text(value);
  if (found === "") throw new Error(`config.json: ${name} is missing`);
  return found;
}
