import Input from "@cloudscape-design/components/input";
import { useEffect, useRef, useState } from "react";

/** Milliseconds in which nothing is typed before it counts. */
const still = 500;

interface Props {
  value: string;
  onSettle: (value: string) => void;
  placeholder?: string;
  ariaLabel?: string;
}

/** A field to search by: what is typed counts when somebody stops typing, so that not every letter is a question to the hub. */
export function Settled(props: Props) {
  const { value, onSettle } = props;
  const [typed, setTyped] = useState(value);
  const told = useRef(value);
  useEffect(() => {
    // What comes back is not taken over what was typed since; what others have changed is.
    if (value !== told.current) setTyped(value);
    told.current = value;
  }, [value]);
  const tell = (now: string) => {
    if (now === told.current) return;
    told.current = now;
    onSettle(now);
  };
  const latest = useRef(tell);
  useEffect(() => {
    latest.current = tell;
  });
  useEffect(() => {
    const timer = window.setTimeout(() => latest.current(typed), still);
    return () => window.clearTimeout(timer);
  }, [typed]);
  return (
    <Input
      type="search"
      value={typed}
      placeholder={props.placeholder}
      ariaLabel={props.ariaLabel}
      onChange={(e) => {
        setTyped(e.detail.value);
        if (e.detail.value === "") tell("");
      }}
      onKeyDown={(e) => e.detail.key === "Enter" && tell(typed)}
    />
  );
}
