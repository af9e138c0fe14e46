import Table from "@cloudscape-design/components/table";
import type { RunPartsFragment } from "../../api/generated.ts";
import { bytes, count } from "../../format.ts";
import { useText } from "../../i18n/text.tsx";
import { Empty } from "../../parts/failure.tsx";

/** Numbers of objects with their bytes, by name. The names are the engine's own: they stand in reports, logs and metrics, too. */
export function Tallies(props: { title: string; all: RunPartsFragment["decisions"] }) {
  const text = useText();
  return (
    <Table
      variant="embedded"
      items={props.all}
      trackBy="name"
      columnDefinitions={[
        { id: "name", header: props.title, cell: (t) => t.name, isRowHeader: true },
        { id: "objects", header: text("task.decisions.objects"), cell: (t) => count(t.objects, text.language) },
        { id: "bytes", header: text("task.decisions.bytes"), cell: (t) => bytes(t.bytes, text.language) },
      ]}
      empty={<Empty title={text("value.none")} />}
    />
  );
}
