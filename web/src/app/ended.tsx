import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Modal from "@cloudscape-design/components/modal";
import { useText } from "../i18n/text.tsx";
import { useHub } from "./hub.tsx";

/** Says that the session has ended, over the page, so that what was typed is not lost. */
export default function Ended(props: { onClose: () => void }) {
  const text = useText();
  const { session } = useHub();
  const signIn = (
    <Button variant="primary" onClick={() => void session.signIn()}>
      {text("start.signIn")}
    </Button>
  );
  return (
    <Modal
      visible
      header={text("start.signedOut")}
      footer={<Box float="right">{signIn}</Box>}
      onDismiss={props.onClose}
      closeAriaLabel={text("action.close")}
    >
      {text("start.signedOutText")}
    </Modal>
  );
}
