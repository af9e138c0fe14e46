import Box from "@cloudscape-design/components/box";
import Container from "@cloudscape-design/components/container";
import ContentLayout from "@cloudscape-design/components/content-layout";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";
import { useAbout } from "../../app/hub.tsx";
import { usePage } from "../../app/page.tsx";
import { useText } from "../../i18n/text.tsx";
import { usePlugins } from "../../parts/contracts.ts";
import { Failure } from "../../parts/failure.tsx";
import { InfoLink } from "../../parts/info.tsx";
import { Defaults } from "./defaults.tsx";
import { Upgrades } from "./upgrades.tsx";

/** Who is signed in, what the hub is, and what forms begin with. */
export function Settings() {
  const text = useText();
  usePage({ title: text("settings.title"), help: "settings" });
  return (
    <ContentLayout
      header={
        <Header variant="h1" info={<InfoLink />}>
          {text("settings.title")}
        </Header>
      }
    >
      <SpaceBetween size="l">
        <Identity />
        <AboutHub />
        <PluginTable />
        <Upgrades />
        <Defaults />
        <Notification />
      </SpaceBetween>
    </ContentLayout>
  );
}

function Identity() {
  const text = useText();
  const { name, role } = useAbout().caller;
  return (
    <Container header={<Header variant="h2">{text("settings.identity")}</Header>}>
      <KeyValuePairs
        columns={2}
        items={[
          { label: text("settings.name"), value: name },
          {
            label: text("settings.role"),
            value: (
              <>
                {role ? text(`role.${role}`) : text("menu.noRole")}
                <Box color="text-body-secondary" fontSize="body-s">
                  {text(role ? `settings.role.${role}` : "settings.role.none")}
                </Box>
              </>
            ),
          },
        ]}
      />
    </Container>
  );
}

function AboutHub() {
  const text = useText();
  const hub = useAbout();
  return (
    <Container header={<Header variant="h2">{text("settings.hub")}</Header>}>
      <KeyValuePairs
        columns={3}
        items={[
          { label: text("settings.version"), value: hub.version },
          { label: text("settings.place"), value: hub.local ? text("product.thisMachine") : (hub.region ?? text("value.none")) },
          { label: text("settings.account"), value: hub.account ?? text("value.none") },
        ]}
      />
    </Container>
  );
}

function PluginTable() {
  const text = useText();
  const { plugins, error, retry } = usePlugins();
  if (error) return <Failure error={error} onRetry={retry} />;
  return (
    <Table
      header={<Header variant="h2">{text("settings.plugins")}</Header>}
      items={plugins ?? []}
      trackBy="type"
      loading={!plugins}
      loadingText={text("list.loading")}
      wrapLines
      ariaLabels={{ tableLabel: text("settings.plugins") }}
      columnDefinitions={[
        { id: "type", header: text("settings.plugin"), cell: (p) => p.type, isRowHeader: true, width: 120 },
        { id: "version", header: text("settings.version"), cell: (p) => p.version, width: 200 },
        { id: "about", header: text("settings.about"), cell: (p) => p.description },
      ]}
    />
  );
}

function Notification() {
  const text = useText();
  const { local } = useAbout();
  return (
    <Container header={<Header variant="h2">{text("settings.notification")}</Header>}>
      {text(local ? "settings.notification.local" : "settings.notification.aws")}
    </Container>
  );
}
