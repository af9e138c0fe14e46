import Container from "@cloudscape-design/components/container";
import ExpandableSection from "@cloudscape-design/components/expandable-section";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";
import { useAbout } from "../../app/hub.tsx";
import { useText } from "../../i18n/text.tsx";
import type { Plugin } from "../../parts/contracts.ts";
import { ParameterField } from "./field.tsx";
import { pickerOf } from "./picker.tsx";
import { isNeeded } from "./rules.ts";
import { type Section, type Step, sections } from "./steps.ts";
import { type Contract, complete, defaultOf, isChanged, type Parameter, type Values } from "./values.ts";

interface Props {
  step: Step;
  plugin: Plugin;
  given: Values;
  /** The task is there: what is fixed cannot be changed. */
  frozen: boolean;
  errorOf: (field: string) => string | undefined;
  onChange: (name: string, value: string) => void;
}

/** The settings of one step, as the plugin's contract has them. */
export function SettingsStep(props: Props) {
  const text = useText();
  const { local } = useAbout();
  const { plugin, step, given } = props;
  return (
    <SpaceBetween size="l">
      {sections(plugin, step, given, local).map((section) => (
        <Container
          key={section.group}
          // The step's own title says it already where a step has one group.
          header={
            step === "fleet" && (
              <Header variant="h2">{section.group === "" ? text("create.schedule") : plugin.groupName(section.group)}</Header>
            )
          }
        >
          <SpaceBetween size="l">
            {section.first.map((p) => (
              <Field key={p.name} parameter={p} {...props} />
            ))}
            <More section={section} {...props} />
          </SpaceBetween>
        </Container>
      ))}
    </SpaceBetween>
  );
}

/** What few people need. It is open when something in it was given, or is wrong. */
function More(props: Props & { section: Section }) {
  const text = useText();
  const { plugin, given, section } = props;
  const [open, setOpen] = useState(() => section.more.some((p) => isChanged(plugin, p, given)));
  if (section.more.length === 0) return null;
  // Alone they need nothing to hide behind.
  if (section.first.length === 0) return section.more.map((p) => <Field key={p.name} {...props} parameter={p} />);
  const wrong = section.more.some((p) => props.errorOf(p.name));
  return (
    <ExpandableSection headerText={text("create.more")} expanded={open || wrong} onChange={(e) => setOpen(e.detail.expanded)}>
      <SpaceBetween size="l">
        {section.more.map((p) => (
          <Field key={p.name} parameter={p} {...props} />
        ))}
      </SpaceBetween>
    </ExpandableSection>
  );
}

/** The VPC that was chosen: plugins call it differently. */
export function vpcOf(plugin: Contract, given: Values): string {
  const vpc = plugin.parameters.find((p) => pickerOf(p.name) === "vpcs");
  return (vpc && complete(plugin, given)[vpc.name]) ?? "";
}

function Field(props: Props & { parameter: Parameter }) {
  const { parameter: p, plugin, given } = props;
  return (
    <div data-parameter={p.name}>
      <ParameterField
        parameter={p}
        given={given[p.name]}
        fallback={defaultOf(plugin, p, given)}
        error={props.errorOf(p.name)}
        needed={p.required || isNeeded(plugin.type, p.name, given)}
        frozen={props.frozen && p.fixed}
        vpc={vpcOf(plugin, given)}
        onChange={(value) => props.onChange(p.name, value)}
      />
    </div>
  );
}
