import type { Key, Text } from "../i18n/text.tsx";

/** The name of a line in a chart, in the language chosen. Classes of failures are the field's own terms and stay as they are. */
export function seriesName(name: string, text: Text): string {
  return (text(`metric.${name.replaceAll(" ", "_")}` as Key) as string | undefined) ?? name;
}
