import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import ContentLayout from "@cloudscape-design/components/content-layout";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";
import { createBrowserRouter, Outlet, type RouteObject, useNavigate, useRouteError } from "react-router";
import { MoreTexts, useText } from "../i18n/text.tsx";
import { Empty } from "../parts/failure.tsx";
import { InfoLink } from "../parts/info.tsx";
import { usePage } from "./page.tsx";
import { Shell } from "./shell.tsx";

/** The pages of the console by their addresses. Each is a file of its own, which browsers load when somebody goes there. */
export const pages: RouteObject[] = [
  { index: true, lazy: async () => ({ Component: (await import("../pages/home/home.tsx")).Home }) },
  { path: "tasks", lazy: async () => ({ Component: (await import("../pages/tasks/tasks.tsx")).Tasks }) },
  {
    Component: WithMoreTexts,
    children: [
      { path: "tasks/:id/:tab?", lazy: async () => ({ Component: (await import("../pages/task/task.tsx")).Task }) },
      { path: "settings", lazy: async () => ({ Component: (await import("../pages/settings/settings.tsx")).Settings }) },
      { path: "create", lazy: async () => ({ Component: (await import("../pages/create/create.tsx")).CreateTask }) },
      { path: "tasks/:id/edit", lazy: async () => ({ Component: (await import("../pages/create/edit.tsx")).EditTask }) },
      { path: "tasks/:id/clone", lazy: async () => ({ Component: (await import("../pages/create/clone.tsx")).CloneTask }) },
    ],
  },
  { path: "*", Component: NotFound },
];

/** Around the pages whose texts are not there from the beginning. */
function WithMoreTexts() {
  return (
    <MoreTexts waiting={<Waiting />} failed={<NotBrought />}>
      <Outlet />
    </MoreTexts>
  );
}

/** Stands where the texts of a page could not be loaded. */
function NotBrought() {
  const text = useText();
  return (
    <Empty
      title={text("error.title")}
      text={text("start.brokenNext")}
      action={<Button onClick={() => window.location.reload()}>{text("start.reload")}</Button>}
    />
  );
}

/** Makes the router of the console. */
export function newRouter() {
  return createBrowserRouter([
    {
      path: "/",
      element: <Shell />,
      errorElement: <Broken />,
      hydrateFallbackElement: <Waiting />,
      children: [{ errorElement: <Broken />, children: pages }],
    },
  ]);
}

/** Stands where a page is still being brought. */
export function Waiting() {
  const text = useText();
  return (
    <Box textAlign="center" padding="xxl">
      <Spinner size="large" /> {text("start.loading")}
    </Box>
  );
}

function NotFound() {
  const text = useText();
  const navigate = useNavigate();
  usePage({ title: text("start.notFound"), help: "absent" });
  return (
    <ContentLayout
      header={
        <Header variant="h1" info={<InfoLink />}>
          {text("start.notFound")}
        </Header>
      }
    >
      <SpaceBetween size="m">
        <Box variant="p">{text("start.notFoundNext")}</Box>
        <Button onClick={() => void navigate("/")}>{text("nav.home")}</Button>
      </SpaceBetween>
    </ContentLayout>
  );
}

/** Stands where a page threw: a release that was replaced while it was open, or a mistake of ours. */
function Broken() {
  const text = useText();
  const error = useRouteError();
  return (
    <Empty
      title={text("start.broken")}
      text={text("start.brokenNext")}
      action={
        <>
          <Box variant="code">{error instanceof Error ? error.message : String(error)}</Box>
          <Button onClick={() => window.location.reload()}>{text("start.reload")}</Button>
        </>
      }
    />
  );
}
