/** A schedule of Amazon EventBridge, read as the hub reads it (worker/cron). Times are UTC. */
export interface Schedule {
  /** The first time after one; undefined when there is none any more. A rate counts from that time. */
  next(after: Date): Date | undefined;
}

/** The fields of a cron expression, in their order. */
export const fields = ["minutes", "hours", "dayOfMonth", "month", "dayOfWeek", "year"] as const;
export type Field = (typeof fields)[number];

/** What is wrong with an expression, and in which of its fields. */
export type Fault =
  | { kind: "count"; count: number }
  | { kind: "rate" }
  | { kind: "days" }
  | { kind: "field"; field: Field; value: string; min: number; max: number };

/** Reads cron(...), rate(...), or the six cron fields alone. */
export function parse(text: string): Schedule | { fault: Fault } {
  const trimmed = text.trim();
  try {
    const rate = /^rate\((.*)\)$/s.exec(trimmed);
    if (rate) return parseRate(rate[1] ?? "");
    const parts = words(/^cron\((.*)\)$/s.exec(trimmed)?.[1] ?? trimmed);
    if (parts.length !== fields.length) throw new Refused({ kind: "count", count: parts.length });
    return parseFields(parts as [string, string, string, string, string, string]);
  } catch (error) {
    if (error instanceof Refused) return { fault: error.fault };
    throw error;
  }
}

/** Up to n times after one. */
export function nextTimes(schedule: Schedule, after: Date, n: number): Date[] {
  const times: Date[] = [];
  for (let at = schedule.next(after); at && times.length < n; at = schedule.next(at)) times.push(at);
  return times;
}

class Refused extends Error {
  readonly fault: Fault;

  constructor(fault: Fault) {
    super(fault.kind);
    this.fault = fault;
  }
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((w) => w !== "");
}

const minute = 60_000;
const units: Record<string, number> = { minute, hour: 60 * minute, day: 24 * 60 * minute };

function parseRate(text: string): Schedule {
  const [count = "", unit = "", ...rest] = words(text);
  const one = units[unit.replace(/s$/, "")];
  const n = /^[+-]?\d{1,10}$/.test(count) ? Number(count) : 0;
  const plural = unit.endsWith("s");
  const hundredYears = 100 * 365 * 24 * 60 * minute;
  if (rest.length > 0 || !one || n < 1 || (n === 1) === plural || n * one > hundredYears) throw new Refused({ kind: "rate" });
  return { next: (after) => new Date(after.getTime() + n * one) };
}

interface Range {
  field: Field;
  min: number;
  max: number;
  /** Of the values from min on. */
  names?: string[];
}

const months = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const weekdays = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const lastYear = 2199;

function parseFields(all: [string, string, string, string, string, string]): Schedule {
  const minutes = values({ field: "minutes", min: 0, max: 59 }, all[0]);
  const hours = values({ field: "hours", min: 0, max: 23 }, all[1]);
  const monthsOf = values({ field: "month", min: 1, max: 12, names: months }, all[3]);
  const days = parseDays(all[2], all[4]);
  const years = values({ field: "year", min: 1970, max: lastYear }, all[5]);
  const next = (after: Date): Date | undefined => {
    // Each step goes to the beginning of the next year, month, day, hour or minute that may match.
    let at = new Date((Math.floor(after.getTime() / minute) + 1) * minute);
    for (;;) {
      const [y, m, d, h, min] = [at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate(), at.getUTCHours(), at.getUTCMinutes()];
      if (y > lastYear) return undefined;
      if (!years.has(y)) at = new Date(Date.UTC(y + 1, 0, 1));
      else if (!monthsOf.has(m + 1)) at = new Date(Date.UTC(y, m + 1, 1));
      else if (!days(at)) at = new Date(Date.UTC(y, m, d + 1));
      else if (!hours.has(h)) at = new Date(Date.UTC(y, m, d, h + 1));
      else if (!minutes.has(min)) at = new Date(at.getTime() + minute);
      else return at;
    }
  };
  return { next };
}

/** Every value that a field's text stands for. */
function values(range: Range, text: string): Set<number> {
  const all = new Set<number>();
  for (const part of text.split(",")) {
    const slash = part.indexOf("/");
    const stepped = slash >= 0;
    const step = stepped ? number(part.slice(slash + 1)) : 1;
    if (step === undefined || step < 1 || step > range.max) throw refuse(range, part);
    const [from, to] = span(range, stepped ? part.slice(0, slash) : part, stepped);
    for (let n = from; n <= to; n += step) all.add(n);
  }
  return all;
}

/** Reads "*", a value or a range. A value with a step runs to the end. */
function span(range: Range, text: string, stepped: boolean): [number, number] {
  if (text === "*") return [range.min, range.max];
  const dash = text.indexOf("-");
  const from = value(range, dash < 0 ? text : text.slice(0, dash));
  const to = dash >= 0 ? value(range, text.slice(dash + 1)) : stepped ? range.max : from;
  if (to < from) throw refuse(range, text);
  return [from, to];
}

function value(range: Range, text: string): number {
  const named = range.names?.indexOf(text.toUpperCase()) ?? -1;
  const n = named >= 0 ? range.min + named : number(text);
  if (n === undefined || n < range.min || n > range.max) throw refuse(range, text);
  return n;
}

function number(text: string): number | undefined {
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

function refuse(range: Range, text: string): Refused {
  return new Refused({ kind: "field", field: range.field, value: text, min: range.min, max: range.max });
}

type DayRule = (at: Date) => boolean;

/** Reads the pair of day fields, of which exactly one is in use; the other is "?". */
function parseDays(month: string, week: string): DayRule {
  if ((month === "?") === (week === "?")) throw new Refused({ kind: "days" });
  return week === "?" ? daysOfMonth(month) : daysOfWeek(week);
}

function daysOfMonth(text: string): DayRule {
  const range: Range = { field: "dayOfMonth", min: 1, max: 31 };
  if (text === "L") return (at) => at.getUTCDate() === lastDay(at);
  if (text === "LW") return (at) => at.getUTCDate() === nearestWeekday(at, lastDay(at));
  if (text.endsWith("W")) {
    const day = value(range, text.slice(0, -1));
    return (at) => day <= lastDay(at) && at.getUTCDate() === nearestWeekday(at, day);
  }
  const days = values(range, text);
  return (at) => days.has(at.getUTCDate());
}

function daysOfWeek(text: string): DayRule {
  const range: Range = { field: "dayOfWeek", min: 1, max: 7, names: weekdays };
  const is = (at: Date, day: number) => at.getUTCDay() + 1 === day;
  const hash = text.indexOf("#");
  if (hash >= 0) {
    const day = value(range, text.slice(0, hash));
    const nth = text.slice(hash + 1);
    if (!/^[1-5]$/.test(nth)) throw refuse(range, text);
    return (at) => is(at, day) && Math.floor((at.getUTCDate() - 1) / 7) + 1 === Number(nth);
  }
  if (text === "L") return (at) => is(at, 7);
  if (text.endsWith("L")) {
    const day = value(range, text.slice(0, -1));
    return (at) => is(at, day) && at.getUTCDate() + 7 > lastDay(at);
  }
  const days = values(range, text);
  return (at) => days.has(at.getUTCDay() + 1);
}

function lastDay(at: Date): number {
  return new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1, 0)).getUTCDate();
}

/** The day from Monday to Friday that is nearest to a day and in the same month. */
function nearestWeekday(at: Date, day: number): number {
  const weekday = new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), day)).getUTCDay();
  if (weekday === 6) return day === 1 ? 3 : day - 1;
  if (weekday === 0) return day === lastDay(at) ? day - 2 : day + 1;
  return day;
}
