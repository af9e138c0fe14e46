import { useEffect, useState } from "react";
import { ApiError, type Client } from "../../api/client.ts";
import { LogsDocument, type LogsQuery, type LogsQueryVariables } from "../../api/generated.ts";
import { useHub } from "../../app/hub.tsx";

/** A line of a log. */
export type LogLine = LogsQuery["taskLogs"]["nodes"][number];

/** What lines are looked for, but for when and how many. */
export type LogChoice = Pick<LogsQueryVariables, "id" | "source" | "stream" | "query">;

/** So many lines are kept while a log is followed. */
export const kept = 1000;

/** Milliseconds: a log is followed from so long ago, and lines may come so late. */
const begin = 5 * 60_000;
const late = 15_000;
const pause = 3_000;

/**
 * Adds lines to those that are there, in the order of time. What is asked for overlaps with what is there, since lines come late:
 * what is known is left out. Lines that say the same at the same time are told apart by their number.
 */
export function addLines(before: readonly LogLine[], next: readonly LogLine[]): readonly LogLine[] {
  const known = new Map<string, number>();
  for (const line of before) known.set(keyOf(line), (known.get(keyOf(line)) ?? 0) + 1);
  const fresh = next.filter((line) => {
    const left = known.get(keyOf(line)) ?? 0;
    known.set(keyOf(line), left - 1);
    return left <= 0;
  });
  if (fresh.length === 0) return before;
  return [...before, ...fresh].sort((a, b) => Date.parse(a.at) - Date.parse(b.at)).slice(-kept);
}

function keyOf(line: LogLine): string {
  return JSON.stringify([line.at, line.stream, line.text]);
}

/** All lines of a time, page by page, up to a number; `cut` says that there are more. */
export async function allLines(
  client: Client,
  choice: LogChoice & Pick<LogsQueryVariables, "from" | "to">,
  most: number,
): Promise<{ lines: LogLine[]; cut: boolean }> {
  const lines: LogLine[] = [];
  for (let after: string | null = null; ; ) {
    const first = Math.min(1000, most - lines.length);
    const { taskLogs }: LogsQuery = await client.request(LogsDocument, { ...choice, first, after });
    lines.push(...taskLogs.nodes);
    after = taskLogs.pageInfo.hasNextPage ? taskLogs.pageInfo.endCursor : null;
    if (after === null || lines.length >= most) return { lines, cut: after !== null };
  }
}

/** What a log said while it was followed, and since when that is. */
export interface Followed {
  lines: readonly LogLine[];
  error: ApiError | undefined;
  since: string;
}

/** What a log says from now on, and in the five minutes before; undefined while it is not followed. */
export function useFollow(on: boolean, choice: LogChoice): Followed | undefined {
  const { client } = useHub();
  const [found, setFound] = useState<Followed>();
  const { id, source, stream, query } = choice;
  useEffect(() => {
    setFound(undefined);
    if (!on) return;
    let lines: readonly LogLine[] = [];
    let timer = 0;
    let wanted = true;
    const start = Date.now() - begin;
    const since = new Date(start).toISOString();
    const look = async () => {
      let error: ApiError | undefined;
      // Nobody looks at a page that is hidden.
      if (!document.hidden) {
        const last = lines.at(-1);
        const from = new Date(last ? Math.max(start, Date.parse(last.at) - late) : start).toISOString();
        try {
          lines = addLines(lines, (await allLines(client, { id, source, stream, query, from, to: null }, 5 * kept)).lines);
        } catch (e) {
          error = e instanceof ApiError ? e : new ApiError(String(e), "UNREACHABLE");
        }
        if (wanted) setFound({ lines, error, since });
      }
      if (wanted) timer = window.setTimeout(() => void look(), pause);
    };
    void look();
    return () => {
      wanted = false;
      window.clearTimeout(timer);
    };
  }, [client, on, id, source, stream, query]);
  return on ? (found ?? { lines: [], error: undefined, since: new Date(Date.now() - begin).toISOString() }) : undefined;
}
