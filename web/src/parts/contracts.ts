import { useQuery } from "@tanstack/react-query";
import type { ApiError } from "../api/client.ts";
import { type ParameterPartsFragment, PluginsDocument, type PluginsQuery } from "../api/generated.ts";
import { useAsk } from "../app/hub.tsx";
import { type Key, type Language, type Text, useText } from "../i18n/text.tsx";

/** A kind of transfer, with its texts in the language of the console. */
export interface Plugin {
  type: string;
  description: string;
  version: string;
  parameters: ParameterPartsFragment[];
  /** The name of a group of parameters. */
  groupName(group: string): string;
  /** What changing a parameter on a running task does. */
  effect(onUpdate: string): string;
}

/** Texts of contracts in a language that the hub does not speak. What is missing stays as the hub says it. */
export interface ContractTexts {
  groups: Record<string, string>;
  effects: Record<string, string>;
  descriptions: Record<string, string>;
  /** By type of plugin, then by name of the parameter. */
  parameters: Record<string, Record<string, ParameterTexts>>;
}

export interface ParameterTexts {
  label: string;
  help: string;
  /** What is allowed, where the contract says it in words. */
  rule?: string;
}

type Raw = PluginsQuery["plugins"][number];

/** Puts the texts of a language into a plugin; without any it stays in English. */
export function translate(raw: Raw, texts: ContractTexts | undefined): Plugin {
  return {
    type: raw.type,
    version: raw.version,
    description: texts?.descriptions[raw.type] ?? raw.description,
    groupName: (group) => texts?.groups[group] ?? group,
    effect: (onUpdate) => texts?.effects[onUpdate] ?? onUpdate,
    parameters: raw.parameters.map((p) => {
      const found = texts?.parameters[raw.type]?.[p.name];
      return found ? { ...p, label: found.label, help: found.help, rule: (p.rule && found.rule) ?? p.rule } : p;
    }),
  };
}

async function loadTexts(language: Language): Promise<ContractTexts | null> {
  return language === "zh-CN" ? (await import("../i18n/zh/contract.ts")).contract : null;
}

/** The plugins of the hub; undefined while they are being asked for. */
export function usePlugins(): { plugins: Plugin[] | undefined; error: ApiError | null; retry: () => void } {
  const { language } = useText();
  const asked = useAsk(PluginsDocument, {});
  const texts = useQuery({ queryKey: ["contract", language], queryFn: () => loadTexts(language), staleTime: Number.POSITIVE_INFINITY });
  const ready = asked.data && texts.data !== undefined;
  return {
    plugins: ready ? asked.data.plugins.map((p) => translate(p, texts.data ?? undefined)) : undefined,
    error: asked.data ? null : asked.error,
    retry: () => void asked.refetch(),
  };
}

/** The name of a value that a parameter can have. Names of protocols, classes and the like are the same everywhere. */
export function choiceName(value: string, text: Text): string {
  return (text(`choice.${value}` as Key) as string | undefined) ?? value;
}

/** A value of a parameter in words. "": nothing. */
export function valueText(parameter: Pick<ParameterPartsFragment, "type">, value: string, text: Text): string {
  if (parameter.type === "bool" && value !== "") return value === "true" ? text("field.on") : text("field.off");
  if (parameter.type === "choice") return choiceName(value, text);
  if (parameter.type === "percent" && value !== "") return `${value.replace(/%$/, "")} %`;
  return value;
}
