import type { FlashbarProps } from "@cloudscape-design/components/flashbar";
import { createContext, lazy, type ReactNode, Suspense, useCallback, useContext, useMemo, useRef, useState } from "react";
import { ApiError } from "../api/client.ts";
import { useText } from "../i18n/text.tsx";
import { explain } from "../parts/failure.tsx";

// Nobody waits for it at the first sight of the console: there is nothing to say yet.
const Flashbar = lazy(() => import("@cloudscape-design/components/flashbar"));

/** Messages above the page: what was done, and what failed. */
export interface Flash {
  success(content: string): void;
  info(content: string): void;
  failure(header: string, error: unknown): void;
}

const FlashContext = createContext<Flash | undefined>(undefined);
const ItemsContext = createContext<FlashbarProps.MessageDefinition[]>([]);

/** Keeps the messages. Those of success leave by themselves after ten seconds; failures stay until they are put away. */
export function FlashProvider(props: { children: ReactNode }) {
  const text = useText();
  const [items, setItems] = useState<FlashbarProps.MessageDefinition[]>([]);
  const next = useRef(0);
  const remove = useCallback((id: string) => setItems((all) => all.filter((i) => i.id !== id)), []);
  const flash = useMemo<Flash>(() => {
    const add = (item: FlashbarProps.MessageDefinition) => {
      const id = String(next.current++);
      setItems((all) =>
        [{ ...item, id, dismissible: true, dismissLabel: text("action.close"), onDismiss: () => remove(id) }, ...all].slice(0, 8),
      );
      if (item.type === "success" || item.type === "info") window.setTimeout(() => remove(id), 10_000);
    };
    return {
      success: (content) => add({ type: "success", content, ariaRole: "status" }),
      info: (content) => add({ type: "info", content, ariaRole: "status" }),
      failure: (header, error) =>
        add({ type: "error", header, ariaRole: "alert", content: error instanceof ApiError ? explain(error, text) : String(error) }),
    };
  }, [text, remove]);
  return (
    <FlashContext.Provider value={flash}>
      <ItemsContext.Provider value={items}>{props.children}</ItemsContext.Provider>
    </FlashContext.Provider>
  );
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
