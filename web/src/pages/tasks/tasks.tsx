import Button from "@cloudscape-design/components/button";
import ButtonDropdown from "@cloudscape-design/components/button-dropdown";
import CollectionPreferences from "@cloudscape-design/components/collection-preferences";
import Header from "@cloudscape-design/components/header";
import Pagination from "@cloudscape-design/components/pagination";
import PropertyFilter, { type PropertyFilterProps } from "@cloudscape-design/components/property-filter";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";
import { useState } from "react";
import { useNavigate, useSearchParams } from "react-router";
import { type EndsFragment, TasksDocument } from "../../api/generated.ts";
import { mayAs, useAbout, useAsk } from "../../app/hub.tsx";
import { usePage } from "../../app/page.tsx";
import { keep, readKept } from "../../app/preferences.ts";
import { type Text, useText } from "../../i18n/text.tsx";
import { type Action, actions, whyNot } from "../../parts/actions.ts";
import { exportItems, isExport, useExport } from "../../parts/export.ts";
import { Empty, Failure } from "../../parts/failure.tsx";
import { InfoLink } from "../../parts/info.tsx";
import { isBusy } from "../../parts/state.tsx";
import { useTaskActions } from "../../parts/taskactions.tsx";
import { columns, counter, shownAtFirst, sortable } from "./columns.tsx";
import { fromAddress, type Sort, sortOf, states, toAddress, toFilter } from "./filter.ts";

/** What a person has chosen for the list, kept in the browser. */
interface Choice {
  size: number;
  columns: readonly { id: string; visible: boolean }[];
  wrap: boolean;
}

const choiceKey = "dth.tasks";
const sizes = [10, 25, 50, 100];

function readChoice(all: string[]): Choice {
  const kept = readKept<Partial<Choice>>(choiceKey);
  const known = Array.isArray(kept?.columns) ? kept.columns.filter((c) => all.includes(c.id)) : [];
  const rest = all.filter((id) => !known.some((c) => c.id === id)).map((id) => ({ id, visible: shownAtFirst.includes(id) }));
  return { size: sizes.find((s) => s === kept?.size) ?? 25, columns: [...known, ...rest], wrap: kept?.wrap ?? true };
}

/** The list of all tasks. The hub filters, sorts and cuts it into pages; nothing is loaded whole. */
export function Tasks() {
  const text = useText();
  usePage({ title: text("tasks.title"), help: "tasks", type: "table" });
  const all = columns(text);
  const [choice, setChoice] = useState(() => readChoice(all.map((c) => c.id)));
  const list = useList(choice.size);
  const [chosen, setChosen] = useState<EndsFragment[]>([]);
  // What was chosen is shown as it is now, and only while it is on the page.
  const selected = list.tasks.filter((t) => chosen.some((c) => c.id === t.id));
  const taskActions = useTaskActions(() => setChosen([]));
  if (list.error && list.tasks.length === 0) return <Failure error={list.error} onRetry={list.again} heading={text("tasks.title")} />;
  return (
    <>
      <Table
        variant="full-page"
        stickyHeader
        trackBy="id"
        items={list.tasks}
        loading={list.loading}
        loadingText={text("list.loading")}
        columnDefinitions={all}
        columnDisplay={choice.columns}
        resizableColumns
        wrapLines={choice.wrap}
        selectionType="multi"
        selectedItems={selected}
        onSelectionChange={(e) => setChosen(e.detail.selectedItems)}
        ariaLabels={{
          tableLabel: text("tasks.title"),
          selectionGroupLabel: text("tasks.title"),
          itemSelectionLabel: (_, item) => text("tasks.selectOne", { name: item.name }),
          allItemsSelectionLabel: () => text("tasks.selectAll"),
        }}
        sortingColumn={list.sort && { sortingField: list.sort.field }}
        sortingDescending={list.sort?.descending}
        onSortingChange={(e) =>
          list.setSort({ field: e.detail.sortingColumn.sortingField ?? "", descending: e.detail.isDescending ?? false })
        }
        header={
          <ListHeader list={list} selected={selected} busy={taskActions.busy} onAction={(action) => taskActions.act(action, selected)} />
        }
        filter={<Filter query={list.query} onChange={list.setQuery} />}
        pagination={
          <Pagination
            currentPageIndex={list.page + 1}
            pagesCount={list.pages}
            openEnd={list.more}
            onChange={(e) => list.setPage(e.detail.currentPageIndex - 1)}
            onNextPageClick={(e) => e.detail.requestedPageAvailable || list.setPage(list.page + 1)}
            ariaLabels={{
              nextPageLabel: text("list.next"),
              previousPageLabel: text("list.previous"),
              pageLabel: (page) => text("list.page", { page }),
            }}
          />
        }
        preferences={<ListPreferences choice={choice} onChange={setChoice} all={all} />}
        empty={<NoTasks filtered={list.query.tokens.length > 0} onClear={() => list.setQuery({ tokens: [], operation: "and" })} />}
      />
      {taskActions.dialog}
    </>
  );
}

type List = ReturnType<typeof useList>;

/** Where somebody is in a list: cursors of the pages that were visited, of which the first has none, and the page. */
interface Place {
  /** What the cursors are of: they are of no use for another filter, another order or another size. */
  of: string;
  cursors: (string | null)[];
  page: number;
}

/** The page of tasks that is looked at. Filter and order are in the address; another address begins at the first page. */
function useList(size: number) {
  const [search, setSearch] = useSearchParams();
  const of = `${size} ${search}`;
  const [place, setPlace] = useState<Place>({ of, cursors: [null], page: 0 });
  const { cursors, page } = place.of === of ? place : { cursors: [null], page: 0 };
  const query = fromAddress(search);
  const sort = sortOf(search);
  const by = sort && sortable[sort.field];
  const asked = useAsk(
    TasksDocument,
    {
      filter: toFilter(query),
      sort: by ? { by, descending: sort.descending } : null,
      first: size,
      after: cursors[page] ?? null,
    },
    { every: 5, keep: true },
  );
  const info = asked.data?.tasks.pageInfo;
  const tasks = asked.data?.tasks.nodes ?? [];
  return {
    tasks,
    query,
    sort,
    page,
    // A page may be empty although more follow.
    pages: Math.max(cursors.length, info?.hasNextPage ? page + 2 : 0),
    more: info?.hasNextPage ?? false,
    loading: asked.isPending,
    error: asked.error,
    updated: asked.dataUpdatedAt,
    busy: tasks.some(isBusy),
    refresh: () => void asked.refetch(),
    /** Begins at the first page: the hub may not know a cursor any more. */
    again() {
      if (page === 0) void asked.refetch();
      else setPlace({ of, cursors: [null], page: 0 });
    },
    setPage(next: number) {
      const more = next >= cursors.length && info?.endCursor ? [info.endCursor] : [];
      setPlace({ of, cursors: [...cursors, ...more], page: next });
    },
    setSort(next: Sort) {
      setSearch(toAddress(query, next), { replace: true });
    },
    setQuery(next: PropertyFilterProps.Query) {
      setSearch(toAddress(next, sort), { replace: true });
    },
  };
}

function ListHeader(props: { list: List; selected: EndsFragment[]; busy: boolean; onAction: (action: Action) => void }) {
  const text = useText();
  const { role } = useAbout().caller;
  const navigate = useNavigate();
  const { list, selected } = props;
  const only = selected.length === 1 ? selected[0] : undefined;
  const exportTask = useExport();
  return (
    <Header
      variant="awsui-h1-sticky"
      info={<InfoLink />}
      counter={selected.length > 0 ? counter(selected.length, text) : undefined}
      description={text("tasks.refresh.auto", { time: clock(list.updated, text) })}
      actions={
        <SpaceBetween direction="horizontal" size="xs">
          <Button iconName="refresh" ariaLabel={text("action.refresh")} onClick={list.refresh} />
          <Button disabled={!only} disabledReason={text("action.chooseOne")} onClick={() => void navigate(`/tasks/${only?.id}`)}>
            {text("action.view")}
          </Button>
          <ButtonDropdown
            loading={props.busy}
            items={[
              ...actions.map((action) => ({ id: action, text: text(`action.${action}`), ...reason(action, selected, role, text) })),
              { text: text("action.export"), items: exportItems(only, text) },
            ]}
            onItemClick={(e) => (isExport(e.detail.id) ? only && exportTask(e.detail.id, only) : props.onAction(e.detail.id as Action))}
          >
            {text("action.actions")}
          </ButtonDropdown>
          <Button
            variant="primary"
            disabled={!mayAs(role, "admin")}
            disabledReason={text("action.needs", { role: text("role.admin"), have: role ? text(`role.${role}`) : text("menu.noRole") })}
            onClick={() => void navigate("/create")}
          >
            {text("nav.create")}
          </Button>
        </SpaceBetween>
      }
    >
      {text("tasks.title")}
    </Header>
  );
}

/** Several tasks can be paused and stopped together, and run and resumed; all else is for one. */
const together: readonly Action[] = ["run", "pause", "resume", "stop"];

function reason(action: Action, selected: EndsFragment[], role: Parameters<typeof whyNot>[2], text: Text) {
  let why: string | undefined;
  if (selected.length === 0) why = text(together.includes(action) ? "action.choose" : "action.chooseOne");
  else if (selected.length > 1 && !together.includes(action)) why = text("action.chooseOne");
  else for (const task of selected) why ??= whyNot(action, task, role, text);
  return why === undefined ? {} : { disabled: true, disabledReason: why };
}

function clock(at: number, text: Text): string {
  return at === 0 ? text("value.none") : new Intl.DateTimeFormat(text.language, { timeStyle: "medium" }).format(at);
}

function stateName(value: string, text: Text): string {
  const state = states.find((s) => s === value);
  return state ? text(`state.${state}`) : value;
}

function Filter(props: { query: PropertyFilterProps.Query; onChange: (query: PropertyFilterProps.Query) => void }) {
  const text = useText();
  const property = (key: string, label: string, operator: string, format?: (value: string) => string) => ({
    key,
    propertyLabel: label,
    groupValuesLabel: label,
    operators: [{ operator, format }],
  });
  return (
    <PropertyFilter
      query={props.query}
      onChange={(e) => props.onChange(e.detail)}
      hideOperations
      filteringPlaceholder={text("tasks.filter")}
      filteringAriaLabel={text("tasks.filter")}
      filteringProperties={[
        property("states", text("tasks.filter.states"), "=", (value) => stateName(value, text)),
        property("type", text("tasks.filter.types"), "="),
        property("attention", text("tasks.filter.attention"), "=", () => text("tasks.filter.yes")),
        property("text", text("tasks.filter.text"), ":"),
      ]}
      filteringOptions={[
        ...states.map((value) => ({ propertyKey: "states", value, label: text(`state.${value}`) })),
        ...["S3", "ECR"].map((value) => ({ propertyKey: "type", value })),
        { propertyKey: "attention", value: "true", label: text("tasks.filter.yes") },
      ]}
    />
  );
}

function ListPreferences(props: { choice: Choice; onChange: (choice: Choice) => void; all: { id: string; header: string }[] }) {
  const text = useText();
  const { choice } = props;
  return (
    <CollectionPreferences
      title={text("tasks.preferences")}
      confirmLabel={text("action.confirm")}
      cancelLabel={text("action.cancel")}
      preferences={{ pageSize: choice.size, wrapLines: choice.wrap, contentDisplay: choice.columns }}
      pageSizePreference={{
        title: text("tasks.preferences.size"),
        options: sizes.map((value) => ({ value, label: text("tasks.preferences.sizeOf", { count: value }) })),
      }}
      wrapLinesPreference={{ label: text("tasks.preferences.wrap"), description: text("tasks.preferences.wrapText") }}
      contentDisplayPreference={{
        title: text("tasks.preferences.columns"),
        options: props.all.map((c) => ({ id: c.id, label: c.header, alwaysVisible: c.id === "name" })),
      }}
      onConfirm={(e) => {
        const { pageSize, wrapLines, contentDisplay } = e.detail;
        const next = { size: pageSize ?? choice.size, wrap: wrapLines ?? choice.wrap, columns: contentDisplay ?? choice.columns };
        keep(choiceKey, next);
        props.onChange(next);
      }}
    />
  );
}

function NoTasks(props: { filtered: boolean; onClear: () => void }) {
  const text = useText();
  const navigate = useNavigate();
  const { role } = useAbout().caller;
  if (props.filtered)
    return (
      <Empty
        title={text("tasks.noMatch")}
        text={text("tasks.noMatchText")}
        action={<Button onClick={props.onClear}>{text("list.clear")}</Button>}
      />
    );
  return (
    <Empty
      title={text("tasks.empty")}
      text={text("tasks.emptyText")}
      action={mayAs(role, "admin") && <Button onClick={() => void navigate("/create")}>{text("nav.create")}</Button>}
    />
  );
}
