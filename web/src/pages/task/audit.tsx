import Box from "@cloudscape-design/components/box";
import ExpandableSection from "@cloudscape-design/components/expandable-section";
import Header from "@cloudscape-design/components/header";
import Table from "@cloudscape-design/components/table";
import { AuditDocument, type AuditQuery } from "../../api/generated.ts";
import { useAskPages } from "../../app/hub.tsx";
import { useText } from "../../i18n/text.tsx";
import { type Plugin, usePlugins } from "../../parts/contracts.ts";
import { Empty, Failure } from "../../parts/failure.tsx";
import { More } from "../../parts/more.tsx";
import { changeName, deedName } from "../../parts/names.ts";
import { Time } from "../../parts/time.tsx";
import { everyOfLists } from "./polling.ts";
import type { TabProps } from "./task.tsx";

type Entry = AuditQuery["taskAudit"]["nodes"][number];

/** So many changes are shown at once; a task that was created has many more. */
const few = 4;

/** Who did what to a task, the newest first. */
export default function Audit(props: TabProps) {
  const text = useText();
  const { task } = props;
  const list = useAskPages(AuditDocument, { id: task.id, first: 50 }, (a) => a.taskAudit, { every: everyOfLists(task) });
  const plugin = usePlugins().plugins?.find((p) => p.type === task.type);
  if (list.asked.error && list.nodes.length === 0) return <Failure error={list.asked.error} onRetry={() => void list.asked.refetch()} />;
  return (
    <Table
      header={<Header variant="h2">{text("task.audit")}</Header>}
      items={list.nodes}
      trackBy={(e) => e.at + e.action}
      loading={list.asked.isPending}
      loadingText={text("list.loading")}
      wrapLines
      ariaLabels={{ tableLabel: text("task.audit") }}
      columnDefinitions={[
        { id: "at", header: text("task.audit.at"), cell: (e) => <Time at={e.at} />, width: 210, isRowHeader: true },
        { id: "by", header: text("task.audit.by"), cell: (e) => e.by, width: 140 },
        { id: "action", header: text("task.audit.action"), cell: (e) => deedName(e.action, text), width: 160 },
        { id: "note", header: text("task.audit.note"), cell: (e) => e.note ?? text("value.none"), width: 200 },
        { id: "changes", header: text("task.audit.changes"), cell: (e) => <Changes of={e} plugin={plugin} />, minWidth: 280 },
      ]}
      empty={<Empty title={text("list.empty")} />}
      footer={<More of={list} />}
    />
  );
}

function Changes(props: { of: Entry; plugin: Plugin | undefined }) {
  const text = useText();
  const all = props.of.changes;
  if (all.length === 0) return <>{text("value.none")}</>;
  const lines = all.map((change) => <ChangeLine key={change.field} change={change} plugin={props.plugin} />);
  if (all.length <= few) return <>{lines}</>;
  return <ExpandableSection headerText={text("task.audit.changed", { count: all.length })}>{lines}</ExpandableSection>;
}

function ChangeLine(props: { change: Entry["changes"][number]; plugin: Plugin | undefined }) {
  const text = useText();
  const { field, before, after } = changeName(props.change, props.plugin, text);
  const value = (v: string) => (v === "" ? text("task.audit.nothing") : v);
  return <Box fontSize="body-s">{text("task.audit.change", { field, before: value(before), after: value(after) })}</Box>;
}
