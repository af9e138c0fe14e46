import type { Key } from "../../i18n/text.tsx";

/** The classes of failures (worker/failure), of which texts say what they mean and what to do. */
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
  "digest_changed",
  "tag_immutable",
  "no_skopeo",
  "task",
  "other",
] as const;

/** The texts of a class; those of `other` for one that this console does not know. */
export function textsOf(name: string): { means: Key; fix: Key } {
  const known = classes.find((c) => c === name) ?? "other";
  return { means: `class.${known}`, fix: `class.${known}.fix` };
}
