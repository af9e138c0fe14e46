import type { Key, Values as Places } from "../../i18n/text.tsx";
import { type Fault, parse } from "../../parts/cron.ts";
import { parseRate, parseSize } from "../../parts/sizes.ts";
import { rulesOf } from "./rules.ts";
import { applies, type Contract, complete, type Parameter, type Values } from "./values.ts";

/** What is wrong with a parameter, as a text with its places. */
export interface Problem {
  field: string;
  key: Key;
  values?: Places;
}

/**
 * All that is wrong with the values of a form: what the plugin's contract refuses (plugins/contract), said as people type. The
 * hub checks again, and looks whether what is named exists.
 */
export function check(contract: Contract, given: Values): Problem[] {
  const all = complete(contract, given);
  const wrong = contract.parameters.flatMap((p) => checkOne(p, all) ?? []);
  // Rules between parameters are about values that are right by themselves.
  const refused = new Set(wrong.map((w) => w.field));
  for (const rule of rulesOf(contract.type)) wrong.push(...rule(all, contract).filter((w) => !refused.has(w.field)));
  return wrong;
}

function checkOne(p: Parameter, all: Values): Problem | undefined {
  const value = all[p.name] ?? "";
  const refuse = (key: Key, values?: Places): Problem => ({ field: p.name, key, values });
  if (value === "") return p.required && applies(p, all) ? refuse("fault.required") : undefined;
  if (!applies(p, all)) return refuse("fault.notHere");
  const size = new TextEncoder().encode(value).length;
  if (p.maxBytes && size > p.maxBytes) return refuse("fault.long", { size, most: p.maxBytes });
  const wrong = checkType(p, value);
  if (wrong) return refuse(...wrong);
  if (p.pattern && !new RegExp(p.pattern).test(value)) return refuse("fault.rule", { rule: p.rule ?? p.pattern });
  return undefined;
}

type Wrong = [Key, Places?] | undefined;

function checkType(p: Parameter, value: string): Wrong {
  switch (p.type) {
    case "bool":
      return value === "true" || value === "false" ? undefined : ["fault.rule", { rule: "true, false" }];
    case "choice":
      return p.allowed.includes(value) ? undefined : ["fault.rule", { rule: p.allowed.join(", ") }];
    case "integer":
    case "percent":
      return checkNumber(p, p.type === "percent" ? value.replace(/%$/, "") : value);
    case "size": {
      const bytes = parseSize(value);
      return bytes === undefined ? ["fault.size"] : checkBounds(p, bytes, writeSize);
    }
    case "rate":
      return parseRate(value) === undefined ? ["fault.rate"] : undefined;
    case "time":
      return isTime(value) ? undefined : ["fault.time"];
    case "cron": {
      const read = parse(value);
      return "fault" in read ? cronFault(read.fault) : undefined;
    }
    default:
      return undefined;
  }
}

function checkNumber(p: Parameter, value: string): Wrong {
  if (!/^[+-]?\d{1,18}$/.test(value)) return ["fault.number"];
  return checkBounds(p, BigInt(value.replace("+", "")), String);
}

function checkBounds(p: Parameter, n: bigint, write: (n: bigint) => string): Wrong {
  const min = BigInt(p.min ?? 0);
  const max = BigInt(p.max ?? 0);
  if (max === 0n) return n < min ? ["fault.least", { min: write(min) }] : undefined;
  return n < min || n > max ? ["fault.between", { min: write(min), max: write(max) }] : undefined;
}

/** Bounds are round numbers of a unit. */
function writeSize(n: bigint): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let step = 0;
  let left = n;
  while (left > 0n && left % 1024n === 0n && step < units.length - 1) {
    left /= 1024n;
    step++;
  }
  return `${left} ${units[step]}`;
}

/** Whether a text is a time of RFC 3339. */
export function isTime(text: string): boolean {
  const match = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,]\d+)?(?:Z|[+-](\d\d):(\d\d))$/.exec(text);
  if (!match) return false;
  const [year, month, day, hour, minute, second, zoneHour = 0, zoneMinute = 0] = match.slice(1).map((n) => Number(n ?? 0));
  if (year === undefined || month === undefined || day === undefined) return false;
  const days = new Date(Date.UTC(2000 + (year % 400), month, 0)).getUTCDate();
  if (month < 1 || month > 12 || day < 1 || day > days) return false;
  return (hour ?? 0) < 24 && (minute ?? 0) < 60 && (second ?? 0) < 60 && zoneHour <= 24 && zoneMinute < 60;
}

function cronFault(fault: Fault): Wrong {
  switch (fault.kind) {
    case "count":
      return ["fault.cron.count", { count: fault.count }];
    case "rate":
      return ["fault.cron.rate"];
    case "days":
      return ["fault.cron.days"];
    case "field":
      return [`fault.cron.${fault.field}`, { value: fault.value, min: fault.min, max: fault.max }];
  }
}

/** What is wrong with what every task has: its name, its description, its labels. Fields are named as the API names them. */
export function checkFrame(frame: Frame): Problem[] {
  const wrong: Problem[] = [];
  const name = [...frame.name.trim()];
  if (name.length === 0) wrong.push({ field: "name", key: "fault.required" });
  else if (name.length > 128 || name.some(isControl)) wrong.push({ field: "name", key: "fault.name" });
  if ([...frame.description].length > 2000) wrong.push({ field: "description", key: "fault.description" });
  if (frame.labels.length > 50) wrong.push({ field: "labels", key: "fault.labels" });
  const seen = new Set<string>();
  for (const [i, label] of frame.labels.entries()) {
    const field = `labels.${i}`;
    if (!/^[\p{L}\p{N}_.:/=+@-]{1,128}$/u.test(label.name)) wrong.push({ field, key: "fault.label" });
    else if (seen.has(label.name)) wrong.push({ field, key: "fault.labelTwice" });
    else if (new TextEncoder().encode(label.value).length > 256) wrong.push({ field, key: "fault.labelValue" });
    seen.add(label.name);
  }
  return wrong;
}

/** What every task has, of any type. */
export interface Frame {
  name: string;
  description: string;
  labels: readonly { name: string; value: string }[];
}

function isControl(c: string): boolean {
  return c < " " || c === "\x7f" || c === "\ufffd";
}
