import Box from "@cloudscape-design/components/box";
import Container from "@cloudscape-design/components/container";
import Grid from "@cloudscape-design/components/grid";
import Header from "@cloudscape-design/components/header";
import LineChart from "@cloudscape-design/components/line-chart";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { type Dispatch, type SetStateAction, useEffect, useMemo, useState } from "react";
import { type MetricSet, TaskMetricsDocument } from "../../api/generated.ts";
import { useAbout, useAsk } from "../../app/hub.tsx";
import { bytes, count, duration, localTime } from "../../format.ts";
import { type Language, type Text, useText } from "../../i18n/text.tsx";
import { byteScale, countScale, type Scale } from "../../parts/axis.ts";
import { Empty, Failure } from "../../parts/failure.tsx";
import { seriesName } from "../../parts/series.ts";
import { useNow } from "../../parts/time.tsx";
import { type Axis, axesOf, highestOf, perSecond, valueAt } from "./lines.ts";
import { type Span, spanOf } from "./range.ts";
import { RangePicker, useRange } from "./rangepicker.tsx";
import type { TabProps, WholeTask } from "./task.tsx";

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
  const [pointed, setPointed] = useState<Pointed>();
  const text = useText();
  return (
    <SpaceBetween size="l">
      <SpaceBetween size="xs">
        <RangePicker range={range} onChange={setRange} />
        <Box color="text-body-secondary" fontSize="body-s">
          {text("task.monitoring.shared")}
        </Box>
      </SpaceBetween>
      <Grid gridDefinition={sets.map(() => ({ colspan: { default: 12, xs: 6 } }))}>
        {sets.map((set) => (
          <Chart key={set} task={props.task} set={set} span={span} pointed={pointed} onPoint={setPointed} />
        ))}
      </Grid>
    </SpaceBetween>
  );
}

/** An instant that somebody points at in one of the charts: by the mouse, by a finger or by the arrow keys. */
interface Pointed {
  at: number;
  /** The chart, by its name: it marks the instant itself. */
  by: string;
}

/** What is pointed at, and what tells of it; undefined: nothing is. */
interface Pointing {
  pointed: Pointed | undefined;
  onPoint: Dispatch<SetStateAction<Pointed | undefined>>;
}

function Chart(props: Pointing & { task: WholeTask; set: MetricSet; span: Span }) {
  const text = useText();
  const { task, set, span } = props;
  const asked = useAsk(TaskMetricsDocument, { id: task.id, set, ...span }, { keep: true });
  const series = asked.data?.taskMetrics ?? [];
  const axes = axesOf(set === "THROUGHPUT" ? perSecond(series) : series);
  const step = series[0]?.step;
  return (
    <Container
      fitHeight
      header={
        <Header variant="h2" description={step && text(`task.monitoring.${perStep(set)}`, { step: duration(step, text.language) })}>
          {titleOf(set, task, text)}
        </Header>
      }
    >
      {asked.error && !asked.data ? (
        <Failure error={asked.error} onRetry={() => void asked.refetch()} />
      ) : axes.length === 0 && asked.data ? (
        <Nothing set={set} />
      ) : (
        (axes.length === 0 ? [{ unit: "", series: [] }] : axes).map((axis) => (
          <Lines
            key={axis.unit}
            set={set}
            axis={axis}
            span={span}
            title={axis.unit === "Seconds" ? text("task.monitoring.age") : titleOf(set, task, text)}
            loading={!asked.data}
            pointed={props.pointed}
            onPoint={props.onPoint}
          />
        ))
      )}
    </Container>
  );
}

function titleOf(set: MetricSet, task: WholeTask, text: Text): string {
  const ofImages = task.type === "ECR" && (set === "OBJECTS" || set === "FAILURES");
  return text(ofImages ? `task.monitoring.${set}.images` : `task.monitoring.${set}`);
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

interface LinesProps extends Pointing {
  set: MetricSet;
  axis: Axis;
  span: Span;
  title: string;
  loading: boolean;
}

function Lines(props: LinesProps) {
  const text = useText();
  const { set, axis, span, title, pointed, onPoint } = props;
  const scale = scaleOf(set, axis, text.language);
  const write = writer(set, axis.unit, text.language);
  const written = (n: number) => write(n * scale.factor);
  const days = Date.parse(span.to) - Date.parse(span.from) > 2 * 86_400_000;
  const lines = axis.series.map((s) => ({
    title: seriesName(s.name, text),
    type: "line" as const,
    data: s.points.map((p) => ({ x: new Date(p.at), y: p.value / scale.factor })),
    valueFormatter: written,
  }));
  // The chart that is pointed at has a line of its own; the others get one at the same instant.
  const elsewhere = pointed && pointed.by !== title ? pointed.at : undefined;
  const mark = elsewhere !== undefined && {
    title: text("task.monitoring.instant"),
    type: "threshold" as const,
    x: new Date(elsewhere),
    color: "currentColor",
  };
  return (
    <>
      <LineChart
        series={mark ? [...lines, mark] : lines}
        xDomain={[new Date(span.from), new Date(span.to)]}
        yDomain={[0, scale.top]}
        xScaleType="time"
        i18nStrings={{ xTickFormatter: (at) => tick(at, days, text.language), yTickFormatter: scale.tick }}
        detailPopoverSeriesContent={({ series, y }) => ({ key: series.title, value: written(y) })}
        detailPopoverFooter={(at) => <Point at={(at as Date).getTime()} by={title} onPoint={onPoint} />}
        statusType={props.loading ? "loading" : "finished"}
        loadingText={text("list.loading")}
        ariaLabel={title}
        height={180}
        hideFilter
      />
      <Box fontSize="body-s" color="text-body-secondary">
        {elsewhere === undefined
          ? "\u00a0"
          : text("task.monitoring.at", {
              time: localTime(new Date(elsewhere), text.language),
              values: valuesAt(axis, elsewhere, write, text),
            })}
      </Box>
    </>
  );
}

/** The time that a chart shows the values of, there; as long as it does, the other charts are told of it. */
function Point(props: { at: number; by: string; onPoint: Pointing["onPoint"] }) {
  const text = useText();
  const { at, by, onPoint } = props;
  useEffect(() => {
    onPoint({ at, by });
    return () => onPoint((now) => (now?.at === at && now.by === by ? undefined : now));
  }, [at, by, onPoint]);
  return <Box fontSize="body-s">{localTime(new Date(at), text.language)}</Box>;
}

/** What all lines of a chart have at an instant, in words. */
function valuesAt(axis: Axis, at: number, write: (n: number) => string, text: Text): string {
  const said = axis.series.map((s) => {
    const value = valueAt(s, at);
    return `${seriesName(s.name, text)} ${value === undefined ? text("value.none") : write(value)}`;
  });
  return said.join(" · ");
}

function scaleOf(set: MetricSet, axis: Axis, language: Language): Scale {
  const highest = highestOf(axis.series);
  if (set === "THROUGHPUT") return byteScale(highest, language, "/s");
  if (axis.unit === "Bytes") return byteScale(highest, language);
  const scale = countScale(highest, language);
  return axis.unit === "Seconds" ? { ...scale, tick: (n) => duration(n, language) } : scale;
}

/** Writes values of a unit. */
function writer(set: MetricSet, unit: string, language: Language): (n: number) => string {
  if (set === "THROUGHPUT") return (n) => `${bytes(n, language)}/s`;
  if (unit === "Bytes") return (n) => bytes(n, language);
  if (unit === "Seconds") return (n) => duration(n, language);
  return (n) => count(n, language);
}

function tick(at: Date, days: boolean, language: Language): string {
  const form: Intl.DateTimeFormatOptions = days ? { month: "short", day: "numeric" } : { hour: "2-digit", minute: "2-digit" };
  return new Intl.DateTimeFormat(language, form).format(at);
}
