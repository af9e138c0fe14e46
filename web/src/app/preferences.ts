import { applyMode, Mode } from "@cloudscape-design/global-styles";
import { createContext, useContext } from "react";
import { type Language, languages } from "../i18n/text.tsx";

/** How the console looks. "system" follows the machine's own choice. */
export const themes = ["light", "dark", "system"] as const;
export type Theme = (typeof themes)[number];

/** What a person has chosen for this browser. Nothing of it is secret. */
export interface Preferences {
  language: Language;
  theme: Theme;
}

/** The choices, and what changes them. */
export type PreferencesState = readonly [Preferences, (p: Preferences) => void];

const PreferencesContext = createContext<PreferencesState | undefined>(undefined);
export const PreferencesProvider = PreferencesContext.Provider;

export function usePreferences(): PreferencesState {
  const state = useContext(PreferencesContext);
  if (!state) throw new Error("usePreferences needs a PreferencesProvider around it");
  return state;
}

const key = "dth.preferences";

/** Reads the choices; what is missing or broken is what the browser asks for. */
export function readPreferences(): Preferences {
  const wanted = navigator.language.toLowerCase().startsWith("zh") ? "zh-CN" : "en";
  const kept = readKept<Partial<Preferences>>(key) ?? {};
  return {
    language: languages.find((l) => l === kept.language) ?? wanted,
    theme: themes.find((t) => t === kept.theme) ?? "system",
  };
}

export function keepPreferences(p: Preferences): void {
  keep(key, p);
}

/** Reads a choice that `keep` kept; undefined when there is none, or none that can be read. */
export function readKept<T>(name: string): T | undefined {
  try {
    return JSON.parse(localStorage.getItem(name) ?? "null") ?? undefined;
  } catch {
    return undefined;
  }
}

/** Keeps a choice in this browser, as long as it lets us. */
export function keep(name: string, value: unknown): void {
  try {
    localStorage.setItem(name, JSON.stringify(value));
  } catch {
    // A browser that keeps nothing shows the defaults the next time.
  }
}

/** Shows a theme, and goes on following the system where it is to. Returns what ends that. */
export function applyTheme(theme: Theme): () => void {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const show = () => applyMode(theme === "dark" || (theme === "system" && dark.matches) ? Mode.Dark : Mode.Light);
  show();
  if (theme !== "system") return () => undefined;
  dark.addEventListener("change", show);
  return () => dark.removeEventListener("change", show);
}
