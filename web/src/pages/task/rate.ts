/** How far a run was at a time. */
export interface Sample {
  runId: string;
  /** Milliseconds since 1970, by the clock of who counted. */
  at: number;
  queued: number;
  settled: number;
  bytes: number;
}

/** What a run does in a second, and how long it still takes. */
export interface Rate {
  objects: number;
  bytes: number;
  /** Seconds; undefined while nothing moves. */
  left: number | undefined;
}

/** Over so many milliseconds rates are taken: short enough to show a change, long enough not to flicker. */
const span = 60_000;

/** Adds a sample. Those of another run go, and those that are too old; one of a time that is known, or older, changes nothing. */
export function addSample(samples: readonly Sample[], next: Sample): readonly Sample[] {
  const same = samples.filter((s) => s.runId === next.runId);
  const last = same.at(-1);
  if (last && next.at <= last.at) return same.length === samples.length ? samples : same;
  return [...same.filter((s) => next.at - s.at <= span), next];
}

/** The rate over the samples; undefined when there are fewer than two. */
export function rateOf(samples: readonly Sample[]): Rate | undefined {
  const first = samples[0];
  const last = samples.at(-1);
  if (!first || !last || last.at <= first.at) return undefined;
  const seconds = (last.at - first.at) / 1000;
  // Counters of a run that is counted anew after a crash can be lower for a moment.
  const objects = Math.max(0, last.settled - first.settled) / seconds;
  const bytes = Math.max(0, last.bytes - first.bytes) / seconds;
  return { objects, bytes, left: objects > 0 ? Math.max(0, last.queued - last.settled) / objects : undefined };
}
