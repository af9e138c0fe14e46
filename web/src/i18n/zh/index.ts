import type { Messages } from "../en/index.ts";
import { common } from "./common.ts";
import { create } from "./create.ts";
import { examine } from "./examine.ts";
import { home } from "./home.ts";
import { settings } from "./settings.ts";
import { task } from "./task.ts";
import { tasks } from "./tasks.ts";

/** All texts in Simplified Chinese. */
export const messages: Messages = { ...common, ...create, ...examine, ...home, ...tasks, ...task, ...settings };
