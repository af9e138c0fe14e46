import axe from "axe-core";
import type { Page } from "playwright-core";

/** The rules of WCAG 2.1 at levels A and AA, and what axe calls good practice. */
const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"];

/** What axe finds wrong with the page as it is shown now, a line for each element. */
export async function violations(page: Page): Promise<string[]> {
  // The page's policy holds for its own scripts, not for what the browser's tools evaluate.
  await page.evaluate(`if (!window.axe) { ${axe.source} }`);
  const found = await page.evaluate(async (runOnly) => {
    const all = await (window as unknown as { axe: typeof axe }).axe.run(document, { runOnly, resultTypes: ["violations"] });
    return all.violations.flatMap((v) =>
      v.nodes.map((n) => `${v.id}: ${v.help}: ${n.target.join(" ")}: ${n.html.slice(0, 300)}: ${n.failureSummary ?? ""}`),
    );
  }, tags);
  return found;
}
