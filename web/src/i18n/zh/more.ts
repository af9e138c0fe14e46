import type { MoreKey } from "../en/index.ts";
import { create } from "./create.ts";
import { examine } from "./examine.ts";
import { settings } from "./settings.ts";
import { task } from "./task.ts";

/** The texts in Simplified Chinese of the pages that are loaded when somebody goes there. */
export const more: Record<MoreKey, string> = { ...create, ...examine, ...settings, ...task };
