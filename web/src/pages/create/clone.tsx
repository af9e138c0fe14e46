import { useQuery } from "@tanstack/react-query";
import { useParams } from "react-router";
import type { ApiError } from "../../api/client.ts";
import { CloneTaskDocument, type CloneTaskMutation } from "../../api/generated.ts";
import { useHub } from "../../app/hub.tsx";
import { usePage } from "../../app/page.tsx";
import { Waiting } from "../../app/routes.tsx";
import { useText } from "../../i18n/text.tsx";
import { usePlugins } from "../../parts/contracts.ts";
import { Failure } from "../../parts/failure.tsx";
import { NeedsAdmin, NewTask, useMayChange } from "./create.tsx";
import { draftOf } from "./draft.ts";

/** Makes a task with the settings of another, which the hub gives as a draft. */
export function CloneTask() {
  const text = useText();
  const { client } = useHub();
  const { id = "" } = useParams();
  const { plugins, error, retry } = usePlugins();
  const admin = useMayChange();
  // The hub calls it a mutation because it needs the role of one; it changes nothing.
  const asked = useQuery<CloneTaskMutation, ApiError>({
    queryKey: ["CloneTask", id],
    queryFn: ({ signal }) => client.request(CloneTaskDocument, { id }, signal),
    enabled: admin,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
  });
  const draft = asked.data?.draft;
  const name = draft?.name.replace(/ copy$/, "");
  usePage({
    title: name === undefined ? text("action.clone") : text("create.cloneTitle", { name }),
    help: "create",
    type: "wizard",
    crumbs: [
      { text: text("nav.tasks"), href: "/tasks" },
      { text: name ?? id, href: `/tasks/${id}` },
    ],
  });
  if (!admin) return <NeedsAdmin />;
  if (asked.error && !draft) return <Failure error={asked.error} onRetry={() => void asked.refetch()} heading={text("action.clone")} />;
  if (error) return <Failure error={error} onRetry={retry} heading={text("action.clone")} />;
  if (!plugins || !draft) return <Waiting />;
  return <NewTask key={id} draft={draftOf(draft)} plugins={plugins} defaultsOf={() => ({})} filled />;
}
