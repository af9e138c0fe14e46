import { useEffect, useState } from "react";
import { localTime, relative, utcTime } from "../format.ts";
import { type Key, useText, type Values } from "../i18n/text.tsx";

/** The time now, which comes again every `seconds`. */
export function useNow(seconds = 10): Date {
  const [now, setNow] = useState(() => new Date());
  useEffect(() => {
    const timer = window.setInterval(() => setNow(new Date()), seconds * 1000);
    return () => window.clearInterval(timer);
  }, [seconds]);
  return now;
}

/** A time in the zone of who looks, or how long ago it was; UTC shows when one points at it. */
export function Time(props: { at: string | null | undefined; relative?: boolean }) {
  const text = useText();
  const now = useNow();
  if (!props.at) return <>{text("value.none")}</>;
  const local = localTime(props.at, text.language);
  const utc = text("time.utc", { time: utcTime(props.at) });
  return (
    <time dateTime={props.at} title={props.relative ? `${local} (${utc})` : utc}>
      {props.relative ? relative(props.at, now, text) : local}
    </time>
  );
}

/** A sentence with a time in it, under the name `time`. */
export function Sentence(props: { of: Key; at: string; values?: Values; relative?: boolean }) {
  const text = useText();
  const place = "\u0000";
  const [before, after] = text(props.of, { ...props.values, time: place }).split(place);
  return (
    <>
      {before}
      <Time at={props.at} relative={props.relative} />
      {after}
    </>
  );
}
