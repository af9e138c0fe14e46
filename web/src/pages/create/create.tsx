import { useRef, useState } from "react";
import { useNavigate, useSearchParams } from "react-router";
import { ApiError } from "../../api/client.ts";
import { CreateTaskDocument, SettingsDocument } from "../../api/generated.ts";
import { useFlash } from "../../app/flash.tsx";
import { mayAs, useAbout, useAsk, useTell } from "../../app/hub.tsx";
import { usePage } from "../../app/page.tsx";
import { Waiting } from "../../app/routes.tsx";
import { useText } from "../../i18n/text.tsx";
import { type Plugin, usePlugins } from "../../parts/contracts.ts";
import { Empty, Failure } from "../../parts/failure.tsx";
import type { Draft, Verdict } from "./draft.ts";
import { toValues, type Values } from "./values.ts";
import { TaskWizard } from "./wizard.tsx";

/** Makes a task. The type may be in the address: /create?type=S3. */
export function CreateTask() {
  const text = useText();
  usePage({ title: text("create.title"), help: "create", type: "wizard" });
  const [search] = useSearchParams();
  const { plugins, error, retry } = usePlugins();
  const settings = useAsk(SettingsDocument, {});
  if (!useMayChange()) return <NeedsAdmin />;
  if (error) return <Failure error={error} onRetry={retry} heading={text("create.title")} />;
  if (settings.error && !settings.data)
    return <Failure error={settings.error} onRetry={() => void settings.refetch()} heading={text("create.title")} />;
  if (!plugins || !settings.data) return <Waiting />;
  const { defaults } = settings.data.settings;
  const defaultsOf = (type: string) => toValues(defaults.find((d) => d.type === type)?.values ?? []);
  const type = plugins.find((p) => p.type === search.get("type"))?.type ?? plugins[0]?.type ?? "";
  const draft: Draft = { type, name: "", description: "", labels: [], given: defaultsOf(type), upgrade: false };
  return <NewTask key={type} draft={draft} plugins={plugins} defaultsOf={defaultsOf} />;
}

/** Whether the person may make and change tasks. */
export function useMayChange(): boolean {
  return mayAs(useAbout().caller.role, "admin");
}

/** Stands where somebody may not make or change tasks. */
export function NeedsAdmin() {
  const text = useText();
  const { role } = useAbout().caller;
  const have = role ? text(`role.${role}`) : text("menu.noRole");
  return <Empty title={text("create.needsAdmin")} text={text("action.needs", { role: text("role.admin"), have })} />;
}

interface Props {
  draft: Draft;
  plugins: Plugin[];
  defaultsOf: (type: string) => Values;
  filled?: boolean;
}

/** The wizard for a task that is not there yet. */
export function NewTask(props: Props) {
  const text = useText();
  const flash = useFlash();
  const navigate = useNavigate();
  const create = useTell(CreateTaskDocument);
  const saved = useRef(false);
  // The draft that the page began with: answers that come later must not take away what was entered.
  const [draft] = useState(props.draft);
  // One token for the whole visit: when the answer is lost and somebody presses again, there is still one task.
  const token = useRef(crypto.randomUUID());
  const submit = async (entered: Draft, verdict: Verdict, start: boolean) => {
    const { name, description, type } = entered;
    const labels = entered.labels.map((l) => ({ name: l.name, value: l.value }));
    const input = { name, description, type, labels, parameters: verdict.entries, start, clientToken: token.current };
    try {
      const { task } = await create.mutateAsync({ input });
      saved.current = true;
      flash.success(text(start ? "create.done" : "create.doneFirst", { name: task.name }));
      void navigate(`/tasks/${task.id}`);
    } catch (error) {
      // The first try went through with other settings: the next is another task, and the message says so.
      if (error instanceof ApiError && error.code === "CONFLICT") token.current = crypto.randomUUID();
      flash.failure(text("create.failed"), error);
    }
  };
  return (
    <TaskWizard
      {...props}
      draft={draft}
      busy={create.isPending}
      saved={saved}
      onCancel={() => void navigate("/tasks")}
      onSubmit={(entered, verdict, start) => void submit(entered, verdict, start)}
    />
  );
}
