import react from "@vitejs/plugin-react";
import type { ProxyOptions } from "vite";
import { defineConfig } from "vitest/config";
import { manifestAside } from "./tools/aside.ts";
import { fontsAsFiles } from "./tools/fonts.ts";
import { keepFolder } from "./tools/keep.ts";
import { withoutFeatureNotifications } from "./tools/spare.ts";

/** Where `npm run dev` sends what is not its own: a hub on this machine. */
const hub = process.env.DTH_HUB ?? "http://127.0.0.1:8080";

/** A hub refuses requests that pages of other addresses make, and the development server has one of its own. */
const toHub: ProxyOptions = {
  target: hub,
  changeOrigin: true,
  configure: (proxy) => proxy.on("proxyReq", (request) => request.removeHeader("origin")),
};

/** Where the build says what each page loads, for the tests. */
const manifest = new URL("../.cache/console/manifest.json", import.meta.url).pathname;

export default defineConfig({
  plugins: [withoutFeatureNotifications(), fontsAsFiles(), react(), keepFolder(), manifestAside(manifest)],
  build: {
    target: "es2022",
    // Nothing may be inlined as a data URL: the policy allows files of our own.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    manifest: true,
    chunkSizeWarningLimit: 2000,
    reportCompressedSize: false,
  },
  test: { environment: "happy-dom", include: ["src/**/*.test.{ts,tsx}"], restoreMocks: true, testTimeout: 30_000 },
  server: { host: "127.0.0.1", proxy: { "/graphql": toHub, "/config.json": toHub, "/oidc": toHub } },
});
