import { defineConfig } from "vitest/config";

/** The console in a browser, before a real hub. `make test-journeys` builds what it needs. */
export default defineConfig({
  test: {
    environment: "node",
    include: ["journeys/**/*.test.ts"],
    // Each file has a hub, its stores and a browser; machines with two cores are usual.
    maxWorkers: 2,
    testTimeout: 180_000,
    hookTimeout: 120_000,
    restoreMocks: true,
  },
});
