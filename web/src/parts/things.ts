import type { Text } from "../i18n/text.tsx";

/** A number of what a task copies: of objects, or of images. */
export function things(count: number, ofImages: boolean, text: Text): string {
  return text(ofImages ? "unit.images" : "unit.objects", { count });
}
