import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import Container from "@cloudscape-design/components/container";
import ContentLayout from "@cloudscape-design/components/content-layout";
import Grid from "@cloudscape-design/components/grid";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { lazy, Suspense } from "react";
import { useNavigate } from "react-router";
import { PluginsDocument, SummaryDocument, type SummaryQuery } from "../../api/generated.ts";
import { mayAs, useAbout, useAsk } from "../../app/hub.tsx";
import { usePage } from "../../app/page.tsx";
import { count } from "../../format.ts";
import { type Key, useText } from "../../i18n/text.tsx";
import { Failure } from "../../parts/failure.tsx";
import { Go } from "../../parts/go.tsx";
import { InfoLink } from "../../parts/info.tsx";
import { TaskStateBadge } from "../../parts/state.tsx";
import { AttentionList } from "./attention.tsx";

// Charts weigh as much as all else on the page: it is there before they are.
const Moved = lazy(() => import("./moved.tsx"));

/** How the hub is doing, what a person should look at, and where to begin. */
export function Home() {
  const text = useText();
  usePage({ title: text("home.title"), help: "home", type: "dashboard" });
  const summary = useAsk(SummaryDocument, {}, { every: 10 });
  if (summary.error && !summary.data)
    return <Failure error={summary.error} onRetry={() => void summary.refetch()} heading={text("home.title")} />;
  return (
    <ContentLayout
      header={
        <Header variant="h1" info={<InfoLink />} description={text("home.tagline")}>
          {text("home.title")}
        </Header>
      }
    >
      <SpaceBetween size="l">
        <Grid gridDefinition={[{ colspan: { default: 12, xs: 7 } }, { colspan: { default: 12, xs: 5 } }]}>
          <States states={summary.data?.summary.states} />
          <Begin />
        </Grid>
        <AttentionList tasks={summary.data?.summary.attention} />
        <Suspense fallback={<Container header={<Header>{text("home.bytes")}</Header>}>{text("start.loading")}</Container>}>
          <Moved />
        </Suspense>
        <How />
      </SpaceBetween>
    </ContentLayout>
  );
}

function States(props: { states: SummaryQuery["summary"]["states"] | undefined }) {
  const text = useText();
  const there = props.states?.filter((s) => s.tasks > 0);
  return (
    <Container fitHeight header={<Header actions={<Go to="/tasks">{text("home.viewAll")}</Go>}>{text("home.states")}</Header>}>
      {there === undefined && text("start.loading")}
      {there?.length === 0 && (
        <>
          <Box variant="strong">{text("home.states.none")}</Box>
          <Box variant="p" color="text-body-secondary">
            {text("home.states.noneNext")}
          </Box>
        </>
      )}
      {there && there.length > 0 && (
        <ColumnLayout columns={4} minColumnWidth={130} variant="text-grid">
          {there.map(({ state, tasks }) => (
            <div key={state}>
              <TaskStateBadge state={state} />
              <Box fontSize="display-l" fontWeight="bold">
                <Go to={`/tasks?states=${state}`} size="display-l">
                  {count(tasks, text.language)}
                </Go>
              </Box>
            </div>
          ))}
        </ColumnLayout>
      )}
    </Container>
  );
}

const described: Record<string, { name: Key; about: Key }> = {
  S3: { name: "home.start.S3", about: "home.start.S3.text" },
  ECR: { name: "home.start.ECR", about: "home.start.ECR.text" },
};

function Begin() {
  const text = useText();
  const asked = useAsk(PluginsDocument, {});
  const plugins = asked.data?.plugins;
  const about = useAbout();
  const navigate = useNavigate();
  const admin = mayAs(about.caller.role, "admin");
  return (
    <Container fitHeight header={<Header>{text("home.start")}</Header>}>
      <SpaceBetween size="s">
        {!plugins && !asked.error && text("start.loading")}
        {!plugins && asked.error && <Failure error={asked.error} onRetry={() => void asked.refetch()} />}
        {plugins?.map((plugin, i) => {
          const known = described[plugin.type];
          const name = known ? text(known.name) : plugin.type;
          return (
            <div key={plugin.type}>
              <Box variant="p" color="text-body-secondary" padding={{ bottom: "xs" }}>
                {known ? text(known.about) : plugin.description}
              </Box>
              <Button
                variant={i === 0 ? "primary" : "normal"}
                disabled={!admin}
                disabledReason={text("action.needs", {
                  role: text("role.admin"),
                  have: about.caller.role ? text(`role.${about.caller.role}`) : text("menu.noRole"),
                })}
                onClick={() => void navigate(`/create?type=${encodeURIComponent(plugin.type)}`)}
              >
                {name}
              </Button>
            </div>
          );
        })}
      </SpaceBetween>
    </Container>
  );
}

const steps = ["describe", "check", "move", "prove"] as const;

function How() {
  const text = useText();
  return (
    <Container header={<Header>{text("home.how")}</Header>}>
      <ColumnLayout columns={4} minColumnWidth={180} borders="vertical">
        {steps.map((step, i) => (
          <div key={step}>
            <Box variant="h3">{`${i + 1}. ${text(`home.how.${step}`)}`}</Box>
            <Box variant="p">{text(`home.how.${step}.text`)}</Box>
          </div>
        ))}
      </ColumnLayout>
    </Container>
  );
}
