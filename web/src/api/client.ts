import type { TypedDocumentString } from "./generated.ts";

/** The codes of the API's errors, with those of the way to it. */
export type Code =
  | "INVALID"
  | "NOT_FOUND"
  | "WRONG_STATE"
  | "CONFLICT"
  | "FORBIDDEN"
  | "UNAUTHENTICATED"
  | "UNAVAILABLE"
  | "TOO_LARGE"
  | "INTERNAL"
  | "UNREACHABLE";

/** One thing that is wrong with an argument. */
export interface Fault {
  message: string;
  /** Such as parameters.srcBucket; "" when no argument is to blame. */
  field: string;
  value: string;
}

/** An error of the API: what is wrong, with which arguments, and what to do now. */
export class ApiError extends Error {
  override name = "ApiError";
  readonly code: Code;
  readonly next: string;
  readonly faults: Fault[];

  constructor(message: string, code: Code, next = "", faults: Fault[] = []) {
    super(message);
    this.code = code;
    this.next = next;
    this.faults = faults;
  }
}

/** An operation of generated.ts. */
export type Operation<Answer, Variables> = TypedDocumentString<Answer, Variables>;

/** The name of an operation, such as Tasks. */
export function nameOf(operation: { toString(): string }): string {
  return /(?:query|mutation) (\w+)/.exec(operation.toString())?.[1] ?? "";
}

/** How requests reach the API. */
export interface Client {
  request<Answer, Variables>(operation: Operation<Answer, Variables>, variables: Variables, signal?: AbortSignal): Promise<Answer>;
}

/** What a client needs: where the API is, what to show, and whom to tell that nobody is signed in any more. */
export interface ClientOptions {
  api: string;
  /** Value of the Authorization header; "" when nobody is signed in. */
  authorization: () => Promise<string> | string;
  /** Gets a fresh Authorization when the API refused the one it had; false: that is not possible. */
  renew?: () => Promise<boolean>;
  onSignedOut: () => void;
}

/** A client of the API over HTTP. Every failure is an ApiError, but for requests that were given up. */
export function newClient(options: ClientOptions): Client {
  return {
    async request(operation, variables, signal) {
      const body = JSON.stringify({ query: operation.toString(), variables });
      const authorization = await options.authorization();
      let answer = await send(options.api, authorization, body, signal);
      // Nothing was done by a request that was refused for its token: it can be repeated, once.
      if (answer.error?.code === "UNAUTHENTICATED" && authorization !== "") {
        const now = await options.authorization();
        // Another request may have renewed it meanwhile.
        const fresh = now !== "" && now !== authorization ? now : (await options.renew?.()) ? await options.authorization() : "";
        if (fresh !== "") answer = await send(options.api, fresh, body, signal);
      }
      if (answer.error?.code === "UNAUTHENTICATED") options.onSignedOut();
      if (answer.error) throw answer.error;
      return answer.data as never;
    },
  };
}

async function send(api: string, authorization: string, body: string, signal?: AbortSignal): Promise<{ data?: unknown; error?: ApiError }> {
  let response: Response;
  let document: unknown;
  try {
    response = await fetch(api, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: authorization },
      body,
      signal,
    });
    document = await response.json().catch(() => undefined);
  } catch (error) {
    if (signal?.aborted) throw error;
    return { error: new ApiError(String(error instanceof Error ? error.message : error), "UNREACHABLE") };
  }
  return readAnswer(response.status, document);
}

interface Raw {
  message?: unknown;
  errorType?: unknown;
  extensions?: Record<string, unknown>;
  errorInfo?: Record<string, unknown> | null;
}

/** Reads what the API answered. AppSync puts into errorType and errorInfo what others put into extensions. */
export function readAnswer(status: number, document: unknown): { data?: unknown; error?: ApiError } {
  const answer = typeof document === "object" && document !== null ? (document as { data?: unknown; errors?: unknown }) : {};
  const errors = Array.isArray(answer.errors) ? (answer.errors as Raw[]) : [];
  if (errors.length > 0) return { error: apiError(errors, status) };
  if (status === 401) return { error: new ApiError("", "UNAUTHENTICATED") };
  if (status >= 400 || answer.data === undefined || answer.data === null)
    return { error: new ApiError(`HTTP ${status}`, status >= 500 ? "UNAVAILABLE" : "INTERNAL") };
  return { data: answer.data };
}

const codes: readonly string[] = [
  "INVALID",
  "NOT_FOUND",
  "WRONG_STATE",
  "CONFLICT",
  "FORBIDDEN",
  "UNAUTHENTICATED",
  "UNAVAILABLE",
  "TOO_LARGE",
  "INTERNAL",
] satisfies Code[];

function apiError(errors: Raw[], status: number): ApiError {
  const first = errors[0] ?? {};
  const more = first.extensions ?? first.errorInfo ?? {};
  const said = text(more.code) || text(first.errorType);
  const refused = status === 401 || said === "UnauthorizedException";
  const code = codes.includes(said) ? (said as Code) : refused ? "UNAUTHENTICATED" : "INTERNAL";
  const others = Array.isArray(more.others) ? more.others : [];
  const faults = [{ message: first.message, field: more.field, value: more.value }, ...others].map(fault).filter((f) => f.field !== "");
  return new ApiError(text(first.message), code, text(more.next), faults);
}

function fault(of: { message?: unknown; field?: unknown; value?: unknown }): Fault {
  return { message: text(of.message), field: text(of.field), value: text(of.value) };
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
