import { create } from "./create.ts";
import { examine } from "./examine.ts";
import { settings } from "./settings.ts";
import { task } from "./task.ts";

/** The texts in English of the pages that are loaded when somebody goes there. From all of these the keys come. */
export const more = { ...create, ...examine, ...settings, ...task };
