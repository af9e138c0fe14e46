import { readdirSync, readFileSync } from "node:fs";
import { type MessageFormatElement, parse, TYPE } from "@formatjs/icu-messageformat-parser";
import { expect, test } from "vitest";
import { messages as firstEnglish } from "./en/index.ts";
import { more as moreEnglish } from "./en/more.ts";
import { newText } from "./text.tsx";
import { messages as firstChinese } from "./zh/index.ts";
import { more as moreChinese } from "./zh/more.ts";

const english = { ...firstEnglish, ...moreEnglish };
const chinese = { ...firstChinese, ...moreChinese };

/** Names of the places in a message. */
function places(message: string): string[] {
  const names = new Set<string>();
  const walk = (elements: MessageFormatElement[]) => {
    for (const e of elements) {
      if (e.type === TYPE.literal || e.type === TYPE.pound || e.type === TYPE.tag) continue;
      names.add(e.value);
      if (e.type === TYPE.plural || e.type === TYPE.select) for (const option of Object.values(e.options)) walk(option.value);
    }
  };
  walk(parse(message, { ignoreTag: true }));
  return [...names].sort();
}

/** All sources but tests and texts. */
function sources(): [string, string][] {
  const all = readdirSync("src", { recursive: true, encoding: "utf8" });
  return all
    .filter((f) => /\.tsx?$/.test(f) && !f.includes("i18n/") && !f.includes(".test.") && !f.endsWith("generated.ts"))
    .map((f) => [f, readFileSync(`src/${f}`, "utf8")]);
}

test("each message has the same places in both languages", () => {
  for (const [key, message] of Object.entries(english)) {
    expect({ key, places: places(chinese[key as keyof typeof chinese]) }).toEqual({ key, places: places(message) });
  }
});

test("no message of one language was left in the other", () => {
  const names = /^[\s\dA-Za-z.,:–()/{}-]*$/; // names of products and formats are the same everywhere
  const same = Object.entries(chinese).filter(
    ([key, m]) => m === english[key as keyof typeof english] && /[a-z]{3}/.test(m.replace(/\{[^}]*\}/g, "")),
  );
  const allowed = ["product.name", "home.title", "choice.Amazon_S3", "choice.Amazon_ECR", "choice.Google_GCS"];
  expect(same.map(([key]) => key).filter((key) => !allowed.includes(key) && !names.test(key))).toEqual([]);
});

test("every text is used", () => {
  const code = sources()
    .map(([, content]) => content)
    .join("\n");
  const unused = Object.keys(english).filter((key) => {
    if (code.includes(`"${key}"`)) return false;
    // Keys that are put together: `state.${task.state}`, `${help}.help.title`, `confirm.${action}.title`.
    const parts = key.split(".");
    return !parts.some((_, i) => {
      const before = parts.slice(0, i).join(".");
      const after = parts.slice(i + 1).join(".");
      const start = before === "" ? "`${" : `\`${before}.\${`;
      const end = after === "" ? "}`" : `}.${after}\``;
      return code
        .split(start)
        .slice(1)
        .some((rest) => rest.slice(0, 60).includes(end));
    });
  });
  expect(unused).toEqual([]);
});

test("no words stand in the code of pages", () => {
  // JSX text is refused by the linter; these are properties that people read.
  const read =
    /\b(?:aria-?[lL]abel|label|header|title|description|placeholder|alt|content|text|constraintText|errorText|info|legend)(?:=|: ?)"([^"]*[A-Za-z]{2}[^"]*)"/g;
  const found: string[] = [];
  for (const [file, content] of sources())
    for (const match of content.matchAll(read)) if (!((match[1] as string) in english)) found.push(`${file}: ${match[0]}`);
  expect(found).toEqual([]);
});

test("messages are filled by the rules of their language", () => {
  const en = newText("en", english);
  const zh = newText("zh-CN", chinese);
  expect(en("unit.objects", { count: 1 })).toBe("1 object");
  expect(en("unit.objects", { count: 12_000 })).toBe("12,000 objects");
  expect(zh("unit.objects", { count: 12_000 })).toBe("12,000 个对象");
  expect(en("confirm.stop.title", { count: 1, name: "a <b> {c}" })).toBe("Stop a <b> {c}?");
  expect(en("confirm.stop.title", { count: 3, name: "" })).toBe("Stop 3 tasks?");
});
