import Box from "@cloudscape-design/components/box";
import Container from "@cloudscape-design/components/container";
import DateRangePicker, { type DateRangePickerProps } from "@cloudscape-design/components/date-range-picker";
import FormField from "@cloudscape-design/components/form-field";
import Grid from "@cloudscape-design/components/grid";
import Header from "@cloudscape-design/components/header";
import LineChart from "@cloudscape-design/components/line-chart";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useMemo, useState } from "react";
import { type MetricSet, TaskMetricsDocument, type TaskMetricsQuery } from "../../api/generated.ts";
import { useAsk } from "../../app/hub.tsx";
import { bytes, duration, short } from "../../format.ts";
import { type Language, useText } from "../../i18n/text.tsx";
import { Failure } from "../../parts/failure.tsx";
import { seriesName } from "../../parts/series.ts";
import { useNow } from "../../parts/time.tsx";
import type { TabProps } from "./task.tsx";

type Range = DateRangePickerProps.Value;
type Series = TaskMetricsQuery["taskMetrics"][number];

const sets: readonly MetricSet[] = ["THROUGHPUT", "OBJECTS", "FAILURES", "BACKLOG", "INSTANCES"];
const relative: DateRangePickerProps.RelativeOption[] = [
  { key: "1h", amount: 1, unit: "hour", type: "relative" },
  { key: "6h", amount: 6, unit: "hour", type: "relative" },
  { key: "24h", amount: 24, unit: "hour", type: "relative" },
  { key: "7d", amount: 7, unit: "day", type: "relative" },
  { key: "30d", amount: 30, unit: "day", type: "relative" },
];
const units: Record<string, number> = { second: 1, minute: 60, hour: 3600, day: 86_400, week: 604_800, month: 2_592_000 };

/** The seconds of a range that ends now. */
function secondsOf(range: DateRangePickerProps.RelativeValue): number {
  return range.amount * (units[range.unit] ?? 3600);
}

/** Charts of a task over one time, which all of them show. */
export default function Monitoring(props: TabProps) {
  const text = useText();
  const [range, setRange] = useState<Range>(relative[0] as Range);
  const window = useWindow(range);
  return (
    <SpaceBetween size="l">
      <FormField label={text("task.monitoring.range")}>
        <DateRangePicker
          value={range}
          onChange={(e) => e.detail.value && setRange(e.detail.value)}
          relativeOptions={relative}
          isValidRange={(r) => ({ ...validity(r, text("task.monitoring.bad")) })}
          showClearButton={false}
          placeholder={text("task.monitoring.choose")}
          rangeSelectorMode="default"
        />
      </FormField>
      <Grid gridDefinition={sets.map(() => ({ colspan: { default: 12, xs: 6 } }))}>
        {sets.map((set) => (
          <Chart key={set} id={props.task.id} set={set} window={window} />
        ))}
      </Grid>
    </SpaceBetween>
  );
}

function validity(range: Range | null, message: string): DateRangePickerProps.ValidationResult {
  const bad: DateRangePickerProps.ValidationResult = { valid: false, errorMessage: message };
  if (!range) return bad;
  const seconds =
    range.type === "relative" ? secondsOf(range) : (new Date(range.endDate).getTime() - new Date(range.startDate).getTime()) / 1000;
  return seconds >= 60 && seconds <= 400 * 86_400 ? { valid: true } : bad;
}

interface Window {
  from: string;
  to: string;
}

/** The time of a range. One that ends now moves on each minute. */
function useWindow(range: Range): Window {
  const minute = Math.floor(useNow(30).getTime() / 60_000);
  return useMemo(() => {
    if (range.type === "absolute") return { from: new Date(range.startDate).toISOString(), to: new Date(range.endDate).toISOString() };
    const to = (minute + 1) * 60_000;
    return { from: new Date(to - secondsOf(range) * 1000).toISOString(), to: new Date(to).toISOString() };
  }, [range, minute]);
}

function Chart(props: { id: string; set: MetricSet; window: Window }) {
  const text = useText();
  const { set, window } = props;
  const asked = useAsk(TaskMetricsDocument, { id: props.id, set, ...window }, { keep: true });
  const series = asked.data?.taskMetrics ?? [];
  const step = series[0]?.step;
  const days = Date.parse(window.to) - Date.parse(window.from) > 2 * 86_400_000;
  return (
    <Container
      fitHeight
      header={
        <Header description={step && text("task.monitoring.perStep", { step: duration(step, text.language) })}>
          {text(`task.monitoring.${set}`)}
        </Header>
      }
    >
      {asked.error && !asked.data ? (
        <Failure error={asked.error} onRetry={() => void asked.refetch()} />
      ) : (
        <LineChart
          series={series.map((s) => ({
            title: seriesName(s.name, text),
            type: "line",
            data: s.points.map((p) => ({ x: new Date(p.at), y: p.value })),
            valueFormatter: formatter(s, text.language),
          }))}
          xDomain={[new Date(window.from), new Date(window.to)]}
          yDomain={[0, top(series)]}
          xScaleType="time"
          i18nStrings={{
            xTickFormatter: (at) => tick(at, days, text.language),
            yTickFormatter: formatter(series[0], text.language),
          }}
          statusType={asked.data ? "finished" : "loading"}
          empty={<Box textAlign="center">{text("task.monitoring.none")}</Box>}
          ariaLabel={text(`task.monitoring.${set}`)}
          height={200}
          hideFilter
        />
      )}
    </Container>
  );
}

function formatter(series: Series | undefined, language: Language): (n: number) => string {
  switch (series?.unit) {
    case "Bytes":
      return (n) => bytes(n, language);
    case "Seconds":
      return (n) => duration(n, language);
    default:
      return (n) => short(n, language);
  }
}

/** The end of the y axis: a little above the highest value, and never 0. */
function top(all: Series[]): number {
  return Math.max(1, ...all.flatMap((s) => s.points.map((p) => p.value))) * 1.1;
}

function tick(at: Date, days: boolean, language: Language): string {
  const form: Intl.DateTimeFormatOptions = days ? { month: "short", day: "numeric" } : { hour: "2-digit", minute: "2-digit" };
  return new Intl.DateTimeFormat(language, form).format(at);
}
