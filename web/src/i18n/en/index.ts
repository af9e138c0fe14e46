import { common } from "./common.ts";
import { create } from "./create.ts";
import { examine } from "./examine.ts";
import { home } from "./home.ts";
import { settings } from "./settings.ts";
import { task } from "./task.ts";
import { tasks } from "./tasks.ts";

/** All texts in English, from which the keys come. */
export const messages = { ...common, ...create, ...examine, ...home, ...tasks, ...task, ...settings };

/** The name of a text. */
export type Key = keyof typeof messages;

/** The texts of one language. */
export type Messages = Record<Key, string>;
