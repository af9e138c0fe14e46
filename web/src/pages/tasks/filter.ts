import type { PropertyFilterProps } from "@cloudscape-design/components/property-filter";
import type { TaskFilter, TaskState } from "../../api/generated.ts";

type Query = PropertyFilterProps.Query;

/** All states, in the order of a task's life. */
export const states: readonly TaskState[] = ["STARTING", "IN_PROGRESS", "PAUSED", "UPDATING", "DONE", "STOPPING", "STOPPED", "ERROR"];

/** What the API is asked for by a filter as it stands in the field. Where the API takes one value, the last one counts. */
export function toFilter(query: Query): TaskFilter {
  const filter: TaskFilter = {};
  const chosen: TaskState[] = [];
  for (const token of query.tokens) {
    for (const value of [token.value].flat().map(String)) {
      if (token.propertyKey === "states") chosen.push(...states.filter((s) => s === value));
      else if (token.propertyKey === "type") filter.type = value;
      else if (token.propertyKey === "attention") filter.attention = true;
      else filter.text = value;
    }
  }
  if (chosen.length > 0) filter.states = [...new Set(chosen)];
  return filter;
}

/** Reads a filter from an address, so that a link can carry one. What it does not know is left out. */
export function fromAddress(search: URLSearchParams): Query {
  const tokens: Query["tokens"][number][] = [];
  for (const value of search.getAll("states"))
    if (states.some((s) => s === value)) tokens.push({ propertyKey: "states", operator: "=", value });
  for (const value of search.getAll("type")) tokens.push({ propertyKey: "type", operator: "=", value });
  if (search.get("attention") === "true") tokens.push({ propertyKey: "attention", operator: "=", value: "true" });
  for (const value of search.getAll("text")) tokens.push({ propertyKey: "text", operator: ":", value });
  return { tokens, operation: "and" };
}

/** An order of the list, by a column. */
export interface Sort {
  field: string;
  descending: boolean;
}

/** Reads an order from an address: sort=name, or sort=-name for the other way round. */
export function sortOf(search: URLSearchParams): Sort | undefined {
  const found = /^(-?)(\w+)$/.exec(search.get("sort") ?? "");
  return found ? { field: found[2] ?? "", descending: found[1] === "-" } : undefined;
}

/** Writes a filter and an order into an address; fromAddress and sortOf read them. */
export function toAddress(query: Query, sort?: Sort): URLSearchParams {
  const search = new URLSearchParams();
  if (sort) search.set("sort", `${sort.descending ? "-" : ""}${sort.field}`);
  for (const token of query.tokens) for (const value of [token.value].flat().map(String)) search.append(token.propertyKey ?? "text", value);
  return search;
}
