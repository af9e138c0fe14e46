import { expect, test } from "vitest";
import vectors from "../api/contracts.json";
import { readContracts } from "../api/contracts.ts";
import { translate } from "../parts/contracts.ts";
import { contract } from "./zh/contract.ts";

const all = [...readContracts(vectors.cloud), ...readContracts(vectors.local)];

test("each text of the contracts is there in Chinese", () => {
  const missing: string[] = [];
  for (const { type, parameters } of all) {
    if (!contract.descriptions[type]) missing.push(type);
    for (const p of parameters) {
      const found = contract.parameters[type]?.[p.name];
      if (!found || found.label === "" || found.help === "") missing.push(`${type}.${p.name}`);
      if (p.rule && !found?.rule) missing.push(`${type}.${p.name}.rule`);
      if (!contract.groups[p.group]) missing.push(`group ${p.group}`);
      if (!contract.effects[p.onUpdate]) missing.push(`effect ${p.onUpdate}`);
    }
  }
  expect(missing).toEqual([]);
});

test("no text is of a parameter that is gone", () => {
  const known = new Set(all.flatMap((c) => c.parameters.map((p) => `${c.type}.${p.name}`)));
  const kept = Object.entries(contract.parameters).flatMap(([type, texts]) => Object.keys(texts).map((name) => `${type}.${name}`));
  expect(kept.filter((name) => !known.has(name))).toEqual([]);
});

test("a contract without texts stays as the hub says it", () => {
  const raw = { type: "X", description: "Things", version: "1", parameters: readContracts(vectors.cloud)[0]?.parameters.slice(0, 1) ?? [] };
  expect(translate({ ...raw, parameters: [...raw.parameters] }, contract)).toMatchObject({
    description: "Things",
    parameters: [{ label: "Provider" }],
  });
});
