import { createHash, createHmac } from "node:crypto";
import { Agent, type RequestOptions, request } from "node:http";

interface Keys {
  access: string;
  secret: string;
}

// Thousands of objects are written: connections are kept.
const agent = new Agent({ keepAlive: true, maxSockets: 16 });

/** A bucket of a real S3 server on this machine. */
export class Bucket {
  readonly url: string;
  readonly name: string;
  private readonly keys: Keys;

  constructor(url: string, name: string, keys: Keys) {
    this.url = url;
    this.name = name;
    this.keys = keys;
  }

  /** Writes an object. */
  async put(key: string, content: string | Buffer): Promise<void> {
    await this.send("PUT", key, "", Buffer.from(content));
  }

  /** Writes many objects, several at once. */
  async putAll(objects: Iterable<readonly [key: string, content: string | Buffer]>): Promise<void> {
    const left = objects[Symbol.iterator]();
    const one = async () => {
      for (let next = left.next(); !next.done; next = left.next()) await this.put(...next.value);
    };
    await Promise.all(Array.from({ length: 16 }, one));
  }

  /** Removes an object. */
  async remove(key: string): Promise<void> {
    await this.send("DELETE", key, "");
  }

  /** How many objects there are below a prefix. */
  async count(prefix: string): Promise<number> {
    let count = 0;
    for (let token: string | undefined = ""; token !== undefined; ) {
      const query: Record<string, string> = { "list-type": "2", prefix, ...(token && { "continuation-token": token }) };
      const text = (await this.send("GET", "", canonical(query))).toString();
      count += Number(/<KeyCount>(\d+)</.exec(text)?.[1] ?? 0);
      token = /<NextContinuationToken>([^<]+)</.exec(text)?.[1];
    }
    return count;
  }

  /** Signs by AWS's version 4, with the content left out of the signature:
   *  https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html */
  private send(method: string, key: string, query: string, body?: Buffer): Promise<Buffer> {
    const { host, hostname, port } = new URL(this.url);
    const path = `/${this.name}${key === "" ? "" : `/${key.split("/").map(escaped).join("/")}`}`;
    const time = `${new Date().toISOString().replace(/[-:]|\.\d+/g, "")}`;
    const scope = `${time.slice(0, 8)}/us-east-1/s3/aws4_request`;
    const content = "UNSIGNED-PAYLOAD";
    const asked = [method, path, query, `host:${host}\nx-amz-content-sha256:${content}\nx-amz-date:${time}\n`, signed, content].join("\n");
    const toSign = ["AWS4-HMAC-SHA256", time, scope, createHash("sha256").update(asked).digest("hex")].join("\n");
    const key4 = scope.split("/").reduce<string | Buffer>((k, part) => hmac(k, part), `AWS4${this.keys.secret}`);
    const signature = hmac(key4, toSign).toString("hex");
    const headers = {
      Host: host,
      "x-amz-content-sha256": content,
      "x-amz-date": time,
      "Content-Length": body?.length ?? 0,
      Authorization: `AWS4-HMAC-SHA256 Credential=${this.keys.access}/${scope}, SignedHeaders=${signed}, Signature=${signature}`,
    };
    return answer({ hostname, port, method, path: query === "" ? path : `${path}?${query}`, headers, agent }, body);
  }
}

const signed = "host;x-amz-content-sha256;x-amz-date";

function answer(options: RequestOptions, body?: Buffer): Promise<Buffer> {
  return new Promise((done, fail) => {
    const sent = request(options, (got) => {
      const parts: Buffer[] = [];
      got.on("data", (part: Buffer) => parts.push(part));
      got.on("end", () => {
        const text = Buffer.concat(parts);
        if ((got.statusCode ?? 0) < 300) done(text);
        else fail(new Error(`${options.method} ${options.path}: HTTP ${got.statusCode} ${text}`));
      });
    });
    sent.on("error", fail);
    sent.end(body);
  });
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}

/** As RFC 3986 has it, which encodeURIComponent leaves some characters short of. */
function escaped(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

function canonical(query: Record<string, string>): string {
  return Object.keys(query)
    .sort()
    .map((name) => `${name}=${escaped(query[name] ?? "")}`)
    .join("&");
}
