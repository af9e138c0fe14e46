import type { Plugin } from "vite";

const part = "feature-notifications-drawer-content";
const empty = "\0without-feature-notifications";

/**
 * Leaves the drawer for feature notifications out of Cloudscape's AppLayout. Only a console with Cloudscape's notification plugin
 * shows one, and its list brings drag and drop along: 25 kB of the first load, with gzip.
 */
export function withoutFeatureNotifications(): Plugin {
  return {
    name: "without-feature-notifications",
    enforce: "pre",
    resolveId: (source, importer) => (source.endsWith(`/${part}`) && importer?.includes("@cloudscape-design") ? empty : undefined),
    load: (id) => (id === empty ? "export const RuntimeContentPart = () => null;\nexport default RuntimeContentPart;\n" : undefined),
  };
}
