import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { configure, render } from "@testing-library/react";
import type { ReactNode } from "react";
import { createMemoryRouter, Outlet, type RouteObject, RouterProvider } from "react-router";
import { type Client, nameOf } from "./api/client.ts";
import type { HubQuery } from "./api/generated.ts";
import { FlashMessages, FlashProvider } from "./app/flash.tsx";
import { AboutProvider, HubProvider } from "./app/hub.tsx";
import { useFrame } from "./app/page.tsx";
import { readConfig } from "./config.ts";
import { messages } from "./i18n/en/index.ts";
import { more } from "./i18n/en/more.ts";
import { TextProvider } from "./i18n/text.tsx";

// Machines that run tests do much else at once.
configure({ asyncUtilTimeout: 10_000 });

const signIn = { issuer: "/oidc", clientId: "console", scope: "openid", redirectUri: "", logoutUri: "", logoutEndpoint: "" };

/** What a hub answers to each operation, by its name: a value, or what throws. */
export type Answers = Record<string, (variables: never) => unknown>;

/** Shows pages in English before a hub that answers as a test says. */
export function show(routes: RouteObject[], at: string, answers: Answers) {
  const client: Client = {
    async request(operation, variables) {
      const answer = answers[nameOf(operation)];
      if (!answer) throw new Error(`nobody answers ${nameOf(operation)}`);
      return answer(variables as never) as never;
    },
  };
  const session = {
    authorization: async () => "",
    renew: async () => false,
    signIn: async () => undefined,
    signOut: async () => false,
  };
  const config = readConfig({ mode: "local", api: "/graphql", signIn }, "http://127.0.0.1:8080");
  const about: HubQuery["hub"] = { version: "v2", region: null, account: null, local: true, caller: { name: "me", role: "admin" } };
  const queries = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const router = createMemoryRouter([{ element: <Framed />, children: routes }], { initialEntries: [at] });
  const shown = render(
    <HubProvider hub={{ config, client, session, signOut: () => undefined }}>
      <TextProvider language="en" messages={{ ...messages, ...more }}>
        <QueryClientProvider client={queries}>
          <FlashProvider>
            <AboutProvider about={about}>
              <RouterProvider router={router} />
            </AboutProvider>
          </FlashProvider>
        </QueryClientProvider>
      </TextProvider>
    </HubProvider>,
  );
  return { ...shown, queries, router };
}

function Framed(): ReactNode {
  const { frame, FrameProvider, shown } = useFrame();
  return (
    <FrameProvider value={frame}>
      <FlashMessages />
      <Outlet />
      {shown.split}
    </FrameProvider>
  );
}
