import AreaChart from "@cloudscape-design/components/area-chart";
import Box from "@cloudscape-design/components/box";
import Container from "@cloudscape-design/components/container";
import Grid from "@cloudscape-design/components/grid";
import Header from "@cloudscape-design/components/header";
import SegmentedControl from "@cloudscape-design/components/segmented-control";
import { useMemo, useState } from "react";
import { HubMetricsDocument, type HubMetricsQuery, type MetricSet } from "../../api/generated.ts";
import { useAsk } from "../../app/hub.tsx";
import { bytes, count, short } from "../../format.ts";
import { useText } from "../../i18n/text.tsx";
import { Failure } from "../../parts/failure.tsx";
import { seriesName } from "../../parts/series.ts";

const ranges = { day: 24 * 3600, week: 7 * 24 * 3600 };
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
    <Grid gridDefinition={[{ colspan: { default: 12, m: 6 } }, { colspan: { default: 12, m: 6 } }]}>
      <Chart set="THROUGHPUT" title={text("home.bytes")} range={range} format={(n) => bytes(n, text.language)} actions={choice} />
      <Chart set="OBJECTS" title={text("home.objects")} range={range} format={(n) => short(n, text.language)} whole />
    </Grid>
  );
}

interface ChartProps {
  set: MetricSet;
  title: string;
  range: RangeName;
  format: (n: number) => string;
  /** The total is written with all its digits. */
  whole?: boolean;
  actions?: React.ReactNode;
}

function Chart(props: ChartProps) {
  const text = useText();
  const window = useWindow(ranges[props.range]);
  const asked = useAsk(HubMetricsDocument, { set: props.set, ...window }, { keep: true });
  const series = asked.data?.hubMetrics ?? [];
  const total = series.reduce((sum, s) => sum + s.points.reduce((n, p) => n + p.value, 0), 0);
  const title = props.whole ? count(total, text.language) : props.format(total);
  return (
    <Container
      fitHeight
      header={
        <Header actions={props.actions} description={asked.data && text("home.total", { total: title })}>
          {props.title}
        </Header>
      }
    >
      {asked.error && !asked.data ? (
        <Failure error={asked.error} onRetry={() => void asked.refetch()} />
      ) : (
        <AreaChart
          series={series.map((s) => ({ title: seriesName(s.name, text), type: "area", data: points(s), valueFormatter: props.format }))}
          xDomain={[new Date(window.from), new Date(window.to)]}
          yDomain={[0, Math.max(1, highest(series) * 1.1)]}
          xScaleType="time"
          xTickFormatter={(at) => tick(at, props.range, text.language)}
          i18nStrings={{ yTickFormatter: props.format }}
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

/** The last so many seconds, in whole minutes and moving on with each of them. */
function useWindow(seconds: number): { from: string; to: string } {
  const minute = Math.floor(Date.now() / 60_000);
  return useMemo(() => {
    const to = minute * 60_000 + 60_000;
    return { from: new Date(to - seconds * 1000).toISOString(), to: new Date(to).toISOString() };
  }, [minute, seconds]);
}

type Series = HubMetricsQuery["hubMetrics"][number];

function points(series: Series): { x: Date; y: number }[] {
  return series.points.map((p) => ({ x: new Date(p.at), y: p.value }));
}

function highest(all: Series[]): number {
  const at = new Map<string, number>();
  for (const { points } of all) for (const p of points) at.set(p.at, (at.get(p.at) ?? 0) + p.value);
  return Math.max(0, ...at.values());
}

function tick(at: Date, range: RangeName, language: string): string {
  const form: Intl.DateTimeFormatOptions = range === "day" ? { hour: "2-digit", minute: "2-digit" } : { month: "short", day: "numeric" };
  return new Intl.DateTimeFormat(language, form).format(at);
}
