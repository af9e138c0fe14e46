import Box from "@cloudscape-design/components/box";
import Checkbox from "@cloudscape-design/components/checkbox";
import DatePicker from "@cloudscape-design/components/date-picker";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import RadioGroup from "@cloudscape-design/components/radio-group";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Textarea from "@cloudscape-design/components/textarea";
import TimeInput from "@cloudscape-design/components/time-input";
import { useState } from "react";
import { localTime } from "../../format.ts";
import { type Text, useText } from "../../i18n/text.tsx";
import { choiceName, valueText } from "../../parts/contracts.ts";
import { parseRate, parseSize } from "../../parts/sizes.ts";
import { isTime } from "./check.ts";
import { ListPicker, Picker, pickerOf } from "./picker.tsx";
import { ScheduleField } from "./schedule.tsx";
import { linesOf, listOf, type Parameter } from "./values.ts";

interface Props {
  parameter: Parameter;
  /** What somebody has given; undefined: nothing. */
  given: string | undefined;
  /** What it is when nobody gives it. */
  fallback: string;
  error: string | undefined;
  /** It has to be given, with the other values as they are. */
  needed: boolean;
  /** It belongs to a task that is there, and cannot be changed. */
  frozen: boolean;
  /** The VPC that was chosen, whose subnets can be. */
  vpc: string;
  onChange: (value: string) => void;
}

/** One parameter of a plugin: its label, its help, what is allowed, and a control that suits its type. */
export function ParameterField(props: Props) {
  const { parameter: p } = props;
  if (props.frozen) return <Frozen {...props} />;
  if (p.type === "cron") return <ScheduleField value={props.given ?? props.fallback} {...props} />;
  if (p.type === "bool") return <BoolField {...props} />;
  return <Labelled {...props} />;
}

function Frozen(props: Props) {
  const text = useText();
  const { parameter: p, given, fallback } = props;
  const value = valueText(p, given || fallback, text);
  return (
    <FormField label={p.label} description={p.help} constraintText={text("field.fixed")}>
      <Input readOnly value={value || text("field.none")} />
    </FormField>
  );
}

function BoolField(props: Props) {
  const { parameter: p } = props;
  return (
    <FormField errorText={props.error}>
      <Checkbox
        checked={(props.given || props.fallback) === "true"}
        description={p.help}
        onChange={(e) => props.onChange(String(e.detail.checked))}
      >
        {p.label}
      </Checkbox>
    </FormField>
  );
}

function Labelled(props: Props) {
  const text = useText();
  const { parameter: p } = props;
  const optional = !props.needed && props.fallback === "" && p.type !== "choice";
  return (
    <FormField
      label={
        optional ? (
          <>
            {p.label} <i>{`- ${text("create.optional")}`}</i>
          </>
        ) : (
          p.label
        )
      }
      description={p.help}
      constraintText={constraint(props, text)}
      errorText={props.error}
      stretch={p.type === "lines" || p.type === "list"}
    >
      <Control {...props} />
    </FormField>
  );
}

/** Whether a rule says only how long a text may be: who comes near that is told then. */
function isLength(p: Parameter): boolean {
  return p.type === "string" && p.pattern === null && p.maxBytes !== null && /\d/.test(p.rule ?? "") && (p.rule ?? "").includes("UTF-8");
}

/** What is allowed, the default, and how a value is read. */
function constraint(props: Props, text: Text): string | undefined {
  const { parameter: p, given = "", fallback } = props;
  const parts: string[] = [];
  // An error says what is allowed by itself.
  if (props.error) return undefined;
  if (p.rule && !isLength(p)) parts.push(text("fault.rule", { rule: p.rule }));
  else if (p.type === "integer" || p.type === "percent") parts.push(text("fault.between", { min: p.min ?? 0, max: p.max ?? 0 }));
  if (fallback !== "" && p.type !== "choice") parts.push(text("create.default", { value: valueText(p, fallback, text) }));
  const read = p.type === "size" ? parseSize(given) : p.type === "rate" ? parseRate(given) : undefined;
  if (read !== undefined && /[a-z]/i.test(given))
    parts.push(text("field.bytes", { bytes: new Intl.NumberFormat(text.language).format(read) }));
  const entries = p.type === "list" ? listOf(given).length : p.type === "lines" ? linesOf(given).length : 0;
  if (entries > 1) parts.push(text("field.entries", { count: entries }));
  return parts.length > 0 ? parts.join(" · ") : undefined;
}

function Control(props: Props) {
  const { parameter: p, fallback, onChange } = props;
  const value = props.given ?? fallback;
  const kind = pickerOf(p.name);
  if (kind && p.type === "list") return <ListPicker kind={kind} value={value} vpc={props.vpc} onChange={onChange} />;
  if (kind) return <Picker kind={kind} value={value} placeholder={fallback} vpc={props.vpc} onChange={onChange} />;
  switch (p.type) {
    case "choice":
      return <ChoiceControl {...props} />;
    case "time":
      return <TimeControl value={value} onChange={onChange} />;
    case "list":
    case "lines":
      return (
        <Textarea
          value={value}
          placeholder={fallback}
          rows={Math.min(8, Math.max(3, value.split("\n").length))}
          spellcheck={false}
          onChange={(e) => onChange(e.detail.value)}
        />
      );
    case "integer":
    case "percent":
      return (
        <Input
          value={value.replace(/%$/, "")}
          placeholder={fallback}
          inputMode="numeric"
          autoComplete={false}
          onChange={(e) => onChange(e.detail.value.trim())}
        />
      );
    default:
      return (
        <Input
          value={value}
          placeholder={fallback}
          spellcheck={false}
          autoComplete={false}
          type={p.name.endsWith("Email") ? "email" : "text"}
          onChange={(e) => onChange(e.detail.value)}
        />
      );
  }
}

/** A few choices are all seen at once; many are in a list. */
function ChoiceControl(props: Props) {
  const text = useText();
  const { parameter: p, onChange } = props;
  const value = props.given || props.fallback;
  const options = p.allowed.map((v) => {
    const label = choiceName(v, text);
    return { value: v, label, description: label === v ? undefined : v };
  });
  if (options.length <= 3)
    return (
      <RadioGroup
        value={value}
        items={options.map(({ value: v, label }) => ({ value: v, label }))}
        onChange={(e) => onChange(e.detail.value)}
      />
    );
  return (
    <Select
      selectedOption={options.find((o) => o.value === value) ?? { value, label: value }}
      options={options}
      filteringType={options.length > 10 ? "auto" : "none"}
      onChange={(e) => onChange(e.detail.selectedOption.value ?? "")}
    />
  );
}

/** A time in UTC, as two fields; both empty: none. What is half given is sent as it is, and refused. */
function TimeControl(props: { value: string; onChange: (value: string) => void }) {
  const text = useText();
  const start = isTime(props.value) ? new Date(props.value).toISOString() : "";
  const [date, setDate] = useState(start.slice(0, 10));
  const [time, setTime] = useState(start.slice(11, 19));
  const change = (d: string, t: string) => {
    setDate(d);
    setTime(t);
    const full = t.length === 5 ? `${t}:00` : t;
    props.onChange(d === "" && t === "" ? "" : `${d}T${full || "00:00:00"}Z`);
  };
  return (
    <SpaceBetween size="xxs">
      <SpaceBetween direction="horizontal" size="xs">
        <FormField label={text("field.date")}>
          <DatePicker
            value={date}
            placeholder={text("field.datePlaceholder")}
            locale={text.language}
            openCalendarAriaLabel={() => text("field.date")}
            previousMonthAriaLabel={text("field.previousMonth")}
            nextMonthAriaLabel={text("field.nextMonth")}
            todayAriaLabel={text("field.today")}
            onChange={(e) => change(e.detail.value, time)}
          />
        </FormField>
        <FormField label={text("field.time")}>
          <TimeInput value={time} placeholder={text("field.timePlaceholder")} onChange={(e) => change(date, e.detail.value)} />
        </FormField>
      </SpaceBetween>
      {isTime(props.value) && (
        <Box variant="small" color="text-body-secondary">
          {text("field.local", { time: localTime(props.value, text.language) })}
        </Box>
      )}
    </SpaceBetween>
  );
}
