import TopNavigation, { type TopNavigationProps } from "@cloudscape-design/components/top-navigation";
import { createPortal } from "react-dom";
import { type Language, languages, useText } from "../i18n/text.tsx";
import { useAbout, useHub } from "./hub.tsx";
import { type Theme, themes, usePreferences } from "./preferences.ts";

/** Each language by its own name: who looks for it may not read the one that is shown. */
const languageNames: Record<Language, string> = { en: "English", "zh-CN": "中文(简体)" };

/** The element that holds the page. */
export const contentId = "content";

/** The bar at the top: the product, where the hub is, language, theme, and who is signed in. */
export function TopBar() {
  const text = useText();
  const { signOut } = useHub();
  const about = useAbout();
  const [preferences, setPreferences] = usePreferences();
  const mark = (chosen: boolean) => (chosen ? { iconName: "check" as const } : {});
  const place = about.local ? text("product.thisMachine") : [about.region, about.account].filter(Boolean).join(" · ");
  const { role } = about.caller;
  const utilities: TopNavigationProps.Utility[] = [
    {
      type: "button",
      text: place,
      disableUtilityCollapse: false,
      iconName: "globe",
      ariaLabel: `${text("menu.region")}: ${place}`,
      href: "/settings",
    },
    {
      type: "menu-dropdown",
      text: languageNames[preferences.language],
      ariaLabel: `${text("menu.language")}: ${languageNames[preferences.language]}`,
      items: languages.map((l) => ({ id: l, text: languageNames[l], ...mark(l === preferences.language) })),
      onItemClick: (e) => setPreferences({ ...preferences, language: e.detail.id as Language }),
    },
    {
      type: "menu-dropdown",
      iconName: "settings",
      ariaLabel: text("menu.theme"),
      title: text("menu.theme"),
      items: themes.map((t) => ({ id: t, text: text(`menu.theme.${t}`), ...mark(t === preferences.theme) })),
      onItemClick: (e) => setPreferences({ ...preferences, theme: e.detail.id as Theme }),
    },
    {
      type: "menu-dropdown",
      text: about.caller.name,
      description: role ? text("menu.role", { role: text(`role.${role}`) }) : text("menu.noRole"),
      iconName: "user-profile",
      items: [
        { id: "version", text: text("menu.version", { version: about.version }), disabled: true },
        { id: "signout", text: text("menu.signOut") },
      ],
      onItemClick: (e) => {
        if (e.detail.id === "signout") signOut();
      },
    },
  ];
  const top = document.getElementById("top");
  if (!top) return null;
  return createPortal(
    <>
      <SkipLink />
      <TopNavigation
        identity={{ href: "/", title: text("product.name"), logo: { src: "/icon.svg", alt: text("product.short") } }}
        utilities={utilities}
        i18nStrings={{ overflowMenuTriggerText: text("nav.more"), overflowMenuTitleText: text("nav.more") }}
      />
    </>,
    top,
  );
}

/** The first stop of the Tab key: leads past the bars to the page. */
function SkipLink() {
  const text = useText();
  return (
    <a
      className="skip"
      href={`#${contentId}`}
      onClick={(event) => {
        // An address of its own would be another page to the console.
        event.preventDefault();
        document.getElementById(contentId)?.focus();
      }}
    >
      {text("nav.skip")}
    </a>
  );
}
