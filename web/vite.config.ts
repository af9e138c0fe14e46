import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";
import { fontsAsFiles } from "./tools/fonts.ts";
import { keepFolder } from "./tools/keep.ts";

/** Where `npm run dev` sends what is not its own: a hub on this machine. */
const hub = process.env.DTH_HUB ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [fontsAsFiles(), react(), keepFolder()],
  build: {
    target: "es2022",
    // Nothing may be inlined as a data URL: the policy allows files of our own.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 2000,
    reportCompressedSize: false,
  },
  test: { environment: "happy-dom", include: ["src/**/*.test.{ts,tsx}"], restoreMocks: true },
  server: { host: "127.0.0.1", proxy: { "/graphql": hub, "/config.json": hub, "/oidc": hub } },
});
