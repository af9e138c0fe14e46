import { byteUnits, count, short } from "../format.ts";
import type { Language } from "../i18n/text.tsx";

/** An axis of values: charts put their marks at round numbers of what they are given, so that is to be round for who reads it. */
export interface Scale {
  /** What a value is divided by before a chart gets it. */
  factor: number;
  /** The end of the axis, of what the chart gets. */
  top: number;
  /** Writes a mark of the axis. */
  tick: (n: number) => string;
}

/** A little above the highest value there is room for the line. */
const room = 1.1;

/** An axis of bytes, in the power of 1,024 that suits the highest value: marks are at 1, 2, 3 MiB. `end` is put behind the unit. */
export function byteScale(highest: number, language: Language, end = ""): Scale {
  const step = highest > 1 ? Math.min(Math.floor(Math.log2(highest) / 10), byteUnits.length - 1) : 0;
  const factor = 2 ** (10 * step);
  const format = new Intl.NumberFormat(language, { maximumFractionDigits: 2 });
  return { factor, top: (highest / factor || 1) * room, tick: (n) => `${format.format(n)} ${byteUnits[step]}${end}` };
}

/** An axis of things that are counted. Below four there would be marks at halves. */
export function countScale(highest: number, language: Language): Scale {
  const top = Math.max(4, highest * room);
  return { factor: 1, top, tick: (n) => (top < 1000 ? count(n, language) : short(n, language)) };
}
