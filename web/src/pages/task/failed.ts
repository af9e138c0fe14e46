import { ImagesDocument, ObjectsDocument, RunsDocument } from "../../api/generated.ts";
import { useAsk, useAskAll } from "../../app/hub.tsx";
import type { WholeTask } from "./task.tsx";

/** What failed of a class, as the records have it now. */
export interface FailedClass {
  name: string;
  count: number;
  /** There are more than were counted. */
  more: boolean;
}

/** What a run tells of its failures. */
interface Told {
  id: string;
  errors: readonly { name: string; count: number }[];
}

/** A page of what is on record as failed. */
export interface FailedPage {
  nodes: readonly { errorClass: string | null }[];
  pageInfo: { hasNextPage: boolean };
}

/** So many records are counted; what is beyond them is not loaded for a number. */
export const counted = 100;

/** A record without a class is of the class that no text is known of. */
function classOf(node: { errorClass: string | null }): string {
  return node.errorClass ?? "other";
}

/** The classes that may have failures: those of records, and those that the latest runs told of. */
export function candidates(page: FailedPage, runs: readonly Told[]): string[] {
  const told = runs.flatMap((r) => r.errors.filter((e) => e.count > 0).map((e) => e.name));
  return [...new Set([...page.nodes.map(classOf), ...told])].sort();
}

/**
 * The classes of what is on record as failed now. A run counts its own objects only: after a retry of one class the newest run
 * knows nothing of the others, whose objects still are failed. So the records say it; `pages` has those of one class by its name,
 * where the first page of all has not all of them.
 */
export function failedClasses(page: FailedPage, pages: ReadonlyMap<string, FailedPage>, runs: readonly Told[]): FailedClass[] {
  if (!page.pageInfo.hasNextPage) {
    const sums = new Map<string, number>();
    for (const node of page.nodes) sums.set(classOf(node), (sums.get(classOf(node)) ?? 0) + 1);
    return [...sums].map(([name, count]) => ({ name, count, more: false })).sort(byCount);
  }
  const all: FailedClass[] = [];
  for (const name of candidates(page, runs)) {
    // Until its own page is there, what is in the page of all stands for a class.
    const own = pages.get(name);
    const found = own?.nodes.length ?? page.nodes.filter((n) => classOf(n) === name).length;
    if (found === 0) continue;
    if (own && !own.pageInfo.hasNextPage) all.push({ name, count: found, more: false });
    else {
      // The newest run has met them all, or some were retried since and are counted in it anew.
      const told = runs[0]?.errors.find((e) => e.name === name)?.count ?? 0;
      all.push(told > found ? { name, count: told, more: false } : { name, count: found, more: true });
    }
  }
  return all.sort(byCount);
}

function byCount(a: FailedClass, b: FailedClass): number {
  return b.count - a.count || (a.name < b.name ? -1 : 1);
}

const nothing: FailedPage = { nodes: [], pageInfo: { hasNextPage: false } };

/** The classes of what has failed, and the runs that were looked at, the newest first; undefined while that is not known. */
export function useFailed(task: Pick<WholeTask, "id" | "type">, every: number | false) {
  const { id } = task;
  const ofImages = task.type === "ECR";
  const first = counted;
  const runs = useAsk(RunsDocument, { id, first: 10, after: null }, { every, keep: true }).data?.taskRuns.nodes;
  const objects = useAsk(ObjectsDocument, { id, errorClass: null, keyPrefix: null, first, after: null }, { every, enabled: !ofImages });
  const images = useAsk(ImagesDocument, { id, status: "ERROR", prefix: null, first, after: null }, { every, enabled: ofImages });
  const page: FailedPage | undefined = ofImages ? images.data?.taskImages : objects.data?.taskObjects;
  // Lists of images have no filter by class: those of the first page, and of the runs, are what is known.
  const names = page?.pageInfo.hasNextPage && !ofImages ? candidates(page, runs ?? []) : [];
  const asked = useAskAll(
    ObjectsDocument,
    names.map((errorClass) => ({ id, errorClass, keyPrefix: null, first, after: null })),
    { every },
  );
  const pages = new Map<string, FailedPage>();
  for (const [i, name] of names.entries()) {
    const own = asked[i]?.taskObjects;
    if (own) pages.set(name, own);
  }
  if (!runs) return undefined;
  return { runs, classes: failedClasses(page ?? nothing, pages, runs) };
}
