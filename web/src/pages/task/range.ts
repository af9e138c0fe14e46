import type { DateRangePickerProps } from "@cloudscape-design/components/date-range-picker";

/** A time that is looked at: one that ends now, or one between two times. */
export type Range = DateRangePickerProps.RelativeValue | DateRangePickerProps.AbsoluteValue;

/** What can be chosen without a calendar. */
export const lengths: DateRangePickerProps.RelativeOption[] = [
  { key: "1h", amount: 1, unit: "hour", type: "relative" },
  { key: "6h", amount: 6, unit: "hour", type: "relative" },
  { key: "24h", amount: 24, unit: "hour", type: "relative" },
  { key: "7d", amount: 7, unit: "day", type: "relative" },
  { key: "30d", amount: 30, unit: "day", type: "relative" },
];

const units: Record<string, number> = { second: 1, minute: 60, hour: 3600, day: 86_400, week: 604_800, month: 2_592_000, year: 31_536_000 };

/** A range as addresses have it, so that a link leads to it: last=7200 (seconds), or from and to in RFC 3339. */
export function readRange(address: URLSearchParams, otherwise: string): Range {
  const [from, to] = [Date.parse(address.get("from") ?? ""), Date.parse(address.get("to") ?? "")];
  if (from < to) return { type: "absolute", startDate: new Date(from).toISOString(), endDate: new Date(to).toISOString() };
  const seconds = Number(address.get("last"));
  const found = lengths.find((l) => secondsOf(l) === seconds);
  if (found) return found;
  if (Number.isSafeInteger(seconds) && seconds > 0) return { type: "relative", amount: seconds, unit: "second" };
  return lengths.find((l) => l.key === otherwise) ?? { type: "relative", amount: 1, unit: "hour" };
}

/** What stands in the address for a range; undefined: such a name must not be there. */
export function writeRange(range: Range): { last: string | undefined; from: string | undefined; to: string | undefined } {
  if (range.type === "relative") return { last: String(secondsOf(range)), from: undefined, to: undefined };
  return { last: undefined, from: new Date(range.startDate).toISOString(), to: new Date(range.endDate).toISOString() };
}

/** The seconds of a range. */
export function secondsOf(range: Range): number {
  if (range.type === "relative") return range.amount * (units[range.unit] ?? 3600);
  return (Date.parse(range.endDate) - Date.parse(range.startDate)) / 1000;
}

/** The hub answers for at least a minute and at most 400 days (lambda/task). */
export function isPossible(range: Range | null): boolean {
  if (!range) return false;
  const seconds = secondsOf(range);
  return seconds >= 60 && seconds <= 400 * 86_400;
}

/** Two times, in RFC 3339. */
export interface Span {
  from: string;
  to: string;
}

/** The times of a range; one that ends now ends at `now`, in milliseconds since 1970. */
export function spanOf(range: Range, now: number): Span {
  if (range.type === "absolute") return { from: new Date(range.startDate).toISOString(), to: new Date(range.endDate).toISOString() };
  return { from: new Date(now - secondsOf(range) * 1000).toISOString(), to: new Date(now).toISOString() };
}
