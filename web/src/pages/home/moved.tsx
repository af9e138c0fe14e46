import BarChart from "@cloudscape-design/components/bar-chart";
import Box from "@cloudscape-design/components/box";
import Container from "@cloudscape-design/components/container";
import Grid from "@cloudscape-design/components/grid";
import Header from "@cloudscape-design/components/header";
import SegmentedControl from "@cloudscape-design/components/segmented-control";
import { useMemo, useState } from "react";
import { HubMetricsDocument, type HubMetricsQuery, type MetricSet } from "../../api/generated.ts";
import { useAsk } from "../../app/hub.tsx";
import { bytes, count } from "../../format.ts";
import { type Language, useText } from "../../i18n/text.tsx";
import { byteScale, countScale, type Scale } from "../../parts/axis.ts";
import { Failure } from "../../parts/failure.tsx";
import { seriesName } from "../../parts/series.ts";
import { useNow } from "../../parts/time.tsx";

/** Seconds of a range, and of each of its bars. */
const ranges = { day: { all: 24 * 3600, bar: 3600 }, week: { all: 7 * 24 * 3600, bar: 6 * 3600 } };
type RangeName = keyof typeof ranges;

/** What all tasks together have moved, as charts. */
export default function Moved() {
  const text = useText();
  const [range, setRange] = useState<RangeName>("day");
  const choice = (
    <SegmentedControl
      label={text("home.range")}
      selectedId={range}
      onChange={(e) => setRange(e.detail.selectedId as RangeName)}
      options={(Object.keys(ranges) as RangeName[]).map((id) => ({ id, text: text(`home.range.${id}`) }))}
    />
  );
  return (
    <Grid gridDefinition={[{ colspan: { default: 12, xs: 6 } }, { colspan: { default: 12, xs: 6 } }]}>
      <Chart
        set="THROUGHPUT"
        title={text("home.bytes")}
        range={range}
        format={(n) => bytes(n, text.language)}
        scale={byteScale}
        actions={choice}
      />
      <Chart set="OBJECTS" title={text("home.objects")} range={range} format={(n) => count(n, text.language)} scale={countScale} />
    </Grid>
  );
}

interface ChartProps {
  set: MetricSet;
  title: string;
  range: RangeName;
  format: (n: number) => string;
  scale: (highest: number, language: Language) => Scale;
  actions?: React.ReactNode;
}

function Chart(props: ChartProps) {
  const text = useText();
  const { all, bar } = ranges[props.range];
  const window = useWindow(all, bar);
  const asked = useAsk(HubMetricsDocument, { set: props.set, ...window }, { every: 60, keep: true });
  const series = asked.data?.hubMetrics ?? [];
  // Failed objects were not moved; a task that tries one again and again counts it each time.
  const moved = series.filter((s) => s.name !== "failed").flatMap((s) => s.points);
  const total = moved.reduce((sum, p) => sum + p.value, 0);
  const nothing = asked.data && series.every((s) => s.points.every((p) => p.value === 0));
  const scale = props.scale(highest(series, window, bar), text.language);
  return (
    <Container
      fitHeight
      header={
        <Header actions={props.actions} description={asked.data && text("home.total", { total: props.format(total) })}>
          {props.title}
        </Header>
      }
    >
      {asked.error && !asked.data ? (
        <Failure error={asked.error} onRetry={() => void asked.refetch()} />
      ) : (
        <BarChart
          stackedBars
          series={(nothing ? [] : series).map((s) => ({
            title: seriesName(s.name, text),
            type: "bar",
            data: bars(s.points, window, bar).map(({ x, y }) => ({ x, y: y / scale.factor })),
            valueFormatter: (n: number) => props.format(n * scale.factor),
          }))}
          yDomain={[0, scale.top]}
          xScaleType="categorical"
          i18nStrings={{ xTickFormatter: (at) => tick(at, props.range, text.language), yTickFormatter: scale.tick }}
          statusType={asked.data ? "finished" : "loading"}
          empty={<Box textAlign="center">{text("home.chart.none")}</Box>}
          ariaLabel={props.title}
          xTitle={text("home.chart.time")}
          height={180}
          hideFilter
          hideLegend={series.length < 2}
        />
      )}
    </Container>
  );
}

interface Window {
  from: string;
  to: string;
}

/** The last so many seconds, in whole bars, moving on with each. */
function useWindow(seconds: number, bar: number): Window {
  const last = Math.floor(useNow(30).getTime() / 1000 / bar);
  return useMemo(() => {
    const to = (last + 1) * bar;
    return { from: new Date((to - seconds) * 1000).toISOString(), to: new Date(to * 1000).toISOString() };
  }, [last, bar, seconds]);
}

type Point = HubMetricsQuery["hubMetrics"][number]["points"][number];

/** Sums measurements into bars of so many seconds; one without any is 0. The x of a bar is when it begins. */
export function bars(points: Point[], window: Window, bar: number): { x: Date; y: number }[] {
  const from = new Date(window.from).getTime();
  const n = Math.round((new Date(window.to).getTime() - from) / 1000 / bar);
  const all = Array.from({ length: n }, (_, i) => ({ x: new Date(from + i * bar * 1000), y: 0 }));
  for (const p of points) {
    const at = all[Math.floor((new Date(p.at).getTime() - from) / 1000 / bar)];
    if (at) at.y += p.value;
  }
  return all;
}

function highest(all: { points: Point[] }[], window: Window, bar: number): number {
  return Math.max(
    0,
    ...bars(
      all.flatMap((s) => s.points),
      window,
      bar,
    ).map((b) => b.y),
  );
}

function tick(at: Date, range: RangeName, language: string): string {
  const form: Intl.DateTimeFormatOptions = range === "day" ? { hour: "2-digit", minute: "2-digit" } : { month: "short", day: "numeric" };
  return new Intl.DateTimeFormat(language, form).format(at);
}
