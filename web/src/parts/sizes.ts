/** Units of sizes, as the hub reads them (worker/units): a letter alone is binary. */
const factors: Record<string, bigint> = {
  "": 1n,
  b: 1n,
  k: 1n << 10n,
  kib: 1n << 10n,
  m: 1n << 20n,
  mib: 1n << 20n,
  g: 1n << 30n,
  gib: 1n << 30n,
  t: 1n << 40n,
  tib: 1n << 40n,
  p: 1n << 50n,
  pib: 1n << 50n,
  kb: 10n ** 3n,
  mb: 10n ** 6n,
  gb: 10n ** 9n,
  tb: 10n ** 12n,
  pb: 10n ** 15n,
};

const largest = (1n << 63n) - 1n;

/** Reads a size: bytes, or a number with a unit, such as 64MiB. The bytes, rounded to whole ones; undefined: this is no size. */
export function parseSize(text: string): bigint | undefined {
  const trimmed = text.trim();
  const match = /^(\d+)(?:\.(\d+))?\s*([a-z]*)$/i.exec(trimmed);
  if (!match || trimmed.length > 64) return undefined;
  const [, whole = "", fraction = "", unit = ""] = match;
  const factor = factors[unit.toLowerCase()];
  if (factor === undefined || (fraction !== "" && factor === 1n)) return undefined;
  const scale = 10n ** BigInt(fraction.length);
  const bytes = (2n * BigInt(whole + fraction) * factor + scale) / (2n * scale);
  return bytes > largest ? undefined : bytes;
}

/** Reads bytes a second: a size with /s behind it, which may be left out. */
export function parseRate(text: string): bigint | undefined {
  return parseSize(text.trim().replace(/\/s$/, ""));
}
