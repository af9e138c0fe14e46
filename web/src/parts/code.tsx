import Box from "@cloudscape-design/components/box";
import CopyToClipboard from "@cloudscape-design/components/copy-to-clipboard";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useText } from "../i18n/text.tsx";
import "./code.css";

/** A text as it is to be taken elsewhere, with a button that copies it. `name` says what it is to who does not see it. */
export function Code(props: { name: string; content: string }) {
  const text = useText();
  return (
    <SpaceBetween size="xs">
      <Box float="right">
        <CopyToClipboard
          copyButtonText={text("action.copy")}
          copyButtonAriaLabel={text("code.copy", { name: props.name })}
          copySuccessText={text("action.copied")}
          copyErrorText={text("action.notCopied")}
          textToCopy={props.content}
        />
      </Box>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard */}
      <section className="code" tabIndex={0} aria-label={props.name}>
        <pre>{props.content}</pre>
      </section>
    </SpaceBetween>
  );
}
