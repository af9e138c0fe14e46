import { common } from "./common.ts";
import { home } from "./home.ts";
import type { more } from "./more.ts";
import { tasks } from "./tasks.ts";

/** The texts in English that the first view needs. */
export const messages = { ...common, ...home, ...tasks };

/** The names of texts: those come first that are there from the beginning, then those that pages bring. */
export type FirstKey = keyof typeof messages;
export type MoreKey = keyof typeof more;
export type Key = FirstKey | MoreKey;

/** The texts of one language. */
export type Messages = Record<Key, string>;
