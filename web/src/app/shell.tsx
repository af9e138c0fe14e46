import AppLayoutToolbar from "@cloudscape-design/components/app-layout-toolbar";
import BreadcrumbGroup from "@cloudscape-design/components/breadcrumb-group";
import HelpPanel from "@cloudscape-design/components/help-panel";
import SideNavigation, { type SideNavigationProps } from "@cloudscape-design/components/side-navigation";
import { useEffect, useMemo, useState } from "react";
import { Outlet, useLocation, useNavigate } from "react-router";
import { useText } from "../i18n/text.tsx";
import { FlashMessages } from "./flash.tsx";
import { useAbout } from "./hub.tsx";
import { type Help, useFrame } from "./page.tsx";
import { NotRefreshed } from "./refreshed.tsx";
import { contentId, TopBar } from "./topbar.tsx";

/** The frame around all pages: bars above and beside, messages, help, and what pages show beside themselves. */
export function Shell() {
  const text = useText();
  const { shown, frame, FrameProvider } = useFrame();
  const [navigationOpen, setNavigationOpen] = useState(() => window.innerWidth > 1200);
  const { page } = shown;
  useEffect(() => {
    document.title = page ? `${page.title} - ${text("product.name")}` : text("product.name");
  }, [page, text]);
  // Details of something else are shown at once; whoever closes them is left alone until he asks for others.
  const [splitOpen, setSplitOpen] = useState(true);
  const { splitOf } = shown;
  useEffect(() => setSplitOpen(splitOf !== undefined), [splitOf]);
  // The page is not rendered again when only the frame has changed.
  const content = useMemo(
    () => (
      <div id={contentId} tabIndex={-1}>
        <Outlet />
      </div>
    ),
    [],
  );
  const follow = useFollow();
  const crumbs = !page || page.title === text("home.title") ? [] : [...(page.crumbs ?? []), { text: page.title, href: "" }];
  return (
    <FrameProvider value={frame}>
      <TopBar />
      <AppLayoutToolbar
        headerSelector="#top"
        contentType={page?.type ?? "default"}
        breadcrumbs={
          <BreadcrumbGroup
            items={[{ text: text("product.name"), href: "/" }, ...crumbs]}
            ariaLabel={text("nav.breadcrumbs")}
            onFollow={follow}
          />
        }
        navigation={<Navigation />}
        navigationOpen={navigationOpen}
        onNavigationChange={(e) => setNavigationOpen(e.detail.open)}
        notifications={
          <>
            <NotRefreshed />
            <FlashMessages />
          </>
        }
        stickyNotifications
        tools={page?.help && <HelpOf help={page.help} />}
        toolsHide={!page?.help}
        toolsOpen={shown.helpOpen}
        onToolsChange={(e) => frame.help(e.detail.open)}
        splitPanel={shown.split}
        splitPanelOpen={splitOpen}
        onSplitPanelToggle={(e) => setSplitOpen(e.detail.open)}
        ariaLabels={{
          navigation: text("nav.label"),
          navigationToggle: text("nav.open"),
          navigationClose: text("nav.close"),
          notifications: text("nav.notifications"),
          tools: text("nav.tools"),
          toolsToggle: text("nav.toolsOpen"),
          toolsClose: text("nav.toolsClose"),
        }}
        content={content}
      />
    </FrameProvider>
  );
}

/** Follows links of the console without loading it anew. */
function useFollow(): (event: CustomEvent<{ href?: string; external?: boolean }>) => void {
  const navigate = useNavigate();
  return (event) => {
    const { href, external } = event.detail;
    if (external || !href) return;
    event.preventDefault();
    void navigate(href);
  };
}

function Navigation() {
  const text = useText();
  const about = useAbout();
  const { pathname } = useLocation();
  const follow = useFollow();
  const items: SideNavigationProps.Item[] = [
    { type: "link", text: text("nav.home"), href: "/" },
    { type: "link", text: text("nav.tasks"), href: "/tasks" },
    ...(about.caller.role === "admin" ? [{ type: "link" as const, text: text("nav.create"), href: "/create" }] : []),
    { type: "divider" },
    { type: "link", text: text("nav.settings"), href: "/settings" },
  ];
  const active = pathname === "/" ? "/" : `/${pathname.split("/")[1]}`;
  return <SideNavigation header={{ text: text("product.name"), href: "/" }} items={items} activeHref={active} onFollow={follow} />;
}

function HelpOf(props: { help: Help }) {
  const text = useText();
  const paragraphs = text(`${props.help}.help.body`).split("\n\n");
  return (
    <HelpPanel header={<h2>{text(`${props.help}.help.title`)}</h2>}>
      {paragraphs.map((p) => (
        <p key={p}>{p}</p>
      ))}
    </HelpPanel>
  );
}
