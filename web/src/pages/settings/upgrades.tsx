import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import Table from "@cloudscape-design/components/table";
import { TasksDocument } from "../../api/generated.ts";
import { useAbout, useAskPages } from "../../app/hub.tsx";
import { useText } from "../../i18n/text.tsx";
import { whyNot } from "../../parts/actions.ts";
import { Empty, Failure } from "../../parts/failure.tsx";
import { Go } from "../../parts/go.tsx";
import { More } from "../../parts/more.tsx";
import { TaskStateBadge } from "../../parts/state.tsx";
import { useUpgrade } from "../../parts/upgrade.tsx";

/** Tasks whose plugin is older than the hub's, and what brings them up. */
export function Upgrades() {
  const text = useText();
  const { role } = useAbout().caller;
  const upgrade = useUpgrade();
  const list = useAskPages(TasksDocument, { filter: null, sort: null, first: 100 }, (a) => a.tasks, { every: 15 });
  const older = list.nodes.filter((t) => t.upgradeTo !== null);
  if (list.asked.error && list.nodes.length === 0) return <Failure error={list.asked.error} onRetry={() => void list.asked.refetch()} />;
  return (
    <>
      <Table
        header={<Header variant="h2">{text("settings.upgrades")}</Header>}
        items={older}
        trackBy="id"
        loading={list.asked.isPending}
        loadingText={text("list.loading")}
        ariaLabels={{ tableLabel: text("settings.upgrades") }}
        columnDefinitions={[
          { id: "name", header: text("tasks.name"), cell: (t) => <Go to={`/tasks/${t.id}`}>{t.name}</Go>, isRowHeader: true },
          { id: "state", header: text("tasks.state"), cell: (t) => <TaskStateBadge state={t.state} /> },
          {
            id: "version",
            header: text("task.version"),
            cell: (t) => text("settings.upgrade.from", { from: t.pluginVersion, to: t.upgradeTo ?? "" }),
          },
          {
            id: "upgrade",
            header: text("action.actions"),
            cell: (t) => {
              const why = whyNot("edit", t, role, text);
              return (
                <Button
                  disabled={why !== undefined}
                  disabledReason={why}
                  loading={upgrade.busy === t.id}
                  ariaLabel={`${text("settings.upgrade")}: ${t.name}`}
                  onClick={() => upgrade.ask(t)}
                >
                  {text("settings.upgrade")}
                </Button>
              );
            },
          },
        ]}
        empty={<Empty title={text(list.more ? "settings.upgrades.more" : "settings.upgrades.none")} />}
        footer={<More of={list} />}
      />
      {upgrade.dialog}
    </>
  );
}
