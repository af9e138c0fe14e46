import { type ReactNode, useState } from "react";
import { type EndsFragment, UpdateTaskDocument } from "../api/generated.ts";
import { useFlash } from "../app/flash.tsx";
import { useTell } from "../app/hub.tsx";
import { useText } from "../i18n/text.tsx";
import { ConfirmDialog } from "./confirm.tsx";

type Subject = Pick<EndsFragment, "id" | "name" | "edition" | "upgradeTo">;

/** What brings a task up to the hub's plugin. */
export interface Upgrade {
  /** Asks whether it is meant, and then does it. */
  ask(task: Subject): void;
  /** The id of the task that is being told; undefined: none. */
  busy: string | undefined;
  /** To be shown somewhere on the page: the question. */
  dialog: ReactNode;
}

/** Gives a page the upgrade of tasks. */
export function useUpgrade(): Upgrade {
  const text = useText();
  const flash = useFlash();
  const [asked, setAsked] = useState<Subject>();
  const tell = useTell(UpdateTaskDocument);
  const upgrade = (task: Subject) =>
    tell.mutate(
      { input: { id: task.id, edition: task.edition, upgrade: true } },
      {
        onSuccess: () => flash.success(text("settings.upgrade.begun", { name: task.name })),
        onError: (error) => flash.failure(text("settings.upgrade.failed", { name: task.name }), error),
      },
    );
  const dialog = asked && (
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
  );
  return { ask: setAsked, busy: tell.isPending ? String(tell.variables?.input.id) : undefined, dialog };
}
