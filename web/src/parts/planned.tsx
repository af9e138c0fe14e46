import Box from "@cloudscape-design/components/box";
import ExpandableSection from "@cloudscape-design/components/expandable-section";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";
import { lazy, Suspense } from "react";
import type { PlanQuery } from "../api/generated.ts";
import { bytes, count, duration } from "../format.ts";
import { type Text, useText } from "../i18n/text.tsx";
import { tallyName } from "./names.ts";
import { things } from "./things.ts";

// The chart weighs more than the page around it.
const Histogram = lazy(() => import("./histogram.tsx"));

type Result = NonNullable<NonNullable<PlanQuery["plan"]>["result"]>;
type Cost = Result["costs"][number];
type Range = { low: number; high: number };

/** Decisions by which something is copied. */
const copies: readonly string[] = ["new", "changed"];

/** What a plan found: counts, bytes, sizes, time and costs. */
export function PlanResult(props: { result: Result; ofImages: boolean }) {
  const text = useText();
  const { result, ofImages } = props;
  const { language } = text;
  const copied = result.decisions.filter((d) => copies.includes(d.name.split(":")[0] ?? "")).reduce((n, d) => n + d.objects, 0);
  return (
    <SpaceBetween size="l">
      <KeyValuePairs
        columns={4}
        items={[
          { label: text("examine.plan.copy"), value: things(copied, ofImages, text) },
          { label: text("examine.plan.bytes"), value: bytes(result.bytes, language) },
          { label: text("examine.plan.time"), value: result.duration ? times(result.duration, text) : text("value.none") },
          { label: text("examine.plan.cost"), value: total(result.costs, text) },
          { label: text("examine.plan.source"), value: count(result.listedSource, language) },
          { label: text("examine.plan.destination"), value: count(result.listedDestination, language) },
          { label: text("examine.plan.monthly"), value: total(result.monthlyCosts, text) },
        ]}
      />
      <Decisions result={result} ofImages={ofImages} />
      {result.histogram.length > 0 && (
        <div>
          <Box variant="h4">{text("examine.plan.sizes")}</Box>
          <Suspense fallback={text("start.loading")}>
            <Histogram bars={result.histogram} ofImages={ofImages} />
          </Suspense>
        </div>
      )}
      {result.largest.length > 0 && <Largest result={result} />}
      <ExpandableSection headerText={text("examine.plan.costs")}>
        <SpaceBetween size="m">
          <Costs title={text("examine.plan.cost")} costs={result.costs} />
          <Costs title={text("examine.plan.monthly")} costs={result.monthlyCosts} />
          {result.notIncluded.length > 0 && (
            <div>
              <Box variant="awsui-key-label">{text("examine.plan.notIncluded")}</Box>
              <ul>
                {result.notIncluded.map((n) => (
                  <li key={n}>{n}</li>
                ))}
              </ul>
            </div>
          )}
        </SpaceBetween>
      </ExpandableSection>
    </SpaceBetween>
  );
}

function Decisions(props: { result: Result; ofImages: boolean }) {
  const text = useText();
  return (
    <Table
      variant="embedded"
      header={<Box variant="h4">{text("examine.plan.decisions")}</Box>}
      items={props.result.decisions}
      trackBy="name"
      columnDefinitions={[
        { id: "kind", header: text("examine.plan.kind"), cell: (d) => tallyName(d.name, text), isRowHeader: true },
        {
          id: "objects",
          header: text(props.ofImages ? "examine.plan.images" : "examine.plan.objects"),
          cell: (d) => count(d.objects, text.language),
        },
        { id: "bytes", header: text("examine.plan.size"), cell: (d) => bytes(d.bytes, text.language) },
      ]}
      ariaLabels={{ tableLabel: text("examine.plan.decisions") }}
    />
  );
}

function Largest(props: { result: Result }) {
  const text = useText();
  return (
    <ExpandableSection headerText={text("examine.plan.largest")}>
      <Table
        variant="embedded"
        items={props.result.largest}
        trackBy="key"
        wrapLines
        columnDefinitions={[
          { id: "key", header: text("examine.plan.key"), cell: (o) => o.key, isRowHeader: true },
          { id: "size", header: text("examine.plan.size"), cell: (o) => bytes(o.size, text.language) },
        ]}
        ariaLabels={{ tableLabel: text("examine.plan.largest") }}
      />
    </ExpandableSection>
  );
}

function Costs(props: { title: string; costs: Cost[] }) {
  const text = useText();
  const number = new Intl.NumberFormat(text.language, { maximumSignificantDigits: 3 });
  return (
    <Table
      variant="embedded"
      header={<Box variant="h4">{props.title}</Box>}
      items={props.costs}
      trackBy="item"
      wrapLines
      columnDefinitions={[
        { id: "item", header: text("examine.plan.item"), cell: (c) => c.item, isRowHeader: true },
        {
          id: "quantity",
          header: text("examine.plan.quantity"),
          cell: (c) => `${range(c.quantity, (n) => number.format(n), text)} × ${c.unit}`,
        },
        { id: "amount", header: text("examine.plan.amount"), cell: (c) => amount(c, text) },
        { id: "note", header: text("examine.plan.note"), cell: (c) => c.note ?? text("value.none") },
      ]}
      ariaLabels={{ tableLabel: props.title }}
      empty={text("value.none")}
    />
  );
}

function times(r: Range, text: Text): string {
  return range(r, (n) => duration(n, text.language), text);
}

/** Two bounds, or one where they are written alike. */
function range(r: Range, write: (n: number) => string, text: Text): string {
  const [low, high] = [write(r.low), write(r.high)];
  return low === high ? low : text("examine.plan.range", { low, high });
}

function amount(cost: Cost, text: Text): string {
  return cost.amount && cost.currency ? range(cost.amount, money(cost.currency, text), text) : text("examine.plan.noPrice");
}

function money(currency: string, text: Text): (n: number) => string {
  const format = new Intl.NumberFormat(text.language, { style: "currency", currency });
  return (n) => format.format(n);
}

/** The sum of a bill by currency, with a word when a price in it is not known. */
export function total(costs: Cost[], text: Text): string {
  const sums = new Map<string, Range>();
  for (const { amount: a, currency } of costs) {
    if (!a || !currency) continue;
    const sum = sums.get(currency) ?? { low: 0, high: 0 };
    sums.set(currency, { low: sum.low + a.low, high: sum.high + a.high });
  }
  const parts = [...sums].map(([currency, sum]) => range(sum, money(currency, text), text));
  if (parts.length === 0 || costs.some((c) => !c.amount)) parts.push(text("examine.plan.noPrice"));
  return parts.join(" + ");
}
