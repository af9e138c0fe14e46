import Box from "@cloudscape-design/components/box";
import Header from "@cloudscape-design/components/header";
import Table from "@cloudscape-design/components/table";
import { useText } from "../../i18n/text.tsx";
import { Address } from "../../parts/address.tsx";
import type { Change } from "./changes.ts";

/** What an edit changes, and what that does to the task. */
export function Difference(props: { changes: Change[] }) {
  const text = useText();
  const { changes } = props;
  return (
    <Table
      header={
        <Header variant="h2" counter={text("review.diff.count", { count: changes.length })}>
          {text("review.diff")}
        </Header>
      }
      items={changes}
      trackBy="name"
      wrapLines
      columnDefinitions={[
        { id: "name", header: text("review.diff.name"), cell: (c) => c.name, isRowHeader: true },
        {
          id: "before",
          header: text("review.diff.before"),
          cell: (c) => (
            <span className="value">
              <Address of={c.before} />
            </span>
          ),
        },
        {
          id: "after",
          header: text("review.diff.after"),
          cell: (c) => (
            <span className="value">
              <Address of={c.after} />
            </span>
          ),
        },
        { id: "effect", header: text("review.diff.effect"), cell: (c) => c.effect },
      ]}
      empty={<Box textAlign="center">{text("review.diff.none")}</Box>}
      ariaLabels={{ tableLabel: text("review.diff") }}
    />
  );
}
