import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";
import { useRef, useState } from "react";
import { useNavigate, useParams } from "react-router";
import { ApiError } from "../../api/client.ts";
import { TaskDocument, UpdateTaskDocument, type WholeFragment } from "../../api/generated.ts";
import { useFlash } from "../../app/flash.tsx";
import { useAbout, useAsk, useTell } from "../../app/hub.tsx";
import { usePage } from "../../app/page.tsx";
import { Waiting } from "../../app/routes.tsx";
import { useText } from "../../i18n/text.tsx";
import { whyNot } from "../../parts/actions.ts";
import { type Plugin, usePlugins } from "../../parts/contracts.ts";
import { Empty, Failure } from "../../parts/failure.tsx";
import { Go } from "../../parts/go.tsx";
import { isEdited } from "./changes.ts";
import { type Draft, draftOf, type Verdict } from "./draft.ts";
import { TaskWizard } from "./wizard.tsx";

/** Changes the settings of a task. */
export function EditTask() {
  const text = useText();
  const { id = "" } = useParams();
  const { plugins, error, retry } = usePlugins();
  const asked = useAsk(TaskDocument, { id });
  const { role } = useAbout().caller;
  const task = asked.data?.task;
  const title = task ? text("create.editTitle", { name: task.name }) : text("action.edit");
  const crumbs = [
    { text: text("nav.tasks"), href: "/tasks" },
    { text: task?.name ?? id, href: `/tasks/${id}` },
  ];
  usePage({ title, help: "edit", type: "wizard", crumbs });
  // Counts how often somebody loaded the task anew: each time the wizard begins from the beginning.
  const [loaded, setLoaded] = useState(0);
  // The task that somebody has begun to edit.
  const [begun, setBegun] = useState<string>();
  if (asked.error && !task) return <Failure error={asked.error} onRetry={() => void asked.refetch()} heading={title} />;
  if (error) return <Failure error={error} onRetry={retry} heading={title} />;
  if (!plugins || !task) return <Waiting />;
  // Editing goes on whatever becomes of the task behind it: what was entered is not taken away, and the hub refuses what it must.
  const why = begun !== id && whyNot("edit", task, role, text);
  if (why) return <Empty title={title} text={why} action={<Go to={`/tasks/${id}`}>{text("action.view")}</Go>} />;
  if (begun !== id) setBegun(id);
  const reload = () => void asked.refetch().then(() => setLoaded((n) => n + 1));
  return <Edit key={`${id} ${loaded}`} task={task} plugins={plugins} onReload={reload} />;
}

function Edit(props: { task: WholeFragment; plugins: Plugin[]; onReload: () => void }) {
  const text = useText();
  const flash = useFlash();
  const navigate = useNavigate();
  const update = useTell(UpdateTaskDocument);
  const saved = useRef(false);
  // The task that the person has seen. It is asked for again behind this page, and may have changed there.
  const [task] = useState(props.task);
  const [draft] = useState(() => draftOf(task));
  const [conflict, setConflict] = useState(false);
  const back = () => void navigate(`/tasks/${task.id}`);
  const submit = async (entered: Draft, verdict: Verdict) => {
    if (!isEdited(task, entered, verdict.entries)) {
      saved.current = true;
      flash.info(text("create.unchanged"));
      back();
      return;
    }
    const { name, description, upgrade } = entered;
    const labels = entered.labels.map((l) => ({ name: l.name, value: l.value }));
    try {
      await update.mutateAsync({
        input: { id: task.id, edition: task.edition, name, description, labels, parameters: verdict.entries, upgrade },
      });
      saved.current = true;
      flash.success(text("create.saved", { name }));
      back();
    } catch (error) {
      if (error instanceof ApiError && error.code === "CONFLICT") setConflict(true);
      else flash.failure(text("create.saveFailed"), error);
    }
  };
  const notice = conflict && (
    <Alert type="warning" header={text("create.conflict")} action={<Button onClick={props.onReload}>{text("create.reload")}</Button>}>
      {text("create.conflictText")}
    </Alert>
  );
  return (
    <TaskWizard
      draft={draft}
      plugins={props.plugins}
      defaultsOf={() => ({})}
      task={task}
      filled
      busy={update.isPending}
      notice={notice}
      saved={saved}
      onCancel={back}
      onSubmit={(entered, verdict) => void submit(entered, verdict)}
    />
  );
}
