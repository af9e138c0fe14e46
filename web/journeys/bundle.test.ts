import { readdir, readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { beforeAll, expect, test } from "vitest";

const dist = resolve(import.meta.dirname, "../dist");

/** What Vite writes of each file: https://vite.dev/guide/backend-integration */
type Manifest = Record<string, { file: string; imports?: string[]; css?: string[] }>;

let manifest: Manifest;
let index: string;

beforeAll(async () => {
  manifest = JSON.parse(await readFile(resolve(dist, "../../.cache/console/manifest.json"), "utf8"));
  index = await readFile(resolve(dist, "index.html"), "utf8");
});

/** The files that a browser loads for an entry of the manifest, with all that it imports. What is loaded lazily is not among them. */
function filesOf(entry: string, files = new Set<string>()): Set<string> {
  const chunk = manifest[entry];
  if (!chunk) throw new Error(`the manifest has no ${entry}; make -B console writes it anew`);
  if (files.has(chunk.file)) return files;
  for (const file of [chunk.file, ...(chunk.css ?? [])]) files.add(file);
  for (const next of chunk.imports ?? []) filesOf(next, files);
  return files;
}

async function packed(file: string): Promise<number> {
  return gzipSync(await readFile(resolve(dist, file)), { level: 9 }).length;
}

const texts = {
  en: ["src/i18n/en/index.ts", "node_modules/@cloudscape-design/components/i18n/messages/all.en.js"],
  "zh-CN": ["src/i18n/zh/index.ts", "node_modules/@cloudscape-design/components/i18n/messages/all.zh-CN.js"],
};

test.each(Object.entries(texts))("the home page is there after 380 kB, in %s", async (_language, entries) => {
  const named = [...index.matchAll(/(?:src|href)="\/([^"]+)"/g)].map((m) => m[1] ?? "");
  const files = new Set(["index.html", ...named]);
  for (const entry of ["index.html", "src/pages/home/home.tsx", ...entries]) filesOf(entry, files);
  const sizes = await Promise.all([...files].map(async (file) => [file, await packed(file)] as const));
  const sum = sizes.reduce((all, [, size]) => all + size, 0);
  console.log(`first load: ${(sum / 1000).toFixed(1)} kB gzip in ${sizes.length} files`);
  expect(sum, sizes.map(([file, size]) => `${size} ${file}`).join("\n")).toBeLessThanOrEqual(380_000);
  // What is measured is what index.html loads.
  expect(named).toEqual(expect.arrayContaining([...filesOf("index.html")]));
});

test("index.html has no script and no style of its own", () => {
  expect(index).toMatch(/<script type="module" crossorigin src="\/assets\//);
  expect(index.replace(/<script[^>]* src="[^"]+"><\/script>/g, "")).not.toMatch(/<script/i);
  expect(index).not.toMatch(/<style|\sstyle=|\son\w+=/i);
});

test("fonts are files, and nothing of what the build is made from is served", async () => {
  const files = await readdir(dist, { recursive: true });
  expect(files.filter((f) => f.endsWith(".woff2")).length).toBeGreaterThan(0);
  expect(files.filter((f) => /manifest\.json$|\.map$|\.tsx?$/.test(f))).toEqual([]);
  for (const sheet of files.filter((f) => f.endsWith(".css")))
    expect(await readFile(resolve(dist, sheet), "utf8"), sheet).not.toMatch(/url\(\s*['"]?data:[^)]*font/);
});
