import { mkdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Plugin, ResolvedConfig } from "vite";

/** Moves Vite's manifest, which says what each page loads, out of the folder that is served: its size is measured by it. */
export function manifestAside(to: string): Plugin {
  let config: ResolvedConfig;
  return {
    name: "manifest-aside",
    apply: "build",
    configResolved(resolved) {
      config = resolved;
    },
    async closeBundle() {
      const from = join(config.root, config.build.outDir, ".vite");
      await mkdir(dirname(to), { recursive: true });
      await rename(join(from, "manifest.json"), to);
      await rm(from, { recursive: true });
    },
  };
}
