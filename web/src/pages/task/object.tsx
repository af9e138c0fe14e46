import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";
import SplitPanel from "@cloudscape-design/components/split-panel";
import { ObjectRecordDocument, type ObjectRecordQuery } from "../../api/generated.ts";
import { useAsk } from "../../app/hub.tsx";
import { bytes, count } from "../../format.ts";
import { useText } from "../../i18n/text.tsx";
import { Empty, Failure } from "../../parts/failure.tsx";
import { Go } from "../../parts/go.tsx";
import { reasonName, statusName } from "../../parts/names.ts";
import { Time } from "../../parts/time.tsx";
import { textsOf } from "./classes.ts";
import type { Retry } from "./retry.ts";

type Record = ObjectRecordQuery["taskObject"];

/** All that is on record of one object, of whatever became of it. */
export function ObjectPanel(props: { taskId: string; objectKey: string; every: number | false; retry: Retry }) {
  const text = useText();
  const { taskId, objectKey } = props;
  const asked = useAsk(ObjectRecordDocument, { id: taskId, key: objectKey }, { every: props.every });
  const object = asked.data?.taskObject;
  let content = <Spinner />;
  if (object) content = <Facts object={object} taskId={taskId} retry={props.retry} />;
  else if (asked.error?.code === "NOT_FOUND")
    content = <Empty title={text("task.object.unknown")} text={text("task.object.unknownText")} />;
  else if (asked.error) content = <Failure error={asked.error} onRetry={() => void asked.refetch()} />;
  return <SplitPanel header={objectKey}>{content}</SplitPanel>;
}

/** The address of an object's lines in the log, around the time at which it was worked on. */
export function logOf(taskId: string, object: Pick<Record, "key" | "started" | "finished">): string {
  const address = new URLSearchParams({ source: "WORKER", query: object.key });
  const minute = 60_000;
  const end = object.finished ?? object.started;
  if (object.started && end) {
    address.set("from", new Date(Date.parse(object.started) - minute).toISOString());
    address.set("to", new Date(Date.parse(end) + minute).toISOString());
  }
  return `/tasks/${taskId}/logs?${address}`;
}

function Facts(props: { object: Record; taskId: string; retry: Retry }) {
  const text = useText();
  const { object, taskId, retry } = props;
  const none = text("value.none");
  const runAddress = `/tasks/${taskId}/runs?run=${encodeURIComponent(object.runId ?? "")}`;
  return (
    <SpaceBetween size="l">
      {object.error && <Reason error={object.error} errorClass={object.errorClass} />}
      {object.status === "FAILED" && <RetryOne of={object.key} retry={retry} />}
      <KeyValuePairs
        columns={3}
        minColumnWidth={160}
        items={[
          { label: text("task.objects.status"), value: statusName(object.status, text) },
          { label: text("task.objects.class"), value: object.errorClass ?? none },
          { label: text("task.objects.size"), value: bytes(object.size, text.language) },
          { label: text("task.objects.attempts"), value: count(object.attempts, text.language) },
          { label: text("task.run.started"), value: <Time at={object.started} /> },
          { label: text("task.objects.at"), value: <Time at={object.finished} /> },
          { label: text("task.objects.method"), value: object.method ? reasonName(object.method, text) : none },
          { label: text("task.objects.verifiedBy"), value: object.verifiedBy ? reasonName(object.verifiedBy, text) : none },
          { label: text("task.objects.runId"), value: object.runId ? <Go to={runAddress}>{object.runId}</Go> : none },
          { label: text("task.objects.worker"), value: object.worker ?? none },
        ]}
      />
      <Go to={logOf(taskId, object)}>{text("task.objects.log")}</Go>
    </SpaceBetween>
  );
}

/** Takes up what failed once more. */
export function RetryOne(props: { of: string; retry: Retry }) {
  const text = useText();
  const { of, retry } = props;
  return (
    <Button
      disabled={retry.why !== undefined}
      disabledReason={retry.why}
      loading={retry.busy}
      ariaLabel={`${text("task.objects.retryOne")}: ${of}`}
      onClick={() => retry.begin({ keys: [of] })}
    >
      {text("task.objects.retryOne")}
    </Button>
  );
}

/** Why an object failed, in the store's own words, and what to do. A skip says its rule there. */
export function Reason(props: { error: string; errorClass: string | null; ofImages?: boolean }) {
  const text = useText();
  const { error, errorClass } = props;
  if (!errorClass) return <div>{reasonName(error, text)}</div>;
  const texts = textsOf(errorClass, props.ofImages);
  return (
    <SpaceBetween size="xxs">
      <Box variant="awsui-key-label">{text("task.objects.error")}</Box>
      <span className="value">
        <Box variant="code">{error}</Box>
      </span>
      <div>{text(texts.means)}</div>
      <Box color="text-body-secondary">{text("error.next", { next: text(texts.fix) })}</Box>
    </SpaceBetween>
  );
}
