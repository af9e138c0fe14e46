import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import type { ReactNode } from "react";
import type { ApiError } from "../api/client.ts";
import { type Text, useText } from "../i18n/text.tsx";

/** What an error of the API says, with what to do about it. */
export function explain(error: ApiError, text: Text): ReactNode {
  const { message, next } = words(error, text);
  const faults = error.faults.length > 1 ? error.faults : [];
  return (
    <SpaceBetween size="xxs">
      <div>{message}</div>
      {faults.length > 0 && (
        <ul>
          {faults.map((f) => (
            <li key={f.field + f.message}>{f.message}</li>
          ))}
        </ul>
      )}
      {next !== "" && <div>{text("error.next", { next })}</div>}
    </SpaceBetween>
  );
}

/** The words of an error: those of the hub, and ours where the hub said nothing. */
export function words(error: ApiError, text: Text): { message: string; next: string } {
  switch (error.code) {
    case "UNREACHABLE":
      return { message: text("error.UNREACHABLE"), next: text("error.UNREACHABLE.next") };
    case "UNAUTHENTICATED":
      return { message: text("error.UNAUTHENTICATED"), next: error.next };
    default:
      return { message: error.message || text("error.INTERNAL"), next: error.next };
  }
}

/** Stands where something could not be loaded; with the heading of the page where that is all that the page has. */
export function Failure(props: { error: ApiError; onRetry?: () => void; heading?: string }) {
  const text = useText();
  const alert = (
    <Alert
      type="error"
      header={text("error.title")}
      action={props.onRetry && <Button onClick={props.onRetry}>{text("error.retry")}</Button>}
    >
      {explain(props.error, text)}
    </Alert>
  );
  if (props.heading === undefined) return alert;
  return (
    <SpaceBetween size="m">
      <Header variant="h1">{props.heading}</Header>
      {alert}
    </SpaceBetween>
  );
}

/** Stands where there is nothing yet: why, and what to do about it. */
export function Empty(props: { title: string; text?: string; action?: ReactNode }) {
  return (
    <Box textAlign="center" color="inherit" padding={{ vertical: "s" }}>
      <SpaceBetween size="xs">
        <Box variant="strong" color="inherit">
          {props.title}
        </Box>
        {props.text && (
          <Box variant="p" color="text-body-secondary">
            {props.text}
          </Box>
        )}
        {props.action}
      </SpaceBetween>
    </Box>
  );
}
