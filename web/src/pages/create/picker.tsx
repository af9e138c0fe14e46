import Autosuggest, { type AutosuggestProps } from "@cloudscape-design/components/autosuggest";
import SpaceBetween from "@cloudscape-design/components/space-between";
import TokenGroup from "@cloudscape-design/components/token-group";
import { useState } from "react";
import type { Operation } from "../../api/client.ts";
import {
  BucketsDocument,
  type BucketsQuery,
  KmsKeysDocument,
  RegionsDocument,
  SecretsDocument,
  SubnetsDocument,
  VpcsDocument,
} from "../../api/generated.ts";
import { useAsk } from "../../app/hub.tsx";
import { useText } from "../../i18n/text.tsx";
import { listOf } from "./values.ts";

type Ask = Operation<BucketsQuery, { search?: string | null; vpc?: string }>;

/** What the hub can list. */
const kinds = {
  buckets: BucketsDocument,
  secrets: SecretsDocument,
  kmsKeys: KmsKeysDocument,
  vpcs: VpcsDocument,
  subnets: SubnetsDocument,
  regions: RegionsDocument,
} as unknown as Record<Kind, Ask>;
type Kind = "buckets" | "secrets" | "kmsKeys" | "vpcs" | "subnets" | "regions";

/** What the hub can list for a parameter; undefined: it is typed. */
export function pickerOf(name: string): Kind | undefined {
  if (/Bucket$/.test(name)) return "buckets";
  if (/Credentials?$/.test(name)) return "secrets";
  if (/KmsKeyId$/.test(name)) return "kmsKeys";
  if (/VpcId$/.test(name)) return "vpcs";
  if (/Subnets$|Subnet[A-Z]$/.test(name)) return "subnets";
  if (/Region$/.test(name)) return "regions";
  return undefined;
}

interface Props {
  kind: Kind;
  value: string;
  placeholder?: string;
  /** Of the subnets. */
  vpc: string;
  onChange: (value: string) => void;
}

/** A field with what the hub knows, which is asked for when somebody looks. Anything else can be typed. */
export function Picker(props: Props) {
  const { onChange, value } = props;
  const suggestions = useSuggestions(props.kind, props.vpc, value);
  return <Autosuggest {...suggestions} value={value} placeholder={props.placeholder} onChange={(e) => onChange(e.detail.value)} />;
}

/** A field for several of what the hub knows. */
export function ListPicker(props: Props) {
  const text = useText();
  const [typed, setTyped] = useState("");
  const chosen = listOf(props.value);
  const suggestions = useSuggestions(props.kind, props.vpc, typed);
  const add = (value: string) => {
    setTyped("");
    props.onChange([...new Set([...chosen, ...listOf(value)])].join(", "));
  };
  return (
    <SpaceBetween size="xs">
      <Autosuggest
        {...suggestions}
        value={typed}
        placeholder={text("picker.add")}
        onChange={(e) => setTyped(e.detail.value)}
        onSelect={(e) => add(e.detail.value)}
        onBlur={() => add(typed)}
      />
      {chosen.length > 0 && (
        <TokenGroup
          items={chosen.map((label) => ({ label, dismissLabel: text("field.remove", { value: label }) }))}
          onDismiss={(e) => props.onChange(chosen.filter((_, i) => i !== e.detail.itemIndex).join(", "))}
        />
      )}
    </SpaceBetween>
  );
}

function useSuggestions(kind: Kind, vpc: string, value: string): Omit<AutosuggestProps, "value" | "onChange"> {
  const text = useText();
  const [search, setSearch] = useState<string>();
  const open = search !== undefined && (kind !== "subnets" || vpc !== "");
  const variables = { search: search || null, ...(kind === "subnets" ? { vpc } : {}) };
  const asked = useAsk(kinds[kind], variables, { enabled: open, keep: true });
  const picks = asked.data?.picks;
  const nodes = picks?.nodes ?? [];
  const status = !open ? "finished" : asked.error ? "error" : asked.isFetching && !asked.data ? "loading" : "finished";
  return {
    options: nodes.map((p) => ({ value: p.value, label: p.label === p.value ? undefined : p.label, description: p.note ?? undefined })),
    filteringType: "manual",
    // A value that was chosen is no search: all are shown again.
    onLoadItems: (e) => setSearch(nodes.some((n) => n.value === e.detail.filteringText) ? "" : e.detail.filteringText),
    statusType: status,
    loadingText: text("picker.loading"),
    errorText: text("picker.failed"),
    recoveryText: text("error.retry"),
    finishedText: picks?.pageInfo.hasNextPage ? text("picker.more") : undefined,
    empty: value === "" ? text("picker.empty") : undefined,
    enteredTextLabel: (typed) => text("picker.use", { value: typed }),
  };
}
