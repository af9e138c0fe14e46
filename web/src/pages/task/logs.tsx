import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import FormField from "@cloudscape-design/components/form-field";
import Grid from "@cloudscape-design/components/grid";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";
import Toggle from "@cloudscape-design/components/toggle";
import { useMemo, useState } from "react";
import { useSearchParams } from "react-router";
import { type LogSource, LogStreamsDocument, LogsDocument } from "../../api/generated.ts";
import { useAsk, useAskPages } from "../../app/hub.tsx";
import { useText } from "../../i18n/text.tsx";
import { download } from "../../parts/exports.ts";
import { Empty, Failure } from "../../parts/failure.tsx";
import { More } from "../../parts/more.tsx";
import { Time } from "../../parts/time.tsx";
import type { TabProps } from "./task.tsx";

const sources: readonly LogSource[] = ["FINDER", "WORKER", "CONTROLLER"];
const hours = ["1", "6", "24", "168", "720"] as const;
type Hours = (typeof hours)[number];

/** What is looked for. It stands in the address, so that a link leads to the lines of one object. */
interface Search {
  source: LogSource;
  stream: string;
  query: string;
  since: Hours;
}

function useSearch(): [Search, (change: Partial<Search>) => void] {
  const [address, setAddress] = useSearchParams();
  const search: Search = {
    source: sources.find((s) => s === address.get("source")) ?? "WORKER",
    stream: address.get("stream") ?? "",
    query: address.get("query") ?? "",
    since: hours.find((h) => h === address.get("since")) ?? "24",
  };
  return [search, (change) => setAddress({ ...search, ...change }, { replace: true })];
}

/** Lines that a task's programs wrote. */
export default function Logs(props: TabProps) {
  const text = useText();
  const [search, setSearch] = useSearch();
  const [follow, setFollow] = useState(false);
  const from = useSince(Number(search.since));
  const list = useAskPages(
    LogsDocument,
    {
      id: props.task.id,
      source: search.source,
      stream: search.stream || null,
      query: search.query || null,
      from,
      to: null,
      first: 100,
    },
    (a) => a.taskLogs,
    { every: follow ? 3 : false },
  );
  const lines = list.nodes.map((line, i) => ({ ...line, id: String(i), ...readLine(line.text) }));
  const save = () =>
    download(`${props.task.name}-${search.source.toLowerCase()}.log`, "text/plain", list.nodes.map((l) => l.text).join("\n"));
  if (list.asked.error && lines.length === 0) return <Failure error={list.asked.error} onRetry={() => void list.asked.refetch()} />;
  return (
    <Table
      variant="container"
      header={
        <Header
          variant="h2"
          actions={
            <SpaceBetween direction="horizontal" size="s" alignItems="center">
              <Toggle checked={follow} onChange={(e) => setFollow(e.detail.checked)}>
                {text("task.logs.follow")}
              </Toggle>
              <Button iconName="refresh" ariaLabel={text("action.refresh")} onClick={() => void list.asked.refetch()} />
              <Button iconName="download" disabled={lines.length === 0} onClick={save}>
                {text("action.download")}
              </Button>
            </SpaceBetween>
          }
        >
          {text("task.logs")}
        </Header>
      }
      filter={<SearchFields taskId={props.task.id} search={search} onChange={setSearch} />}
      items={lines}
      trackBy="id"
      loading={list.asked.isPending}
      loadingText={text("list.loading")}
      wrapLines
      contentDensity="compact"
      ariaLabels={{ tableLabel: text("task.logs") }}
      columnDefinitions={[
        { id: "at", header: text("task.logs.time"), cell: (l) => <Time at={l.at} />, width: 210 },
        { id: "text", header: text("task.logs.text"), cell: (l) => <Line message={l.message} fields={l.fields} />, isRowHeader: true },
      ]}
      empty={<Empty title={text("task.logs.empty")} text={text("task.logs.emptyText")} />}
      footer={list.more ? <More of={list} /> : lines.length > 0 && <Box textAlign="center">{text("task.logs.end")}</Box>}
    />
  );
}

/** The time so many hours ago, as it was when the page or the choice began: a list that moves on cannot be paged. */
function useSince(since: number): string {
  return useMemo(() => new Date(Date.now() - since * 3_600_000).toISOString(), [since]);
}

function SearchFields(props: { taskId: string; search: Search; onChange: (change: Partial<Search>) => void }) {
  const text = useText();
  const { search, onChange } = props;
  const [typed, setTyped] = useState(search.query);
  const streams = useAsk(LogStreamsDocument, { id: props.taskId, source: search.source, first: 50, after: null }, { every: 30 });
  const any = { value: "", label: text("task.logs.anyStream") };
  const streamOptions = [any, ...(streams.data?.taskLogStreams.nodes ?? []).map((s) => ({ value: s.name, label: s.name }))];
  const sourceOptions = sources.map((s) => ({ value: s, label: text(`task.logs.${s}`) }));
  const sinceOptions = hours.map((h) => ({ value: h, label: text(`task.logs.since.${h}`) }));
  const colspan = { default: 12, xxs: 6, xs: 2 };
  return (
    <Grid gridDefinition={[{ colspan: { default: 12, xs: 5 } }, { colspan }, { colspan: { default: 12, xxs: 6, xs: 3 } }, { colspan }]}>
      <FormField label={text("task.logs.query")}>
        <Input
          type="search"
          value={typed}
          onChange={(e) => {
            setTyped(e.detail.value);
            if (e.detail.value === "") onChange({ query: "" });
          }}
          onKeyDown={(e) => e.detail.key === "Enter" && onChange({ query: typed })}
          onBlur={() => typed !== search.query && onChange({ query: typed })}
        />
      </FormField>
      <FormField label={text("task.logs.source")}>
        <Select
          selectedOption={sourceOptions.find((o) => o.value === search.source) ?? null}
          options={sourceOptions}
          onChange={(e) => onChange({ source: e.detail.selectedOption.value as LogSource, stream: "" })}
        />
      </FormField>
      <FormField label={text("task.logs.stream")}>
        <Select
          selectedOption={streamOptions.find((o) => o.value === search.stream) ?? { value: search.stream, label: search.stream }}
          options={streamOptions}
          filteringType="auto"
          onChange={(e) => onChange({ stream: e.detail.selectedOption.value ?? "" })}
        />
      </FormField>
      <FormField label={text("task.logs.since")}>
        <Select
          selectedOption={sinceOptions.find((o) => o.value === search.since) ?? null}
          options={sinceOptions}
          onChange={(e) => onChange({ since: e.detail.selectedOption.value as Hours })}
        />
      </FormField>
    </Grid>
  );
}

/** What a line says, and its fields beside that. Programs write JSON with msg; what is not JSON is shown as it is. */
export function readLine(line: string): { message: string; fields: [string, string][] } {
  let document: unknown;
  try {
    document = JSON.parse(line);
  } catch {
    return { message: line, fields: [] };
  }
  if (typeof document !== "object" || document === null || Array.isArray(document)) return { message: line, fields: [] };
  const { msg, time: _time, ...rest } = document as Record<string, unknown>;
  const shown = (v: unknown) => (typeof v === "string" ? v : JSON.stringify(v));
  return { message: typeof msg === "string" ? msg : line, fields: Object.entries(rest).map(([name, v]) => [name, shown(v)]) };
}

function Line(props: { message: string; fields: [string, string][] }) {
  return (
    <Box variant="code">
      <Box variant="strong">{props.message}</Box>
      {props.fields.map(([name, value]) => ` ${name}=${value}`).join("")}
    </Box>
  );
}
