import type { AppLayoutToolbarProps } from "@cloudscape-design/components/app-layout-toolbar";
import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from "react";
import type { Key } from "../i18n/text.tsx";

/** A step on the way to a page. */
export interface Crumb {
  text: string;
  href: string;
}

/** What the frame has to know of the page that it shows. */
export interface Page {
  title: string;
  /** The pages above this one, without Home and the page itself. */
  crumbs?: Crumb[];
  /** Which texts the help panel shows: those of `NAME.help.title` and `NAME.help.body`. */
  help?: HelpOf<Key>;
  type?: AppLayoutToolbarProps.ContentType;
}

type HelpOf<K> = K extends `${infer Name}.help.body` ? Name : never;

/** Name of a help text. */
export type Help = HelpOf<Key>;

interface Frame {
  show(page: Page): void;
  split(node: ReactNode, of: string | undefined): void;
  help(open: boolean): void;
}

const FrameContext = createContext<Frame | undefined>(undefined);

/** What pages have told the frame. */
export interface Shown {
  page?: Page;
  split?: ReactNode;
  /** What the split panel tells of, and how often it was asked for; undefined: nothing. */
  splitOf?: string;
  helpOpen: boolean;
}

/** Keeps what pages tell the frame. */
export function useFrame() {
  const [page, setPage] = useState<Page>();
  const [split, setSplit] = useState<ReactNode>();
  const [splitOf, setSplitOf] = useState<string>();
  const [helpOpen, setHelpOpen] = useState(false);
  const frame = useMemo<Frame>(() => {
    const showSplit = (node: ReactNode, of: string | undefined) => {
      setSplit(node);
      setSplitOf(of);
    };
    return { show: setPage, split: showSplit, help: setHelpOpen };
  }, []);
  return { shown: { page, split, splitOf, helpOpen } satisfies Shown, frame, FrameProvider: FrameContext.Provider };
}

function useFrameOfPage(): Frame {
  const frame = useContext(FrameContext);
  if (!frame) throw new Error("pages need the frame around them");
  return frame;
}

/** Tells the frame about the page: its title, the way to it, its help. */
export function usePage(page: Page): void {
  const frame = useFrameOfPage();
  const { title, help, type } = page;
  const way = JSON.stringify(page.crumbs ?? []);
  useEffect(() => {
    frame.show({ title, help, type, crumbs: JSON.parse(way) });
  }, [frame, title, help, type, way]);
}

/** Opens the help panel of the page. */
export function useHelp(): () => void {
  const frame = useFrameOfPage();
  return () => frame.help(true);
}

/**
 * Shows a SplitPanel below or beside the page, as long as the page is there; undefined: none. `of` is what it tells of: the panel
 * opens when that changes. What is returned opens it again when somebody has closed it and chooses the same.
 */
export function useSplitPanel(node: ReactNode, of: string): () => void {
  const frame = useFrameOfPage();
  const [asked, setAsked] = useState(0);
  // After each rendering of the page: what a panel shows changes with it. The frame does not render the page again for that.
  useEffect(() => frame.split(node, node === undefined ? undefined : `${asked} ${of}`));
  useEffect(() => () => frame.split(undefined, undefined), [frame]);
  return () => setAsked((n) => n + 1);
}
