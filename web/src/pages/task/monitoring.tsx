import Box from "@cloudscape-design/components/box";
import Container from "@cloudscape-design/components/container";
import Grid from "@cloudscape-design/components/grid";
import Header from "@cloudscape-design/components/header";
import LineChart from "@cloudscape-design/components/line-chart";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useMemo } from "react";
import { type MetricSet, TaskMetricsDocument } from "../../api/generated.ts";
import { useAbout, useAsk } from "../../app/hub.tsx";
import { bytes, duration, localTime, short } from "../../format.ts";
import { type Language, useText } from "../../i18n/text.tsx";
import { Empty, Failure } from "../../parts/failure.tsx";
import { seriesName } from "../../parts/series.ts";
import { useNow } from "../../parts/time.tsx";
import { type Axis, axesOf, perSecond, topOf } from "./lines.ts";
import { type Span, spanOf } from "./range.ts";
import { RangePicker, useRange } from "./rangepicker.tsx";
import type { TabProps } from "./task.tsx";

const sets: readonly MetricSet[] = ["THROUGHPUT", "OBJECTS", "FAILURES", "BACKLOG", "INSTANCES"];

/** Charts of a task over one time, which all of them show. */
export default function Monitoring(props: TabProps) {
  const [range, setRange] = useRange("1h");
  const minute = Math.floor(useNow(30).getTime() / 60_000);
  const { type } = range;
  const key = JSON.stringify(range);
  // A range that ends now moves on each minute; others stay.
  const until = type === "absolute" ? 0 : (minute + 1) * 60_000;
  const span = useMemo(() => spanOf(JSON.parse(key), until), [key, until]);
  return (
    <SpaceBetween size="l">
      <RangePicker range={range} onChange={setRange} />
      <Grid gridDefinition={sets.map(() => ({ colspan: { default: 12, xs: 6 } }))}>
        {sets.map((set) => (
          <Chart key={set} id={props.task.id} set={set} span={span} />
        ))}
      </Grid>
    </SpaceBetween>
  );
}

function Chart(props: { id: string; set: MetricSet; span: Span }) {
  const text = useText();
  const { set, span } = props;
  const asked = useAsk(TaskMetricsDocument, { id: props.id, set, ...span }, { keep: true });
  const series = asked.data?.taskMetrics ?? [];
  const axes = axesOf(set === "THROUGHPUT" ? perSecond(series) : series);
  const step = series[0]?.step;
  return (
    <Container
      fitHeight
      header={
        <Header variant="h2" description={step && text(`task.monitoring.${perStep(set)}`, { step: duration(step, text.language) })}>
          {text(`task.monitoring.${set}`)}
        </Header>
      }
    >
      {asked.error && !asked.data ? (
        <Failure error={asked.error} onRetry={() => void asked.refetch()} />
      ) : axes.length === 0 && asked.data ? (
        <Nothing set={set} />
      ) : (
        (axes.length === 0 ? [{ unit: "", series: [] }] : axes).map((axis) => (
          <Lines key={axis.unit} set={set} axis={axis} span={span} loading={!asked.data} />
        ))
      )}
    </Container>
  );
}

/** Gauges are told by their means, all else is counted. */
function perStep(set: MetricSet): "mean" | "perStep" {
  return set === "OBJECTS" || set === "FAILURES" ? "perStep" : "mean";
}

/** Says why there is nothing, where that is known: one machine has no instances, and no messages that grow old. */
function Nothing(props: { set: MetricSet }) {
  const text = useText();
  const { local } = useAbout();
  const { set } = props;
  const never = local && (set === "BACKLOG" || set === "INSTANCES");
  return <Empty title={text("task.monitoring.none")} text={never ? text(`task.monitoring.${set}.local`) : undefined} />;
}

function Lines(props: { set: MetricSet; axis: Axis; span: Span; loading: boolean }) {
  const text = useText();
  const { set, axis, span } = props;
  const write = writer(set, axis.unit, text.language);
  const days = Date.parse(span.to) - Date.parse(span.from) > 2 * 86_400_000;
  const title = axis.unit === "Seconds" ? text("task.monitoring.age") : text(`task.monitoring.${set}`);
  return (
    <LineChart
      series={axis.series.map((s) => ({
        title: seriesName(s.name, text),
        type: "line",
        data: s.points.map((p) => ({ x: new Date(p.at), y: p.value })),
        valueFormatter: write,
      }))}
      xDomain={[new Date(span.from), new Date(span.to)]}
      yDomain={[0, topOf(axis.series)]}
      xScaleType="time"
      i18nStrings={{ xTickFormatter: (at) => tick(at, days, text.language), yTickFormatter: write }}
      detailPopoverSeriesContent={({ series, y }) => ({ key: series.title, value: write(y) })}
      detailPopoverFooter={(at) => <Box fontSize="body-s">{localTime(at as Date, text.language)}</Box>}
      statusType={props.loading ? "loading" : "finished"}
      loadingText={text("list.loading")}
      ariaLabel={title}
      height={180}
      hideFilter
    />
  );
}

/** Writes values of a unit. */
function writer(set: MetricSet, unit: string, language: Language): (n: number) => string {
  if (set === "THROUGHPUT") return (n) => `${bytes(n, language)}/s`;
  if (unit === "Bytes") return (n) => bytes(n, language);
  if (unit === "Seconds") return (n) => duration(n, language);
  return (n) => short(n, language);
}

function tick(at: Date, days: boolean, language: Language): string {
  const form: Intl.DateTimeFormatOptions = days ? { month: "short", day: "numeric" } : { hour: "2-digit", minute: "2-digit" };
  return new Intl.DateTimeFormat(language, form).format(at);
}
