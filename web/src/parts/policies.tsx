import Box from "@cloudscape-design/components/box";
import ExpandableSection from "@cloudscape-design/components/expandable-section";
import SpaceBetween from "@cloudscape-design/components/space-between";
import type { PolicyPartsFragment } from "../api/generated.ts";
import { type Key, type Text, useText } from "../i18n/text.tsx";
import { Code } from "./code.tsx";

/** What the owners of both ends have to allow: documents to copy, or what to do where there is no document. */
export function Policies(props: { policies: PolicyPartsFragment[]; open?: boolean }) {
  const text = useText();
  if (props.policies.length === 0) return <Box color="text-body-secondary">{text("review.policies.none")}</Box>;
  return (
    <SpaceBetween size="s">
      {props.policies.map((p) => {
        const title = `${endName(p.end, text)}: ${kindName(p.kind, text)}`;
        return (
          <ExpandableSection key={`${p.end} ${p.kind} ${p.attachTo}`} headerText={title} defaultExpanded={props.open ?? true}>
            <SpaceBetween size="xs">
              {p.attachTo && <div>{text("review.policies.attach", { to: p.attachTo })}</div>}
              {p.text && <div>{p.text}</div>}
              {p.document && <Code name={title} content={p.document} />}
            </SpaceBetween>
          </ExpandableSection>
        );
      })}
    </SpaceBetween>
  );
}

/** The name of an end. */
export function endName(end: string, text: Text): string {
  return (text(`review.policies.${end}` as Key) as string | undefined) ?? end;
}

function kindName(kind: string, text: Text): string {
  return (text(`policy.${kind.replaceAll(" ", "_")}` as Key) as string | undefined) ?? kind;
}
