import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import { I18nProvider, type I18nProviderProps } from "@cloudscape-design/components/i18n";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { lazy, Suspense, useCallback, useEffect, useMemo, useState } from "react";
import { RouterProvider } from "react-router/dom";
import { ApiError, newClient } from "../api/client.ts";
import { HubDocument } from "../api/generated.ts";
import { loadConfig } from "../config.ts";
import { type Key, type Language, loadMessages, type Messages, TextProvider, useText } from "../i18n/text.tsx";
import { without } from "../i18n/without.ts";
import { Empty, Failure } from "../parts/failure.tsx";
import { FlashProvider } from "./flash.tsx";
import { AboutProvider, type Hub, HubProvider, useAsk } from "./hub.tsx";
import { applyTheme, keepPreferences, type Preferences, PreferencesProvider, readPreferences } from "./preferences.ts";
import { newRouter, Waiting } from "./routes.tsx";
import { openSession, type Session } from "./session.ts";

const Ended = lazy(() => import("./ended.tsx"));

/** The texts of a language: ours, and those of the design system's own parts. */
interface Texts {
  language: Language;
  messages: Messages;
  more: boolean;
  design: I18nProviderProps.Messages;
}

async function loadTexts(language: Language, more: boolean): Promise<Texts> {
  const design =
    language === "zh-CN"
      ? import("@cloudscape-design/components/i18n/messages/all.zh-CN")
      : import("@cloudscape-design/components/i18n/messages/all.en");
  const [messages, { default: parts }] = await Promise.all([loadMessages(language, more), design]);
  return { language, messages, more, design: parts };
}

/** The whole console. */
export function App() {
  const [preferences, setPreferences] = useState(readPreferences);
  const [texts, setTexts] = useState<Texts>();
  const [more, setMore] = useState(false);
  const [failed, setFailed] = useState(false);
  const { language, theme } = preferences;
  const needMore = useCallback(() => setMore(true), []);
  useEffect(() => applyTheme(theme), [theme]);
  useEffect(() => {
    let wanted = true;
    setFailed(false);
    loadTexts(language, more).then(
      (t) => wanted && setTexts(t),
      () => wanted && setFailed(true),
    );
    document.documentElement.lang = language;
    return () => {
      wanted = false;
    };
  }, [language, more]);
  const state = useMemo(() => {
    const set = (p: Preferences) => {
      keepPreferences(p);
      setPreferences(p);
    };
    return [preferences, set] as const;
  }, [preferences]);
  if (!texts) return failed ? <NoTexts language={language} /> : null;
  return (
    <PreferencesProvider value={state}>
      <I18nProvider locale={texts.language} messages={[texts.design]}>
        <TextProvider language={texts.language} messages={texts.messages} more={texts.more} failed={failed} onNeed={needMore}>
          <Start />
        </TextProvider>
      </I18nProvider>
    </PreferencesProvider>
  );
}

/** How far the start is. */
type Stage =
  | { at: "opening" }
  | { at: "open"; hub: Hub }
  | { at: "out"; session: Session }
  | { at: "failed"; title: Key; next: Key; error: unknown };

/** Finds the hub and signs the person in; then there are pages. */
function Start() {
  const [stage, setStage] = useState<Stage>({ at: "opening" });
  const [ended, setEnded] = useState(false);
  useEffect(() => {
    void open({ onEnded: () => setEnded(true), onOut: (session) => setStage({ at: "out", session }) }).then((s) => s && setStage(s));
  }, []);
  switch (stage.at) {
    case "opening":
      return <Waiting />;
    case "failed":
      return <NoStart stage={stage} />;
    case "out":
      return <SignedOut session={stage.session} />;
    case "open":
      return (
        <HubProvider hub={stage.hub}>
          <Signed />
          <Suspense>{ended && <Ended onClose={() => setEnded(false)} />}</Suspense>
        </HubProvider>
      );
  }
}

/** A start is made once, also when React's strict mode renders twice: a code of the provider can be used only once. */
let opened: Promise<Stage | undefined> | undefined;

function open(tell: Tell): Promise<Stage | undefined> {
  opened ??= start(tell);
  return opened;
}

/** Whom to tell of the end of a session: one that ended by itself, and one that the person has ended. */
interface Tell {
  onEnded: () => void;
  onOut: (session: Session) => void;
}

async function start(tell: Tell): Promise<Stage | undefined> {
  let config: Hub["config"];
  try {
    config = await loadConfig(window.location.origin);
  } catch (error) {
    return { at: "failed", title: "start.noConfig", next: "start.noConfigNext", error };
  }
  try {
    const session = await openSession(config);
    if (!session) return undefined;
    const { authorization, renew } = session;
    const client = newClient({ api: config.api, authorization, renew, onSignedOut: tell.onEnded });
    const signOut = () => void session.signOut().then((leaving) => leaving || tell.onOut(session));
    return { at: "open", hub: { config, client, session, signOut } };
  } catch (error) {
    return { at: "failed", title: "start.signInFailed", next: "start.signInFailedNext", error };
  }
}

function NoStart(props: { stage: Extract<Stage, { at: "failed" }> }) {
  const text = useText();
  const { title, next, error } = props.stage;
  return (
    <Box padding="xxl">
      <Empty
        title={text(title)}
        text={text(next)}
        action={
          <>
            <Box variant="code">{error instanceof Error ? error.message : String(error)}</Box>
            <Button onClick={() => window.location.assign("/")}>{text("start.reload")}</Button>
          </>
        }
      />
    </Box>
  );
}

/** Stands where somebody has signed out, of a provider that has no page for it. */
function SignedOut(props: { session: Session }) {
  const text = useText();
  return (
    <Box padding="xxl">
      <Empty
        title={text("start.signedOut")}
        text={text("start.signedOutHere")}
        action={
          <Button variant="primary" onClick={() => void props.session.signIn()}>
            {text("start.signIn")}
          </Button>
        }
      />
    </Box>
  );
}

/** Stands where not even the texts could be loaded. */
function NoTexts(props: { language: Language }) {
  const words = without[props.language];
  return (
    <Box padding="xxl">
      <Empty title={words.title} text={words.next} action={<Button onClick={() => window.location.reload()}>{words.reload}</Button>} />
    </Box>
  );
}

/** What a signed-in person sees. */
function Signed() {
  const [queries] = useState(() => {
    // What was wrong with a request stays wrong; only what may pass is tried again.
    const retry = (n: number, e: unknown) => n < 2 && e instanceof ApiError && (e.code === "UNAVAILABLE" || e.code === "UNREACHABLE");
    // A hub on this machine answers without a network, too; the browser's word on that counts for nothing.
    const networkMode = "always";
    return new QueryClient({ defaultOptions: { queries: { retry, staleTime: 2_000, networkMode }, mutations: { networkMode } } });
  });
  return (
    <QueryClientProvider client={queries}>
      <FlashProvider>
        <Pages />
      </FlashProvider>
    </QueryClientProvider>
  );
}

function Pages() {
  const about = useAsk(HubDocument, {});
  const [router] = useState(newRouter);
  if (about.error && !about.data)
    return (
      <Box padding="xxl">
        <Failure error={about.error} onRetry={() => void about.refetch()} />
      </Box>
    );
  if (!about.data) return <Waiting />;
  return (
    <AboutProvider about={about.data.hub}>
      <RouterProvider router={router} />
    </AboutProvider>
  );
}
