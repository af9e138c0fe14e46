import type { FirstKey } from "../en/index.ts";
import { common } from "./common.ts";
import { home } from "./home.ts";
import { tasks } from "./tasks.ts";

/** The texts in Simplified Chinese that the first view needs. */
export const messages: Record<FirstKey, string> = { ...common, ...home, ...tasks };
