import type { ParameterPartsFragment } from "../../api/generated.ts";

/** One parameter of a plugin, with its texts in the language of the console. */
export type Parameter = ParameterPartsFragment;

/** Values of parameters by their names. In a form: those that somebody has given, empty ones too. */
export type Values = Readonly<Record<string, string>>;

/** What can be told to a plugin. */
export interface Contract {
  type: string;
  parameters: readonly Parameter[];
}

/** Defaults that depend on other values, as the plugins have them in code: other stores know neither S3's classes nor its ACLs. */
function dependent(type: string, given: Values): Values {
  return type === "S3" && given.destType === "S3_Compatible" ? { destStorageClass: "none", destAcl: "none" } : {};
}

/** What a parameter is when nobody gives it. "": nothing. */
export function defaultOf(contract: Contract, parameter: Parameter, given: Values): string {
  return dependent(contract.type, given)[parameter.name] ?? parameter.default ?? "";
}

/** Whether the conditions of a parameter hold. */
export function applies(parameter: Parameter, values: Values): boolean {
  return parameter.when.every((c) => c.in.includes(values[c.parameter] ?? ""));
}

/** An empty schedule is a choice of its own (once); elsewhere empty means not given. */
function isGiven(parameter: Parameter | undefined, value: string | undefined): value is string {
  return value !== undefined && (value !== "" || parameter?.type === "cron");
}

/** The values with the defaults of what is not given, as the plugin completes them. */
export function complete(contract: Contract, given: Values): Values {
  const all: Record<string, string> = {};
  const known = new Map(contract.parameters.map((p) => [p.name, p]));
  for (const [name, value] of Object.entries(given)) if (isGiven(known.get(name), value)) all[name] = value;
  for (const p of contract.parameters) {
    if (all[p.name] !== undefined) continue;
    const value = defaultOf(contract, p, given);
    if (value !== "" && applies(p, all)) all[p.name] = value;
  }
  // The default of what does not apply says nothing.
  for (const p of contract.parameters) if (all[p.name] === (p.default ?? "") && !applies(p, all)) delete all[p.name];
  return all;
}

/** Whether a value differs from what a task would have without it. */
export function isChanged(contract: Contract, parameter: Parameter, given: Values): boolean {
  const value = given[parameter.name];
  return isGiven(parameter, value) && value !== defaultOf(contract, parameter, given);
}

/**
 * What is sent for a form: what applies and says something. Defaults are left out, so that a task follows them, unless the task
 * had them written down before.
 */
export function toEntries(contract: Contract, given: Values, before: Values = {}): { name: string; value: string }[] {
  const all = complete(contract, given);
  return contract.parameters
    .filter((p) => applies(p, all) && (isChanged(contract, p, given) || (isGiven(p, given[p.name]) && before[p.name] === given[p.name])))
    .map((p) => ({ name: p.name, value: given[p.name] ?? "" }));
}

/** Entries by their names. */
export function toValues(entries: readonly { name: string; value: string }[]): Record<string, string> {
  return Object.fromEntries(entries.map((e) => [e.name, e.value]));
}

/** The lines of a text that say something. */
export function linesOf(text: string | undefined): string[] {
  return (text ?? "")
    .split("\n")
    .map((l) => l.replace(/\r$/, ""))
    .filter((l) => l.trim() !== "");
}

/** The entries of a list, separated by commas or new lines. A comma within braces belongs to its entry: *.{jpg,png} is one. */
export function listOf(text: string | undefined): string[] {
  return linesOf(text)
    .flatMap(splitCommas)
    .map((e) => e.trim())
    .filter((e) => e !== "");
}

function splitCommas(line: string): string[] {
  const out: string[] = [];
  let depth = 0;
  let from = 0;
  for (let i = 0; i < line.length; i++) {
    const c = line[i];
    if (c === "\\") i++;
    else if (c === "{") depth++;
    else if (c === "}") depth = Math.max(depth - 1, 0);
    else if (c === "," && depth === 0) {
      out.push(line.slice(from, i));
      from = i + 1;
    }
  }
  return [...out, line.slice(from)];
}
