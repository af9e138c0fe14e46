import type { Key } from "../../i18n/text.tsx";

/** The classes of failures of objects (worker/failure), of which texts say what they mean and what to do. */
export const classes = [
  "access_denied",
  "bad_credentials",
  "no_such_bucket",
  "wrong_region",
  "kms",
  "not_found",
  "changed",
  "conflict",
  "archived",
  "throttled",
  "network",
  "server",
  "checksum",
  "too_large",
  "destination_refuses",
  "other",
] as const;

/** Those that only images have (worker/image). */
const ofImagesOnly = ["digest_changed", "tag_immutable", "no_skopeo", "task", "image_not_found"] as const;

/** The texts of a class; those of `other` for one that this console does not know. */
export function textsOf(name: string, ofImages = false): { means: Key; fix: Key } {
  // An object that is gone is no failure; an image that a list names is one.
  const wanted = ofImages && name === "not_found" ? "image_not_found" : name;
  const known = [...classes, ...ofImagesOnly].find((c) => c === wanted) ?? "other";
  return { means: `class.${known}`, fix: `class.${known}.fix` };
}
