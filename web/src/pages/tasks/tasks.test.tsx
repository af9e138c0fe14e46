import { act, cleanup, fireEvent, screen, waitFor } from "@testing-library/react";
import { afterEach, expect, test } from "vitest";
import { ApiError } from "../../api/client.ts";
import { show } from "../../testing.tsx";
import { Tasks } from "./tasks.tsx";

afterEach(cleanup);

function task(name: string) {
  const schedule = { kind: "ONCE", expression: null, events: false };
  const ends = { source: "s3://a", destination: "s3://b", schedule };
  const times = { createdAt: "2026-01-01T00:00:00Z", updatedAt: "2026-01-01T00:00:00Z", nextRun: null };
  return { id: name, name, type: "S3", state: "DONE", health: "HEALTHY", reason: null, lastRun: null, agreement: null, ...ends, ...times };
}

interface Asked {
  filter: { text?: string };
  sort: unknown;
  after: string | null;
}

test("a cursor is not carried over to another filter or another order", async () => {
  const asked: Asked[] = [];
  const answer = (variables: Asked) => {
    asked.push(variables);
    const of = JSON.stringify([variables.filter, variables.sort]);
    // As the hub does: a cursor of another question is refused.
    if (variables.after && variables.after !== of) throw new ApiError("the cursor is of another list", "INVALID");
    const name = `${variables.filter.text ?? "any"}-${variables.after ? 2 : 1}`;
    return { tasks: { nodes: [task(name)], pageInfo: { hasNextPage: !variables.after, endCursor: of } } };
  };
  const { router } = show([{ path: "/tasks", element: <Tasks /> }], "/tasks?text=some", { Tasks: answer });
  await screen.findByText("some-1");
  fireEvent.click(screen.getByRole("button", { name: "Next page" }));
  await screen.findByText("some-2");
  // The link at the side: the same page without the filter.
  await act(() => router.navigate("/tasks"));
  await screen.findByText("any-1");
  expect(asked.at(-1)?.after).toBeNull();

  fireEvent.click(screen.getByRole("button", { name: "Next page" }));
  await screen.findByText("any-2");
  await act(() => router.navigate("/tasks?sort=-name"));
  await waitFor(() => expect(asked.at(-1)).toMatchObject({ after: null, sort: { by: "NAME", descending: true } }));
  await screen.findByText("any-1");
});
