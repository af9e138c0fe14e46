import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import Table from "@cloudscape-design/components/table";
import { useState } from "react";
import { type EndsFragment, TasksDocument, UpdateTaskDocument } from "../../api/generated.ts";
import { useFlash } from "../../app/flash.tsx";
import { useAbout, useAskPages, useTell } from "../../app/hub.tsx";
import { useText } from "../../i18n/text.tsx";
import { whyNot } from "../../parts/actions.ts";
import { ConfirmDialog } from "../../parts/confirm.tsx";
import { Empty, Failure } from "../../parts/failure.tsx";
import { Go } from "../../parts/go.tsx";
import { More } from "../../parts/more.tsx";
import { TaskStateBadge } from "../../parts/state.tsx";

/** Tasks whose plugin is older than the hub's, and what brings them up. */
export function Upgrades() {
  const text = useText();
  const flash = useFlash();
  const { role } = useAbout().caller;
  const [asked, setAsked] = useState<EndsFragment>();
  const tell = useTell(UpdateTaskDocument);
  const list = useAskPages(TasksDocument, { filter: null, sort: null, first: 100 }, (a) => a.tasks, { every: 15 });
  const older = list.nodes.filter((t) => t.upgradeTo !== null);
  const upgrade = (task: EndsFragment) =>
    tell.mutate(
      { input: { id: task.id, edition: task.edition, upgrade: true } },
      {
        onSuccess: () => flash.success(text("settings.upgrade.begun", { name: task.name })),
        onError: (error) => flash.failure(text("settings.upgrade.failed", { name: task.name }), error),
      },
    );
  if (list.asked.error && list.nodes.length === 0) return <Failure error={list.asked.error} onRetry={() => void list.asked.refetch()} />;
  return (
    <>
      <Table
        header={<Header>{text("settings.upgrades")}</Header>}
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
                  loading={tell.isPending && tell.variables?.input.id === t.id}
                  ariaLabel={`${text("settings.upgrade")}: ${t.name}`}
                  onClick={() => setAsked(t)}
                >
                  {text("settings.upgrade")}
                </Button>
              );
            },
          },
        ]}
        empty={<Empty title={text("settings.upgrades.none")} />}
        footer={<More of={list} />}
      />
      {asked && (
        <ConfirmDialog
          title={text("settings.upgrade.title", { name: asked.name, version: asked.upgradeTo ?? "" })}
          kept={text("settings.upgrade.kept")}
          action={text("settings.upgrade")}
          onCancel={() => setAsked(undefined)}
          onConfirm={() => {
            setAsked(undefined);
            upgrade(asked);
          }}
        />
      )}
    </>
  );
}
