import { RetryObjectsDocument } from "../../api/generated.ts";
import { useFlash } from "../../app/flash.tsx";
import { mayAs, useAbout, useTell } from "../../app/hub.tsx";
import { useText } from "../../i18n/text.tsx";
import type { WholeTask } from "./task.tsx";

/** Which objects a retry takes up: exactly one of them is given, as the API wants it. */
export type Choice = { keys: string[] } | { errorClass: string } | { all: true };

/** What begins a retry. */
export interface Retry {
  begin(choice: Choice): void;
  busy: boolean;
  /** Why nothing can be retried now; undefined: it can. */
  why: string | undefined;
}

/** The retry of a task's failed objects. */
export function useRetry(task: Pick<WholeTask, "id" | "state">): Retry {
  const text = useText();
  const flash = useFlash();
  const { role } = useAbout().caller;
  const tell = useTell(RetryObjectsDocument);
  let why: string | undefined;
  if (!mayAs(role, "operator"))
    why = text("action.needs", { role: text("role.operator"), have: role ? text(`role.${role}`) : text("menu.noRole") });
  else if (task.state !== "IN_PROGRESS" && task.state !== "DONE") why = text("action.notNow", { state: text(`state.${task.state}`) });
  return {
    why,
    busy: tell.isPending,
    begin(choice) {
      // The token makes a click that the network repeats count once.
      tell.mutate(
        { id: task.id, clientToken: crypto.randomUUID(), ...choice },
        {
          onSuccess: () => flash.success(text("task.objects.retried")),
          onError: (error) => flash.failure(text("task.objects.retryFailed"), error),
        },
      );
    },
  };
}
