import { cleanup, fireEvent, screen } from "@testing-library/react";
import { afterEach, expect, test } from "vitest";
import { ApiError } from "../../api/client.ts";
import { show } from "../../testing.tsx";
import { Home } from "./home.tsx";

afterEach(cleanup);

test("the start box says when the plugins cannot be loaded, and offers them when they can", async () => {
  let error: ApiError | undefined = new ApiError("The hub is busy.", "INTERNAL");
  show([{ path: "/", element: <Home /> }], "/", {
    Summary: () => ({ summary: { states: [], attention: [] } }),
    HubMetrics: () => ({ hubMetrics: [] }),
    Plugins: () => {
      if (error) throw error;
      return { plugins: ["S3", "ECR"].map((type) => ({ type, description: type, version: "1", parameters: [] })) };
    },
  });
  await screen.findByText("The hub is busy.");
  error = undefined;
  fireEvent.click(screen.getByRole("button", { name: "Try again" }));
  await screen.findByRole("button", { name: "Transfer objects" });
  screen.getByRole("button", { name: "Transfer container images" });
  expect(screen.queryByText("The hub is busy.")).toBeNull();
});
