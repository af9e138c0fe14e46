import Box, { type BoxProps } from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import FormField from "@cloudscape-design/components/form-field";
import Grid from "@cloudscape-design/components/grid";
import Header from "@cloudscape-design/components/header";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";
import Toggle from "@cloudscape-design/components/toggle";
import { useMemo, useState } from "react";
import { type LogSource, LogStreamsDocument, LogsDocument } from "../../api/generated.ts";
import { useFlash } from "../../app/flash.tsx";
import { type Growing, useAskPages, useHub } from "../../app/hub.tsx";
import { useText } from "../../i18n/text.tsx";
import { download } from "../../parts/exports.ts";
import { Empty, Failure } from "../../parts/failure.tsx";
import { More } from "../../parts/more.tsx";
import { Time } from "../../parts/time.tsx";
import { allLines, type LogChoice, type LogLine, useFollow } from "./follow.ts";
import { type Range, type Span, spanOf } from "./range.ts";
import { RangePicker, useAddress, useRange } from "./rangepicker.tsx";
import { Settled } from "./settled.tsx";
import type { TabProps } from "./task.tsx";

const sources: readonly LogSource[] = ["FINDER", "WORKER", "CONTROLLER"];

/** A download holds so many lines at most: a browser keeps them all at once. */
const mostLines = 20_000;

/** What is looked for. It stands in the address, so that a link leads to the lines of one object. */
interface Search {
  source: LogSource;
  stream: string;
  query: string;
}

/** Lines that a task's programs wrote. */
export default function Logs(props: TabProps) {
  const text = useText();
  const { task } = props;
  const [address, change] = useAddress();
  const [range, setRange] = useRange("24h");
  const [follow, setFollow] = useState(false);
  const search: Search = {
    source: sources.find((s) => s === address.get("source")) ?? "WORKER",
    stream: address.get("stream") ?? "",
    query: address.get("query") ?? "",
  };
  const choice = { id: task.id, source: search.source, stream: search.stream || null, query: search.query || null };
  const [span, look] = useSpan(range);
  const list = useAskPages(LogsDocument, { ...choice, ...span, first: 100 }, (a) => a.taskLogs, { enabled: !follow });
  const followed = useFollow(follow, choice);
  // What is followed shows the newest first: nobody has to scroll after it.
  const found: readonly LogLine[] = followed ? [...followed.lines].reverse() : list.nodes;
  const error = followed ? followed.error : list.asked.error;
  const lines = found.map((line, i) => ({ ...line, id: String(i), ...readLine(line.text) }));
  return (
    <Table
      variant="container"
      header={
        <LogHeader
          follow={follow}
          onFollow={setFollow}
          onRefresh={look}
          lines={found.length}
          name={`${task.name}-${search.source.toLowerCase()}`}
          // What is followed ends when somebody asks for the file.
          choice={{ ...choice, ...(followed ? { from: followed.since, to: null } : span) }}
        />
      }
      filter={
        <SpaceBetween size="s">
          <SearchFields taskId={task.id} search={search} onChange={change} />
          <RangePicker range={range} onChange={setRange} disabled={follow} />
          {error && <Failure error={error} onRetry={followed ? undefined : () => void list.asked.refetch()} />}
        </SpaceBetween>
      }
      items={lines}
      trackBy="id"
      loading={!follow && list.asked.isPending}
      loadingText={text("list.loading")}
      wrapLines
      contentDensity="compact"
      ariaLabels={{ tableLabel: text("task.logs") }}
      columnDefinitions={[
        { id: "at", header: text("task.logs.time"), cell: (l) => <Time at={l.at} />, width: 210 },
        { id: "text", header: text("task.logs.text"), cell: (l) => <Line of={l} />, isRowHeader: true },
      ]}
      empty={!error && <Empty title={text("task.logs.empty")} text={text(follow ? "task.logs.waiting" : "task.logs.emptyText")} />}
      footer={<LogFooter list={list} follow={follow} lines={lines.length} />}
    />
  );
}

/** The times of a range as they were when it was chosen or asked for anew: a list that moves on cannot be paged. */
function useSpan(range: Range): [Span, () => void] {
  const [now, setNow] = useState(Date.now);
  const key = JSON.stringify(range);
  const span = useMemo(() => spanOf(JSON.parse(key), now), [key, now]);
  return [span, () => setNow(Date.now())];
}

function LogFooter(props: { list: Growing<LogLine>; follow: boolean; lines: number }) {
  const text = useText();
  const { list, follow, lines } = props;
  if (follow) return <Box textAlign="center">{text("task.logs.following")}</Box>;
  if (list.more) return <More of={list} />;
  return lines > 0 && <Box textAlign="center">{text("task.logs.end")}</Box>;
}

interface LogHeaderProps {
  follow: boolean;
  onFollow: (follow: boolean) => void;
  onRefresh: () => void;
  lines: number;
  /** Of the file that is kept. */
  name: string;
  choice: LogChoice & { from: string; to: string | null };
}

function LogHeader(props: LogHeaderProps) {
  const text = useText();
  const flash = useFlash();
  const { client } = useHub();
  const [saving, setSaving] = useState(false);
  const save = async () => {
    setSaving(true);
    try {
      const { lines, cut } = await allLines(client, props.choice, mostLines);
      download(`${props.name}.log`, "text/plain", lines.map((l) => `${l.text}\n`).join(""));
      if (cut) flash.info(text("task.logs.cut", { count: lines.length }));
    } catch (error) {
      flash.failure(text("task.logs.notSaved"), error);
    }
    setSaving(false);
  };
  const actions = (
    <SpaceBetween direction="horizontal" size="s" alignItems="center">
      <Toggle checked={props.follow} onChange={(e) => props.onFollow(e.detail.checked)}>
        {text("task.logs.follow")}
      </Toggle>
      <Button
        iconName="refresh"
        ariaLabel={text("action.refresh")}
        disabled={props.follow}
        disabledReason={text("task.logs.following")}
        onClick={props.onRefresh}
      />
      <Button
        iconName="download"
        disabled={props.lines === 0}
        disabledReason={text("task.logs.empty")}
        loading={saving}
        onClick={() => void save()}
      >
        {text("action.download")}
      </Button>
    </SpaceBetween>
  );
  return (
    <Header variant="h2" actions={actions} description={text("task.logs.about")}>
      {text("task.logs")}
    </Header>
  );
}

function SearchFields(props: { taskId: string; search: Search; onChange: (change: Partial<Search>) => void }) {
  const text = useText();
  const { search, onChange } = props;
  const streams = useAskPages(LogStreamsDocument, { id: props.taskId, source: search.source, first: 50 }, (a) => a.taskLogStreams, {
    every: 30,
  });
  const any = { value: "", label: text("task.logs.anyStream") };
  const streamOptions = [any, ...streams.nodes.map((s) => ({ value: s.name, label: s.name }))];
  const sourceOptions = sources.map((s) => ({ value: s, label: text(`task.logs.${s}`) }));
  const colspan = { default: 12, xxs: 6, xs: 3 };
  return (
    <Grid gridDefinition={[{ colspan: { default: 12, xs: 6 } }, { colspan }, { colspan }]}>
      <FormField label={text("task.logs.query")} stretch>
        <Settled value={search.query} onSettle={(query) => onChange({ query })} />
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
          // The next page comes when somebody scrolls to the end of this one.
          statusType={streams.asked.isFetchingNextPage ? "loading" : streams.asked.error ? "error" : streams.more ? "pending" : "finished"}
          loadingText={text("list.loading")}
          errorText={text("error.title")}
          recoveryText={text("error.retry")}
          onLoadItems={(e) => !e.detail.firstPage && streams.more && streams.loadMore()}
          onChange={(e) => onChange({ stream: e.detail.selectedOption.value ?? "" })}
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

const colors: Record<string, BoxProps.Color> = { ERROR: "text-status-error", WARN: "text-status-warning" };

function Line(props: { of: { message: string; fields: [string, string][] } }) {
  const { message, fields } = props.of;
  const level = fields.find(([name]) => name === "level")?.[1] ?? "";
  return (
    <span className="value">
      <Box variant="code">
        <Box variant="strong" color={colors[level]}>
          {message}
        </Box>
        {fields.map(([name, value]) => ` ${name}=${value}`).join("")}
      </Box>
    </span>
  );
}
