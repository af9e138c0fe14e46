import { type ReactNode, useState } from "react";
import { useNavigate } from "react-router";
import { DeleteTaskDocument, PauseTaskDocument, ResumeTaskDocument, RunTaskDocument, StopTaskDocument } from "../api/generated.ts";
import { useFlash } from "../app/flash.tsx";
import { useTell } from "../app/hub.tsx";
import { useText } from "../i18n/text.tsx";
import type { Action, Subject } from "./actions.ts";
import { ConfirmDialog } from "./confirm.tsx";

/** Actions on tasks, as buttons and menus offer them. */
export interface TaskActions {
  /** Does something with tasks; asks before what cannot be undone. One task only for edit, clone and delete. */
  act(action: Action, tasks: Subject[]): void;
  /** An action is under way. */
  busy: boolean;
  /** To be shown somewhere on the page: the question before the action. */
  dialog: ReactNode;
}

/** Gives a page the actions on tasks. `onDeleted` is told when a task is no longer there. */
export function useTaskActions(onDeleted?: () => void): TaskActions {
  const text = useText();
  const flash = useFlash();
  const navigate = useNavigate();
  const [asked, setAsked] = useState<{ action: "stop" | "delete" | "pause"; tasks: Subject[] }>();
  const tell = {
    run: useTell(RunTaskDocument),
    pause: useTell(PauseTaskDocument),
    resume: useTell(ResumeTaskDocument),
    stop: useTell(StopTaskDocument),
    delete: useTell(DeleteTaskDocument),
  };

  const perform = async (action: keyof typeof tell, tasks: Subject[]) => {
    const done: Subject[] = [];
    const failed: { name: string; error: unknown }[] = [];
    for (const task of tasks) {
      try {
        // The token makes a click that the network repeats count once.
        if (action === "run") await tell.run.mutateAsync({ id: task.id, clientToken: crypto.randomUUID() });
        else await tell[action].mutateAsync({ id: task.id });
        done.push(task);
      } catch (error) {
        failed.push({ name: task.name, error });
      }
    }
    // What was done to many tasks is one message, as what failed is.
    const [one] = done;
    const [wrong] = failed;
    const name = text(`action.${action}`);
    if (one)
      flash.success(
        done.length === 1 ? text(`done.${action}`, { name: one.name }) : text("done.several", { action: name, count: done.length }),
      );
    if (wrong && failed.length === 1) flash.failure(text("failed.action", { action: name, name: wrong.name }), wrong.error);
    else if (wrong) flash.failures(text("failed.several", { action: name, count: failed.length, all: tasks.length }), failed);
    if (one && action === "delete") onDeleted?.();
  };

  const act = (action: Action, tasks: Subject[]) => {
    const first = tasks[0];
    if (!first) return;
    if (action === "edit" || action === "clone") void navigate(`/tasks/${first.id}/${action}`);
    else if (action === "stop" || action === "delete" || (action === "pause" && tasks.length > 1)) setAsked({ action, tasks });
    else void perform(action, tasks);
  };

  const dialog = asked && (
    <ConfirmDialog
      title={text(`confirm.${asked.action}.title`, { count: asked.tasks.length, name: asked.tasks[0]?.name ?? "" })}
      names={asked.tasks.length > 1 ? asked.tasks.map((t) => t.name) : undefined}
      lost={asked.action === "pause" ? undefined : text(`confirm.${asked.action}.lost`)}
      kept={text(`confirm.${asked.action}.kept`)}
      action={text(`action.${asked.action}`)}
      onCancel={() => setAsked(undefined)}
      onConfirm={() => {
        setAsked(undefined);
        void perform(asked.action, asked.tasks);
      }}
    />
  );
  return { act, busy: Object.values(tell).some((t) => t.isPending), dialog };
}
