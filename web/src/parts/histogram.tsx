import BarChart from "@cloudscape-design/components/bar-chart";
import { bytes, count } from "../format.ts";
import { useText } from "../i18n/text.tsx";
import { countScale } from "./axis.ts";

/** How many objects there are of which size: each bar from its size to twice that. */
export default function Histogram(props: { bars: { from: number; objects: number }[]; ofImages: boolean }) {
  const text = useText();
  const { bars } = props;
  const scale = countScale(Math.max(0, ...bars.map((b) => b.objects)), text.language);
  const title = text(props.ofImages ? "examine.plan.images" : "examine.plan.objects");
  return (
    <BarChart
      series={[
        {
          title,
          type: "bar",
          data: bars.map((b) => ({ x: bytes(b.from, text.language), y: b.objects })),
          valueFormatter: (n) => count(n, text.language),
        },
      ]}
      xDomain={bars.map((b) => bytes(b.from, text.language))}
      yDomain={[0, scale.top]}
      xScaleType="categorical"
      i18nStrings={{ yTickFormatter: scale.tick }}
      xTitle={text("examine.plan.size")}
      yTitle={title}
      ariaLabel={text("examine.plan.chart")}
      height={180}
      hideFilter
      hideLegend
    />
  );
}
