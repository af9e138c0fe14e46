import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";
import { type QueryCache, useQueryClient } from "@tanstack/react-query";
import { useCallback, useSyncExternalStore } from "react";
import { ApiError, type Code } from "../api/client.ts";
import { useText } from "../i18n/text.tsx";
import { explain } from "../parts/failure.tsx";
import { Time } from "../parts/time.tsx";

/** What pages say themselves, and better: what was asked for is gone, or was wrong. */
const saidElsewhere: readonly Code[] = ["NOT_FOUND", "INVALID"];

/** What is shown although asking for it anew fails: the oldest of it, and why. */
function staleOf(cache: QueryCache): { since: number; error: ApiError } | undefined {
  let oldest: { since: number; error: ApiError } | undefined;
  for (const query of cache.findAll({ type: "active" })) {
    const { error, data, dataUpdatedAt } = query.state;
    if (!(error instanceof ApiError) || data === undefined || saidElsewhere.includes(error.code)) continue;
    if (!oldest || dataUpdatedAt < oldest.since) oldest = { since: dataUpdatedAt, error };
  }
  return oldest;
}

/** Says that what the page shows is old, as long as asking for it anew fails. Each page has it: it looks at all that is asked for. */
export function NotRefreshed() {
  const text = useText();
  const queries = useQueryClient();
  const cache = queries.getQueryCache();
  const subscribe = useCallback((onChange: () => void) => cache.subscribe(onChange), [cache]);
  // A text, so that an answer that changes nothing here draws nothing anew.
  const since = useSyncExternalStore(subscribe, () => staleOf(cache)?.since);
  const error = useSyncExternalStore(subscribe, () => staleOf(cache)?.error);
  if (since === undefined || !error) return null;
  return (
    <Alert
      type="warning"
      header={
        <>
          {text("stale.title")} <Time at={new Date(since).toISOString()} />
        </>
      }
      action={<Button onClick={() => void queries.refetchQueries({ type: "active" })}>{text("error.retry")}</Button>}
    >
      {explain(error, text)}
    </Alert>
  );
}
