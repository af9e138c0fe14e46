import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import type { Growing } from "../app/hub.tsx";
import { useText } from "../i18n/text.tsx";

/** Brings the next page of a list; nothing when there is none. */
export function More(props: { of: Growing<unknown> }) {
  const text = useText();
  if (!props.of.more) return null;
  return (
    <Box textAlign="center">
      <Button onClick={props.of.loadMore} loading={props.of.asked.isFetchingNextPage}>
        {text("task.more")}
      </Button>
    </Box>
  );
}
