import Box from "@cloudscape-design/components/box";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import RadioGroup from "@cloudscape-design/components/radio-group";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";
import { localTime, utcTime } from "../../format.ts";
import { useText } from "../../i18n/text.tsx";
import { nextTimes, parse } from "../../parts/cron.ts";
import { useNow } from "../../parts/time.tsx";

const presets = {
  quarter: "0/15 * * * ? *",
  hourly: "0 * * * ? *",
  daily: "0 2 * * ? *",
  workdays: "0 18 ? * MON-FRI *",
  weekly: "0 2 ? * SUN *",
  monthly: "0 2 1 * ? *",
} as const;
type Preset = keyof typeof presets | "custom";

interface Props {
  value: string;
  /** What it is when nobody has said anything. */
  fallback: string;
  error: string | undefined;
  onChange: (value: string) => void;
}

/** When passes are made: once, or by an expression whose next times are shown. */
export function ScheduleField(props: Props) {
  const text = useText();
  const { value, onChange } = props;
  const once = value === "";
  return (
    <SpaceBetween size="l">
      <FormField label={text("schedule.kind")}>
        <RadioGroup
          value={once ? "once" : "repeat"}
          onChange={(e) => onChange(e.detail.value === "once" ? "" : props.fallback || presets.hourly)}
          items={(["repeat", "once"] as const).map((k) => ({
            value: k,
            label: text(`schedule.${k}`),
            description: text(`schedule.${k}.text`),
          }))}
        />
      </FormField>
      {!once && <Expression {...props} />}
    </SpaceBetween>
  );
}

function Expression(props: Props) {
  const text = useText();
  const { value, onChange } = props;
  const known = (Object.keys(presets) as (keyof typeof presets)[]).find((k) => presets[k] === value.trim()) ?? "custom";
  const options = ([...Object.keys(presets), "custom"] as Preset[]).map((k) => ({ value: k, label: text(`schedule.preset.${k}`) }));
  return (
    <ColumnLayout columns={2}>
      <SpaceBetween size="l">
        <FormField label={text("schedule.preset")}>
          <Select
            selectedOption={options.find((o) => o.value === known) ?? null}
            options={options}
            onChange={(e) => {
              const chosen = e.detail.selectedOption.value as Preset;
              if (chosen !== "custom") onChange(presets[chosen]);
            }}
          />
        </FormField>
        <FormField label={text("schedule.expression")} description={text("schedule.form")} errorText={props.error}>
          <Input
            value={value}
            // Nothing typed is no schedule yet, and must not jump to Once.
            onChange={(e) => onChange(e.detail.value === "" ? " " : e.detail.value)}
            spellcheck={false}
            autoComplete={false}
          />
        </FormField>
      </SpaceBetween>
      <NextTimes expression={value} />
    </ColumnLayout>
  );
}

/** The next five times of a schedule, here and in UTC. */
function NextTimes(props: { expression: string }) {
  const text = useText();
  const now = useNow(60);
  const schedule = parse(props.expression);
  const wrong = "fault" in schedule;
  const times = wrong ? [] : nextTimes(schedule, now, 5);
  return (
    <SpaceBetween size="xxs">
      <Table
        variant="embedded"
        header={<Box variant="awsui-key-label">{text("schedule.next")}</Box>}
        items={times}
        trackBy={(t) => t.toISOString()}
        columnDefinitions={[
          { id: "local", header: text("schedule.next.local"), cell: (t) => localTime(t, text.language), isRowHeader: true },
          { id: "utc", header: text("schedule.next.utc"), cell: (t) => utcTime(t) },
        ]}
        empty={text(wrong ? "schedule.next.wrong" : "schedule.next.none")}
        ariaLabels={{ tableLabel: text("schedule.next") }}
      />
      {props.expression.includes("rate(") && (
        <Box variant="small" color="text-body-secondary">
          {text("schedule.next.rate")}
        </Box>
      )}
    </SpaceBetween>
  );
}
