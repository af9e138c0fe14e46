import { applies, type Contract, complete, defaultOf, isChanged, type Parameter, toValues } from "../create/values.ts";

/** One setting of a task. */
export interface Setting {
  name: string;
  /** What the plugin says of it; undefined: it knows no such parameter any more. */
  parameter: Parameter | undefined;
  value: string;
  byDefault: string;
  changed: boolean;
}

/** Settings that belong together. */
export interface Group {
  name: string;
  /** Whether the plugin has such a group. */
  known: boolean;
  all: Setting[];
}

/** The parameters that apply to a task or were given, by group, in the contract's order. What the plugin does not know comes last. */
export function groupsOf(contract: Contract, entries: readonly { name: string; value: string }[]): Group[] {
  const given = toValues(entries);
  const all = complete(contract, given);
  const groups = new Map<string, Setting[]>();
  for (const p of contract.parameters) {
    if (!applies(p, all) && given[p.name] === undefined) continue;
    const byDefault = defaultOf(contract, p, given);
    const setting = { name: p.name, parameter: p, value: given[p.name] ?? byDefault, byDefault, changed: isChanged(contract, p, given) };
    groups.set(p.group, [...(groups.get(p.group) ?? []), setting]);
  }
  const known = [...groups].map(([name, settings]) => ({ name, known: true, all: settings }));
  const rest = entries.filter((e) => !contract.parameters.some((p) => p.name === e.name));
  if (rest.length === 0) return known;
  const unknown = rest.map((e) => ({ name: e.name, parameter: undefined, value: e.value, byDefault: "", changed: true }));
  return [...known, { name: "", known: false, all: unknown }];
}
