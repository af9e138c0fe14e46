import { expect, test } from "vitest";
import { messages as english } from "../../i18n/en/index.ts";
import { newText } from "../../i18n/text.tsx";
import { messages as chinese } from "../../i18n/zh/index.ts";
import { scheduleOf } from "./columns.tsx";

const en = newText("en", english as Parameters<typeof newText>[1]);
const zh = newText("zh-CN", chinese as Parameters<typeof newText>[1]);
const every = (expression: string) => ({ schedule: { kind: "SCHEDULED" as const, expression, events: false } });

test("a schedule that only machines have is said in words of the language, and one of EventBridge as it is", () => {
  expect(scheduleOf(every("every 5s"), en)).toBe("Every 5 sec");
  expect(scheduleOf(every("every 90m"), en)).toBe("Every 1 hr 30 min");
  expect(scheduleOf(every("every 5s"), zh)).toBe("每 5秒");
  expect(scheduleOf(every("0 * * * ? *"), zh)).toBe("0 * * * ? *");
});
