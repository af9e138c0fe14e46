import BarChart from "@cloudscape-design/components/bar-chart";
import { bytes, count, short } from "../format.ts";
import { useText } from "../i18n/text.tsx";

/** How many objects there are of which size: each bar from its size to twice that. */
export default function Histogram(props: { bars: { from: number; objects: number }[] }) {
  const text = useText();
  const { bars } = props;
  const highest = Math.max(1, ...bars.map((b) => b.objects));
  return (
    <BarChart
      series={[
        {
          title: text("examine.plan.objects"),
          type: "bar",
          data: bars.map((b) => ({ x: bytes(b.from, text.language), y: b.objects })),
          valueFormatter: (n) => count(n, text.language),
        },
      ]}
      xDomain={bars.map((b) => bytes(b.from, text.language))}
      yDomain={[0, highest * 1.1]}
      xScaleType="categorical"
      i18nStrings={{ yTickFormatter: (n) => short(n, text.language) }}
      xTitle={text("examine.plan.size")}
      yTitle={text("examine.plan.objects")}
      ariaLabel={text("examine.plan.chart")}
      height={180}
      hideFilter
      hideLegend
    />
  );
}
