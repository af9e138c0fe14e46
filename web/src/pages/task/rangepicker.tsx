import DateRangePicker from "@cloudscape-design/components/date-range-picker";
import FormField from "@cloudscape-design/components/form-field";
import { useCallback } from "react";
import { useSearchParams } from "react-router";
import { useText } from "../../i18n/text.tsx";
import { isPossible, lengths, type Range, readRange, writeRange } from "./range.ts";

/** What is looked at stands in the address. What is given as undefined or "" is taken out of it. */
export function useAddress(): [URLSearchParams, (change: Record<string, string | undefined>) => void] {
  const [address, setAddress] = useSearchParams();
  const change = useCallback(
    (changes: Record<string, string | undefined>) =>
      setAddress(
        (before) => {
          const after = new URLSearchParams(before);
          for (const [name, value] of Object.entries(changes)) {
            if (value) after.set(name, value);
            else after.delete(name);
          }
          return after;
        },
        { replace: true },
      ),
    [setAddress],
  );
  return [address, change];
}

/** The range in the address, and what changes it. */
export function useRange(otherwise: string): [Range, (range: Range) => void] {
  const [address, change] = useAddress();
  return [readRange(address, otherwise), (range) => change(writeRange(range))];
}

/** Chooses the time that is looked at. */
export function RangePicker(props: { range: Range; onChange: (range: Range) => void; disabled?: boolean }) {
  const text = useText();
  return (
    <FormField label={text("task.range")}>
      <DateRangePicker
        value={props.range}
        onChange={(e) => e.detail.value && props.onChange(e.detail.value)}
        relativeOptions={lengths}
        isValidRange={(r) => (isPossible(r) ? { valid: true } : { valid: false, errorMessage: text("task.range.bad") })}
        showClearButton={false}
        placeholder={text("task.range.choose")}
        rangeSelectorMode="default"
        disabled={props.disabled}
        expandToViewport
      />
    </FormField>
  );
}
