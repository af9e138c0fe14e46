import { createHash } from "node:crypto";
import type { Plugin } from "vite";

/** A font inside a style sheet, as `@cloudscape-design/global-styles` has eight of them. */
const inlined = /url\((['"]?)data:(?:font|application)\/(?:x-font-)?(woff2?);[^,]*base64,([A-Za-z0-9+/=]+)\1\)/g;

/**
 * Keeps fonts out of style sheets: each becomes a file of its own, which browsers load when they need it, and
 * which a policy of `font-src 'self'` allows.
 */
export function fontsAsFiles(): Plugin {
  return {
    name: "fonts-as-files",
    apply: "build",
    enforce: "post",
    generateBundle(_, bundle) {
      for (const sheet of Object.values(bundle)) {
        if (sheet.type !== "asset" || !sheet.fileName.endsWith(".css")) continue;
        sheet.source = String(sheet.source).replace(inlined, (_match, _quote, kind: string, text: string) => {
          const font = Buffer.from(text, "base64");
          const name = `font-${createHash("sha256").update(font).digest("hex").slice(0, 10)}.${kind}`;
          this.emitFile({ type: "asset", fileName: `assets/${name}`, source: font });
          return `url(${name})`;
        });
      }
    },
  };
}
