import Box from "@cloudscape-design/components/box";
import Header from "@cloudscape-design/components/header";
import Table from "@cloudscape-design/components/table";
import { AuditDocument, type AuditQuery } from "../../api/generated.ts";
import { useAskPages } from "../../app/hub.tsx";
import { useText } from "../../i18n/text.tsx";
import { Empty, Failure } from "../../parts/failure.tsx";
import { More } from "../../parts/more.tsx";
import { Time } from "../../parts/time.tsx";
import type { TabProps } from "./task.tsx";

type Entry = AuditQuery["taskAudit"]["nodes"][number];

/** Who did what to a task, the newest first. */
export default function Audit(props: TabProps) {
  const text = useText();
  const list = useAskPages(AuditDocument, { id: props.task.id, first: 50 }, (a) => a.taskAudit, { every: 15 });
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
        { id: "by", header: text("task.audit.by"), cell: (e) => e.by, width: 160 },
        { id: "action", header: text("task.audit.action"), cell: (e) => e.action, width: 160 },
        { id: "note", header: text("task.audit.note"), cell: (e) => e.note ?? text("value.none"), width: 200 },
        { id: "changes", header: text("task.audit.changes"), cell: (e) => <Changes of={e} /> },
      ]}
      empty={<Empty title={text("list.empty")} />}
      footer={<More of={list} />}
    />
  );
}

function Changes(props: { of: Entry }) {
  const text = useText();
  const value = (v: string) => (v === "" ? text("task.audit.nothing") : v);
  if (props.of.changes.length === 0) return <>{text("value.none")}</>;
  return (
    <>
      {props.of.changes.map((c) => (
        <Box key={c.field} fontSize="body-s">
          {text("task.audit.change", { field: c.field, before: value(c.before), after: value(c.after) })}
        </Box>
      ))}
    </>
  );
}
