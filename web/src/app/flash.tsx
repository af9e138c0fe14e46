import type { FlashbarProps } from "@cloudscape-design/components/flashbar";
import { createContext, lazy, type ReactNode, Suspense, useCallback, useContext, useEffect, useMemo, useRef, useState } from "react";
import { ApiError } from "../api/client.ts";
import { type Text, useText } from "../i18n/text.tsx";
import { explain } from "../parts/failure.tsx";

// Nobody waits for it at the first sight of the console: there is nothing to say yet.
const load = () => import("@cloudscape-design/components/flashbar");
const Flashbar = lazy(load);

/** Messages above the page: what was done, and what failed. */
export interface Flash {
  success(content: string): void;
  info(content: string): void;
  failure(header: string, error: unknown): void;
  /** Several things failed together: one message names each. */
  failures(header: string, all: { name: string; error: unknown }[]): void;
}

const FlashContext = createContext<Flash | undefined>(undefined);
const ItemsContext = createContext<FlashbarProps.MessageDefinition[]>([]);

/** Keeps the messages. Those of success leave by themselves after ten seconds; failures stay until they are put away. */
export function FlashProvider(props: { children: ReactNode }) {
  const text = useText();
  const [items, setItems] = useState<FlashbarProps.MessageDefinition[]>([]);
  const next = useRef(0);
  // A hub that has gone could not bring it any more when there is something to say about that.
  useEffect(() => {
    const timer = window.setTimeout(() => void load().catch(() => undefined), 2_000);
    return () => window.clearTimeout(timer);
  }, []);
  const remove = useCallback((id: string) => setItems((all) => all.filter((i) => i.id !== id)), []);
  const flash = useMemo<Flash>(() => {
    const add = (item: FlashbarProps.MessageDefinition) => {
      const id = String(next.current++);
      setItems((all) => few([{ ...item, id, dismissible: true, dismissLabel: text("action.close"), onDismiss: () => remove(id) }, ...all]));
      if (item.type === "success" || item.type === "info") window.setTimeout(() => remove(id), 10_000);
    };
    return {
      success: (content) => add({ type: "success", content, ariaRole: "status" }),
      info: (content) => add({ type: "info", content, ariaRole: "status" }),
      failure: (header, error) => add({ type: "error", header, ariaRole: "alert", content: said(error, text) }),
      failures: (header, all) =>
        add({
          type: "error",
          header,
          ariaRole: "alert",
          content: (
            <ul>
              {all.map(({ name, error }) => (
                <li key={name}>
                  <strong>{name}</strong>
                  {said(error, text)}
                </li>
              ))}
            </ul>
          ),
        }),
    };
  }, [text, remove]);
  return (
    <FlashContext.Provider value={flash}>
      <ItemsContext.Provider value={items}>{props.children}</ItemsContext.Provider>
    </FlashContext.Provider>
  );
}

function said(error: unknown, text: Text): ReactNode {
  return error instanceof ApiError ? explain(error, text) : String(error);
}

/** The messages that are kept: eight of what went well, the newest, and all failures. */
function few(items: FlashbarProps.MessageDefinition[]): FlashbarProps.MessageDefinition[] {
  const well = items.filter((i) => i.type !== "error").slice(0, 8);
  return items.filter((i) => i.type === "error" || well.includes(i));
}

/** Where messages are shown. */
export function FlashMessages() {
  const items = useContext(ItemsContext);
  if (items.length === 0) return null;
  return (
    <Suspense>
      <Flashbar items={items} stackItems />
    </Suspense>
  );
}

export function useFlash(): Flash {
  const flash = useContext(FlashContext);
  if (!flash) throw new Error("useFlash needs a FlashProvider around it");
  return flash;
}
