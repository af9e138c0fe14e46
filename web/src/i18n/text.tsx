import { IntlMessageFormat } from "intl-messageformat";
import { createContext, type ReactNode, useContext, useEffect, useMemo } from "react";
import type { Key, Messages } from "./en/index.ts";

/** The languages of the console, as BCP 47 names them. */
export const languages = ["en", "zh-CN"] as const;
export type Language = (typeof languages)[number];
export type { Key, Messages };

/** What stands in the places of a message. */
export type Values = Record<string, string | number>;

/** Texts of one language. */
export interface Text {
  language: Language;
  /** The message of a key, with its places filled. */
  (key: Key, values?: Values): string;
}

/** Makes the texts of a language. Messages are in ICU's syntax: https://unicode-org.github.io/icu/userguide/format_parse/messages/ */
export function newText(language: Language, messages: Messages): Text {
  const read = new Map<Key, IntlMessageFormat>();
  const text = (key: Key, values?: Values): string => {
    if (!values) return messages[key];
    let message = read.get(key);
    if (!message) {
      message = new IntlMessageFormat(messages[key], language, undefined, { ignoreTag: true });
      read.set(key, message);
    }
    return String(message.format(values));
  };
  return Object.assign(text, { language });
}

/** Brings the messages of a language: each is a file of its own, so that nobody loads two. `more` are those of all pages. */
export async function loadMessages(language: Language, more: boolean): Promise<Messages> {
  const chinese = language === "zh-CN";
  const [first, others] = await Promise.all([
    chinese ? import("./zh/index.ts") : import("./en/index.ts"),
    more ? (chinese ? import("./zh/more.ts") : import("./en/more.ts")) : { more: {} },
  ]);
  // Pages whose texts are among the others wait for them: see MoreTexts.
  return { ...first.messages, ...others.more } as Messages;
}

const Context = createContext<Text | undefined>(undefined);

const MoreContext = createContext({ there: true, failed: false, need: () => {} });

interface ProviderProps {
  language: Language;
  messages: Messages;
  /** Whether the texts of all pages are there; `onNeed` is told when a page is shown that needs them. */
  more?: boolean;
  /** Texts that were asked for could not be brought. */
  failed?: boolean;
  onNeed?: () => void;
  children: ReactNode;
}

export function TextProvider(props: ProviderProps) {
  const text = useMemo(() => newText(props.language, props.messages), [props.language, props.messages]);
  const { more = true, failed = false, onNeed } = props;
  const wanted = useMemo(() => ({ there: more, failed, need: () => onNeed?.() }), [more, failed, onNeed]);
  return (
    <Context.Provider value={text}>
      <MoreContext.Provider value={wanted}>{props.children}</MoreContext.Provider>
    </Context.Provider>
  );
}

/** Shows what is inside when the texts of all pages are there, and sees to it that they are brought. */
export function MoreTexts(props: { waiting: ReactNode; failed: ReactNode; children: ReactNode }) {
  const { there, failed, need } = useContext(MoreContext);
  useEffect(() => {
    if (!there) need();
  }, [there, need]);
  if (there) return props.children;
  return failed ? props.failed : props.waiting;
}

/** The texts of the language that was chosen. */
export function useText(): Text {
  const text = useContext(Context);
  if (!text) throw new Error("useText needs a TextProvider around it");
  return text;
}
