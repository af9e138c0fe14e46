import type { Contract, Parameter } from "../pages/create/values.ts";

/** A contract as Go's encoding/json writes it: what is empty is left out. */
interface Written {
  plugin: string;
  parameters: (Pick<Parameter, "name" | "group" | "label" | "help" | "type" | "onUpdate"> & Partial<Parameter>)[];
}

/** Reads contracts that the plugins wrote, as the API gives them. */
export function readContracts(all: Written[]): Contract[] {
  return all.map(({ plugin, parameters }) => ({
    type: plugin,
    parameters: parameters.map((p) => ({
      default: null,
      required: false,
      allowed: [],
      pattern: null,
      rule: null,
      min: null,
      max: null,
      maxBytes: null,
      when: [],
      fixed: p.onUpdate.startsWith("refused"),
      ...p,
    })),
  }));
}
