import { keepPreviousData, useQuery } from "@tanstack/react-query";
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

/**
 * Puts the texts of a language into a plugin; without any it stays in English. A value that a help names, such as S3_Compatible, is
 * called there as it is where it is chosen.
 */
export function translate(raw: Raw, texts: ContractTexts | undefined, nameOf: (value: string) => string = (v) => v): Plugin {
  const named = (help: string) => help.replace(/\b[A-Z]\w*_\w+\b/g, nameOf);
  return {
    type: raw.type,
    version: raw.version,
    description: texts?.descriptions[raw.type] ?? raw.description,
    groupName: (group) => texts?.groups[group] ?? group,
    effect: (onUpdate) => texts?.effects[onUpdate] ?? onUpdate,
    parameters: raw.parameters.map((p) => {
      const found = texts?.parameters[raw.type]?.[p.name];
      const rule = (p.rule && found?.rule) ?? p.rule;
      return { ...p, label: found?.label ?? p.label, help: named(found?.help ?? p.help), rule };
    }),
  };
}

async function loadTexts(language: Language): Promise<ContractTexts | null> {
  return language === "zh-CN" ? (await import("../i18n/zh/contract.ts")).contract : null;
}

/** The plugins of the hub; undefined while they are being asked for. */
export function usePlugins(): { plugins: Plugin[] | undefined; error: ApiError | null; retry: () => void } {
  const text = useText();
  const { language } = text;
  const asked = useAsk(PluginsDocument, {});
  const texts = useQuery({
    queryKey: ["contract", language],
    queryFn: () => loadTexts(language),
    staleTime: Number.POSITIVE_INFINITY,
    // Forms stay while another language is brought, and when it cannot be: what was entered is not taken away.
    placeholderData: keepPreviousData,
  });
  const ready = asked.data && (texts.data !== undefined || texts.isError);
  return {
    plugins: ready ? asked.data.plugins.map((p) => translate(p, texts.data ?? undefined, (v) => quotedName(v, text))) : undefined,
    error: asked.data ? null : asked.error,
    retry: () => void asked.refetch(),
  };
}

/** The name of a value that a parameter can have. Names of protocols, classes and the like are the same everywhere. */
export function choiceName(value: string, text: Text): string {
  return (text(`choice.${value}` as Key) as string | undefined) ?? value;
}

/** The name of a value, marked as one where it stands in a sentence. */
function quotedName(value: string, text: Text): string {
  const name = choiceName(value, text);
  return name === value ? value : text("field.quoted", { name });
}

/** A value of a parameter in words. "": nothing. */
export function valueText(parameter: Pick<ParameterPartsFragment, "type">, value: string, text: Text): string {
  if (parameter.type === "bool" && value !== "") return value === "true" ? text("field.on") : text("field.off");
  if (parameter.type === "choice") return choiceName(value, text);
  if (parameter.type === "percent" && value !== "") return `${value.replace(/%$/, "")} %`;
  return value;
}
