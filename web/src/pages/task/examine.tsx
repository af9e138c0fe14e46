import { Examine } from "../../parts/examine.tsx";
import type { TabProps } from "./task.tsx";

/** Whether both ends can be used, and what a run would copy, before it does. */
export default function ExamineTask(props: TabProps) {
  return <Examine taskId={props.task.id} />;
}
