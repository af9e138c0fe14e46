import Table from "@cloudscape-design/components/table";
import type { RunPartsFragment } from "../../api/generated.ts";
import { bytes, count } from "../../format.ts";
import { useText } from "../../i18n/text.tsx";
import { Empty } from "../../parts/failure.tsx";
import { tallyName } from "../../parts/names.ts";

/** Numbers of objects with their bytes, by what was decided or what became of them. */
export function Tallies(props: { title: string; all: RunPartsFragment["decisions"]; ofImages: boolean }) {
  const text = useText();
  return (
    <Table
      variant="embedded"
      items={props.all}
      trackBy="name"
      wrapLines
      columnDefinitions={[
        { id: "name", header: props.title, cell: (t) => tallyName(t.name, text), isRowHeader: true },
        {
          id: "objects",
          header: text(props.ofImages ? "task.decisions.images" : "task.decisions.objects"),
          cell: (t) => count(t.objects, text.language),
        },
        { id: "bytes", header: text("task.decisions.bytes"), cell: (t) => bytes(t.bytes, text.language) },
      ]}
      empty={<Empty title={text("task.decisions.none")} />}
    />
  );
}
