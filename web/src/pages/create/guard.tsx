import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Modal from "@cloudscape-design/components/modal";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { type RefObject, useEffect } from "react";
import { useBlocker } from "react-router";
import { useText } from "../../i18n/text.tsx";

/** Asks before somebody leaves what is not saved: by a link of the console, or by closing the tab. */
export function UnsavedGuard(props: { dirty: boolean; saved: RefObject<boolean> }) {
  const text = useText();
  const { dirty, saved } = props;
  const blocker = useBlocker(
    ({ currentLocation: now, nextLocation: next }) =>
      // The type of a new task is in the search: another one is another form.
      dirty && !saved.current && now.pathname + now.search !== next.pathname + next.search,
  );
  useEffect(() => {
    if (!dirty) return undefined;
    const ask = (event: BeforeUnloadEvent) => {
      if (!saved.current) event.preventDefault();
    };
    window.addEventListener("beforeunload", ask);
    return () => window.removeEventListener("beforeunload", ask);
  }, [dirty, saved]);
  if (blocker.state !== "blocked") return null;
  const footer = (
    <Box float="right">
      <SpaceBetween direction="horizontal" size="xs">
        <Button variant="link" onClick={() => blocker.reset()}>
          {text("guard.stay")}
        </Button>
        <Button variant="primary" onClick={() => blocker.proceed()}>
          {text("guard.leave")}
        </Button>
      </SpaceBetween>
    </Box>
  );
  return (
    <Modal visible header={text("guard.title")} footer={footer} onDismiss={() => blocker.reset()} closeAriaLabel={text("action.close")}>
      {text("guard.text")}
    </Modal>
  );
}
