import { IntlMessageFormat } from "intl-messageformat";
import { createContext, type ReactNode, useContext, useMemo } from "react";
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

/** Brings the messages of a language: each is a file of its own, so that nobody loads two. */
export async function loadMessages(language: Language): Promise<Messages> {
  return language === "zh-CN" ? (await import("./zh/index.ts")).messages : (await import("./en/index.ts")).messages;
}

const Context = createContext<Text | undefined>(undefined);

export function TextProvider(props: { language: Language; messages: Messages; children: ReactNode }) {
  const text = useMemo(() => newText(props.language, props.messages), [props.language, props.messages]);
  return <Context.Provider value={text}>{props.children}</Context.Provider>;
}

/** The texts of the language that was chosen. */
export function useText(): Text {
  const text = useContext(Context);
  if (!text) throw new Error("useText needs a TextProvider around it");
  return text;
}
