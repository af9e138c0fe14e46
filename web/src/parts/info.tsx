import Link from "@cloudscape-design/components/link";
import { useHelp } from "../app/page.tsx";
import { useText } from "../i18n/text.tsx";

/** Opens the help of the page, beside its title. */
export function InfoLink() {
  const text = useText();
  const open = useHelp();
  return (
    <Link variant="info" onFollow={open} ariaLabel={`${text("action.info")}: ${text("nav.toolsOpen")}`}>
      {text("action.info")}
    </Link>
  );
}
