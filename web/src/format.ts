import type { Language, Text } from "./i18n/text.tsx";

/** Units of bytes, each 1,024 times the one before. */
export const byteUnits = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/** A number of bytes, as the command line writes it: in powers of 1,024, with three digits. */
export function bytes(n: number, language: Language): string {
  // A rate can be less than a byte a second.
  const step = n > 1 ? Math.min(Math.floor(Math.log2(n) / 10), byteUnits.length - 1) : 0;
  const value = n / 2 ** (10 * step);
  // 1,023.7 KiB would be written as 1,024 KiB.
  if (Math.round(value) >= 1024 && step < byteUnits.length - 1) return `1 ${byteUnits[step + 1]}`;
  const digits = (step === 0 && value >= 1) || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(value)} ${byteUnits[step]}`;
}

/** A whole number, in the digits' groups of a language. */
export function count(n: number, language: Language): string {
  return new Intl.NumberFormat(language, { maximumFractionDigits: 0 }).format(n);
}

/** A number of things in little room: 1.2K. */
export function short(n: number, language: Language): string {
  return new Intl.NumberFormat(language, { notation: "compact", maximumFractionDigits: 1 }).format(n);
}

/** A share from 0 to 1 in whole percent, rounded down: 100 % means all. */
export function percent(share: number, language: Language): string {
  return new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 0 }).format(Math.floor(share * 100) / 100);
}

const spans: [Intl.NumberFormatOptions["unit"], number][] = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];

/** A length of time in its two largest units: 2 h 5 min. */
export function duration(seconds: number, language: Language): string {
  let left = Math.max(0, Math.round(seconds));
  const parts: string[] = [];
  for (const [unit, size] of spans) {
    const n = Math.floor(left / size);
    left -= n * size;
    if (n > 0 || (parts.length === 0 && unit === "second"))
      parts.push(new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "short" }).format(n));
    if (parts.length === 2 || (parts.length === 1 && n === 0)) break;
  }
  return parts.join(" ");
}

/** A time in the zone of the person who looks, with its zone. */
export function localTime(at: string | Date, language: Language): string {
  return new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" }).format(new Date(at));
}

/** The same time in UTC, as logs have it: 2026-01-31 09:05:00. */
export function utcTime(at: string | Date): string {
  return new Date(at).toISOString().slice(0, 19).replace("T", " ");
}

/** How long ago a time was, or in how long it will be, in one unit. */
export function relative(at: string | Date, now: Date, text: Text): string {
  const seconds = (new Date(at).getTime() - now.getTime()) / 1000;
  const far = Math.abs(seconds);
  if (far < 5) return text("time.now");
  const [unit, size] = spans.find(([, s]) => far >= s) ?? (["second", 1] as const);
  const format = new Intl.RelativeTimeFormat(text.language, { style: "short", numeric: "always" });
  return format.format(Math.trunc(seconds / size), unit as Intl.RelativeTimeFormatUnit);
}
