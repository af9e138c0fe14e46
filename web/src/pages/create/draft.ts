import { useEffect, useMemo, useState } from "react";
import type { ApiError } from "../../api/client.ts";
import { type PolicyPartsFragment, ValidateDocument, type WholeFragment } from "../../api/generated.ts";
import { useAsk } from "../../app/hub.tsx";
import { useText } from "../../i18n/text.tsx";
import type { Plugin } from "../../parts/contracts.ts";
import { check, checkFrame, type Frame } from "./check.ts";
import { type Step, stepOfField } from "./steps.ts";
import { toEntries, toValues, type Values } from "./values.ts";

/** What is entered in the wizard. */
export interface Draft extends Frame {
  type: string;
  /** By name of the parameter; what nobody has given is not in it. */
  given: Values;
  /** Take the newest version of the plugin. */
  upgrade: boolean;
}

/** A task as a draft that can be changed. */
export function draftOf(task: Pick<WholeFragment, "name" | "description" | "type" | "labels" | "parameters">): Draft {
  const { name, description, type, labels } = task;
  return { name, description, type, labels, given: toValues(task.parameters), upgrade: false };
}

/** A fault at a field, in words. */
export interface Wrong {
  field: string;
  step: Step;
  message: string;
  /** The hub says so: it knows what the console does not. */
  there?: boolean;
}

/** What is known of a draft. */
export interface Verdict {
  wrong: Wrong[];
  /** What the owners of both ends have to allow; undefined: not known yet. */
  policies: PolicyPartsFragment[] | undefined;
  /** The hub is being asked. */
  checking: boolean;
  /** The hub could not say. */
  error: ApiError | undefined;
  /** The parameters, as they would be sent. */
  entries: { name: string; value: string }[];
}

/** Checks a draft: here as people type, and by the hub when nothing is wrong here. `before` are the values of a task that is there. */
export function useVerdict(draft: Draft, plugin: Plugin, before: Values): Verdict {
  const text = useText();
  const entries = useMemo(() => toEntries(plugin, draft.given, before), [plugin, draft.given, before]);
  const found = useMemo(() => [...checkFrame(draft), ...check(plugin, draft.given)], [draft, plugin]);
  const input = useSettled(
    JSON.stringify({
      name: draft.name,
      description: draft.description,
      type: draft.type,
      labels: draft.labels,
      parameters: entries,
    }),
  );
  const asked = useAsk(ValidateDocument, { input: JSON.parse(input.value) }, { enabled: found.length === 0 && input.settled });
  const here = found.map((p) => ({ ...place(p.field, plugin), message: text(p.key, p.values) }));
  const current = found.length === 0 && input.settled;
  const faults = current && asked.error?.code === "INVALID" ? asked.error.faults : [];
  const there = faults.map((f) => ({ ...place(f.field.replace(/^parameters\./, ""), plugin), message: f.message, there: true }));
  return {
    wrong: [...here, ...there],
    policies: current ? asked.data?.validateTask : undefined,
    checking: found.length === 0 && (!input.settled || asked.isFetching),
    error: current && asked.error && faults.length === 0 ? asked.error : undefined,
    entries,
  };
}

function place(field: string, plugin: Plugin): { field: string; step: Step } {
  return { field, step: stepOfField(plugin, field) };
}

/** A value that has not changed for a moment: nobody is asked at each key. */
function useSettled(value: string): { value: string; settled: boolean } {
  const [kept, setKept] = useState(value);
  useEffect(() => {
    const timer = window.setTimeout(() => setKept(value), 400);
    return () => window.clearTimeout(timer);
  }, [value]);
  return { value: kept, settled: kept === value };
}
