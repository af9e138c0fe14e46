import { act, cleanup, screen } from "@testing-library/react";
import { afterEach, expect, test } from "vitest";
import { ApiError } from "../api/client.ts";
import { SummaryDocument } from "../api/generated.ts";
import { show } from "../testing.tsx";
import { useAsk } from "./hub.tsx";
import { NotRefreshed } from "./refreshed.tsx";

afterEach(cleanup);

function Page() {
  const asked = useAsk(SummaryDocument, {});
  return (
    <>
      <NotRefreshed />
      {asked.data && <p>{asked.data.summary.states.length}</p>}
    </>
  );
}

test("what is shown is said to be old while the hub does not answer, and no longer when it does", async () => {
  let error: ApiError | undefined;
  const answer = () => {
    if (error) throw error;
    return { summary: { states: [], attention: [] } };
  };
  const { queries } = show([{ path: "/", element: <Page /> }], "/", { Summary: answer });
  await screen.findByText("0");
  expect(screen.queryByText(/Not refreshed since/)).toBeNull();
  error = new ApiError("", "UNREACHABLE");
  await act(() => queries.refetchQueries());
  await screen.findByText(/Not refreshed since/);
  screen.getByText("The hub does not answer.");
  screen.getByText("0");
  error = undefined;
  await act(() => queries.refetchQueries());
  expect(screen.queryByText(/Not refreshed since/)).toBeNull();
});
