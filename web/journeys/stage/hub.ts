import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type Client, newClient } from "../../src/api/client.ts";
import { Bucket } from "./bucket.ts";

const bin = resolve(import.meta.dirname, "../../../bin");

/** A `dth local` of its own process on a free port, with its records in a folder of its own. */
export interface Hub {
  /** Such as http://127.0.0.1:40123. */
  origin: string;
  /** The API, as the owner of the data folder may use it. */
  api: Client;
  /** A link that signs in whoever opens it first. */
  link(): Promise<string>;
  /** One of the sample's buckets. Only of a hub with the sample. */
  bucket(end: "source" | "destination"): Promise<Bucket>;
  /** What the hub has printed. */
  said(): string;
  /** Ends the hub and removes its records. */
  stop(): Promise<void>;
}

/** Starts a hub. The sample is two real S3 servers with objects in them, and three tasks that begin to copy them. */
export async function startHub(options: { sample?: boolean } = {}): Promise<Hub> {
  const data = await mkdtemp(join(tmpdir(), "dth-journey-"));
  const args = ["local", "--data", data, "--listen", "127.0.0.1:0", ...(options.sample ? ["--sample"] : [])];
  const child = spawn(process.env.DTH_BIN ?? join(bin, "dth"), args, { stdio: ["ignore", "ignore", "pipe"] });
  const end = () => child.kill("SIGKILL");
  process.once("exit", end); // also when a test run is broken off
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  const stop = async () => {
    process.off("exit", end);
    await ended(child);
    // Servers of the sample end when their hub does, and may write until then.
    await rm(data, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  };
  try {
    const origin = await serves(child, () => said);
    const token = (await readFile(join(data, "token"), "utf8")).trim();
    const authorization = `Bearer ${token}`;
    return {
      origin,
      api: newClient({ api: `${origin}/graphql`, authorization: () => authorization, onSignedOut: () => undefined }),
      link: () => newLink(origin, authorization),
      bucket: (which) => sampleBucket(join(data, "sample"), which),
      said: () => said,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Waits until the hub says where it serves. */
function serves(child: ChildProcess, said: () => string): Promise<string> {
  return new Promise((done, fail) => {
    const look = () => {
      const origin = /the hub serves (http:\/\/[^;\s]+)/.exec(said())?.[1];
      // The sample's lines come after it, and are the last.
      if (origin && /tasks: {4}dth task list/.test(said())) done(origin);
    };
    child.stderr?.on("data", look);
    child.once("error", (error) => fail(new Error(`the hub cannot be started (make build makes it): ${error.message}`)));
    child.once("exit", (code) => fail(new Error(`the hub ended with ${code} before it served:\n${said()}`)));
  });
}

/** Lets a process end as Ctrl-C does, and makes it when it takes long. */
async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const gone = new Promise((done) => child.once("exit", done));
  child.kill("SIGTERM");
  const late = setTimeout(() => child.kill("SIGKILL"), 15_000);
  await gone;
  clearTimeout(late);
}

async function newLink(origin: string, authorization: string): Promise<string> {
  const answer = await fetch(`${origin}/oidc/link`, { method: "POST", headers: { Authorization: authorization } });
  if (!answer.ok) throw new Error(`the hub gives no sign-in link: HTTP ${answer.status}`);
  return ((await answer.json()) as { link: string }).link;
}

async function sampleBucket(folder: string, end: "source" | "destination"): Promise<Bucket> {
  const read = (name: string) => readFile(join(folder, `${end}.${name}`), "utf8");
  const [address, secret] = await Promise.all([read("address"), read("secret")]);
  return new Bucket(`http://${address}`, "sample", { access: `sample-${end}`, secret });
}
