import type { Plugin } from "vite";

/** Writes the file that the repository keeps in dist, so that Go can embed the folder before the console was built. */
export function keepFolder(): Plugin {
  return {
    name: "keep-folder",
    apply: "build",
    generateBundle() {
      this.emitFile({ type: "asset", fileName: ".keep", source: "" });
    },
  };
}
