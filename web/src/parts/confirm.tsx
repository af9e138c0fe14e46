import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Modal from "@cloudscape-design/components/modal";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useText } from "../i18n/text.tsx";

interface Props {
  title: string;
  /** What it is about, when that is more than one thing. */
  names?: string[];
  lost?: string;
  kept: string;
  /** Of the button. */
  action: string;
  onConfirm: () => void;
  onCancel: () => void;
}

/** Asks before something is done, and says what is lost by it and what stays. */
export function ConfirmDialog(props: Props) {
  const text = useText();
  const footer = (
    <Box float="right">
      <SpaceBetween direction="horizontal" size="xs">
        <Button variant="link" onClick={props.onCancel}>
          {text("action.cancel")}
        </Button>
        <Button variant="primary" onClick={props.onConfirm} data-testid="confirm">
          {props.action}
        </Button>
      </SpaceBetween>
    </Box>
  );
  return (
    <Modal visible header={props.title} footer={footer} onDismiss={props.onCancel} closeAriaLabel={text("action.close")}>
      <SpaceBetween size="m">
        {props.names && (
          <ul>
            {props.names.map((name) => (
              <li key={name}>{name}</li>
            ))}
          </ul>
        )}
        {props.lost && (
          <div>
            <Box variant="awsui-key-label">{text("confirm.lost")}</Box>
            {props.lost}
          </div>
        )}
        <div>
          <Box variant="awsui-key-label">{text("confirm.kept")}</Box>
          {props.kept}
        </div>
      </SpaceBetween>
    </Modal>
  );
}
