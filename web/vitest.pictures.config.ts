import { defineConfig, mergeConfig } from "vitest/config";
import journeys from "./vitest.journeys.config.ts";

/** The pictures of the guide, taken from a hub that runs. `make pictures` builds what they need. */
export default defineConfig(() => {
  const own = mergeConfig(journeys, {});
  return { ...own, test: { ...own.test, include: ["journeys/**/*.pictures.ts"] } };
});
