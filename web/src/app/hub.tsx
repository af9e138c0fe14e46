import {
  type InfiniteData,
  keepPreviousData,
  type QueryKey,
  type UseInfiniteQueryResult,
  type UseMutationResult,
  type UseQueryResult,
  useInfiniteQuery,
  useMutation,
  useQueries,
  useQuery,
  useQueryClient,
} from "@tanstack/react-query";
import { createContext, type ReactNode, useContext } from "react";
import { type ApiError, type Client, nameOf, type Operation } from "../api/client.ts";
import type { HubQuery, Role } from "../api/generated.ts";
import type { Config } from "../config.ts";
import type { Session } from "./session.ts";

/** The hub that the console speaks to, and who does. */
export interface Hub {
  config: Config;
  client: Client;
  session: Session;
  /** Signs the person out, and shows that where the provider has no page for it. */
  signOut(): void;
}

const HubContext = createContext<Hub | undefined>(undefined);

export function HubProvider(props: { hub: Hub; children: ReactNode }) {
  return <HubContext.Provider value={props.hub}>{props.children}</HubContext.Provider>;
}

export function useHub(): Hub {
  const hub = useContext(HubContext);
  if (!hub) throw new Error("useHub needs a HubProvider around it");
  return hub;
}

const AboutContext = createContext<HubQuery["hub"] | undefined>(undefined);

/** Tells its children where the hub is and who asks. */
export function AboutProvider(props: { about: HubQuery["hub"]; children: ReactNode }) {
  return <AboutContext.Provider value={props.about}>{props.children}</AboutContext.Provider>;
}

/** Where the hub is, what version it has, and who asks. */
export function useAbout(): HubQuery["hub"] {
  const about = useContext(AboutContext);
  if (!about) throw new Error("useAbout needs an AboutProvider around it");
  return about;
}

const ranks: Record<Role, number> = { viewer: 1, operator: 2, admin: 3 };

/** Whether somebody of a role may do what another role is needed for. */
export function mayAs(have: Role | null, needed: Role): boolean {
  return have !== null && ranks[have] >= ranks[needed];
}

/** The key under which the answer to a query is kept; with no variables: the beginning of all keys of the operation. */
export function keyOf<A, V>(operation: Operation<A, V>, variables?: V): QueryKey {
  return variables === undefined ? [nameOf(operation)] : [nameOf(operation), variables];
}

/** How a query is asked. */
export interface AskOptions {
  /** Ask only when this holds. */
  enabled?: boolean;
  /** Ask again after so many seconds, while the page is looked at; false: not. */
  every?: number | false;
  /** Show the answer to other variables until this one is there, so that a list does not flicker. */
  keep?: boolean;
}

/** Asks the API, and asks again as `every` says. Errors are ApiErrors. */
export function useAsk<A, V>(operation: Operation<A, V>, variables: V, options: AskOptions = {}): UseQueryResult<A, ApiError> {
  const { client } = useHub();
  return useQuery<A, ApiError>({
    queryKey: keyOf(operation, variables),
    queryFn: ({ signal }) => client.request(operation, variables, signal),
    enabled: options.enabled ?? true,
    refetchInterval: options.every ? options.every * 1000 : false,
    placeholderData: options.keep ? keepPreviousData : undefined,
  });
}

/** Asks the same with several variables, each by itself. */
export function useAskAll<A, V>(operation: Operation<A, V>, all: V[], options: AskOptions = {}): (A | undefined)[] {
  const { client } = useHub();
  const asked = useQueries({
    queries: all.map((variables) => ({
      queryKey: keyOf(operation, variables),
      queryFn: ({ signal }: { signal: AbortSignal }) => client.request(operation, variables, signal),
      enabled: options.enabled ?? true,
      refetchInterval: options.every ? options.every * 1000 : (false as const),
    })),
  });
  return asked.map((a) => a.data);
}

/** A page of a list, as the API gives them. */
export interface PageOf<Node> {
  nodes: Node[];
  pageInfo: { hasNextPage: boolean; endCursor: string | null };
}

/** A list that grows by a page when somebody wants more of it. */
export interface Growing<Node> {
  nodes: Node[];
  asked: UseInfiniteQueryResult<InfiniteData<PageOf<Node>>, ApiError>;
  more: boolean;
  loadMore(): void;
}

/** Asks for a list page by page; nothing is loaded before somebody asks for it. `after` is filled in. */
export function useAskPages<A, V extends { after?: unknown }, Node>(
  operation: Operation<A, V>,
  variables: V,
  page: (answer: A) => PageOf<Node>,
  options: AskOptions = {},
): Growing<Node> {
  const { client } = useHub();
  const asked = useInfiniteQuery<PageOf<Node>, ApiError, InfiniteData<PageOf<Node>>, QueryKey, string | null>({
    queryKey: [...keyOf(operation, variables), "pages"],
    queryFn: async ({ pageParam, signal }) => page(await client.request(operation, { ...variables, after: pageParam }, signal)),
    initialPageParam: null,
    getNextPageParam: (last) => (last.pageInfo.hasNextPage ? last.pageInfo.endCursor : undefined),
    enabled: options.enabled ?? true,
    refetchInterval: options.every ? options.every * 1000 : false,
    placeholderData: options.keep ? keepPreviousData : undefined,
  });
  return {
    nodes: asked.data?.pages.flatMap((p) => p.nodes) ?? [],
    asked,
    more: asked.hasNextPage,
    loadMore: () => void asked.fetchNextPage(),
  };
}

/** Changes something through the API. Whatever is shown is asked for again afterwards: a change of a task shows in many places. */
export function useTell<A, V>(operation: Operation<A, V>): UseMutationResult<A, ApiError, V> {
  const { client } = useHub();
  const queries = useQueryClient();
  return useMutation<A, ApiError, V>({
    mutationFn: (variables) => client.request(operation, variables),
    onSettled: () => queries.invalidateQueries(),
  });
}
