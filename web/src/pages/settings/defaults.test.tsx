import { act, cleanup, fireEvent, screen } from "@testing-library/react";
import { afterEach, expect, test } from "vitest";
import { ApiError } from "../../api/client.ts";
import vectors from "../../api/contracts.json";
import { readContracts } from "../../api/contracts.ts";
import { show } from "../../testing.tsx";
import { Defaults } from "./defaults.tsx";

afterEach(cleanup);

const plugins = readContracts(vectors.local).map((c) => ({ ...c, description: c.type, version: "1" }));

function settings(revision: number, value: string) {
  const defaults = [{ type: "S3", values: [{ name: "srcRegion", value }] }];
  return { settings: { revision, defaults, updatedAt: "2026-01-01T00:00:00Z", updatedBy: "somebody" } };
}

const field = async () => (await screen.findByRole("textbox", { name: "Value: srcRegion" })) as HTMLInputElement;

test("what is typed outlives a hub that does not answer, and a change by somebody else", async () => {
  let answer = (): unknown => settings(1, "eu-west-1");
  const saved: unknown[] = [];
  const { queries } = show([{ path: "/", element: <Defaults /> }], "/", {
    Plugins: () => ({ plugins }),
    Settings: () => answer(),
    UpdateSettings: (variables: { input: unknown }) => {
      saved.push(variables.input);
      return settings(3, "eu-west-9");
    },
  });
  fireEvent.change(await field(), { target: { value: "eu-west-3" } });
  answer = () => {
    throw new ApiError("", "UNREACHABLE");
  };
  await act(() => queries.refetchQueries());
  expect((await field()).value).toBe("eu-west-3");

  answer = () => settings(2, "us-east-1");
  await act(() => queries.refetchQueries());
  expect((await field()).value).toBe("eu-west-3");
  screen.getByText("Somebody changed these values meanwhile");
  // Nobody overwrites what he has not seen.
  fireEvent.click(screen.getByText("Save"));
  await act(async () => undefined);
  expect(saved).toMatchObject([{ revision: 1 }]);
});

test("what nobody has touched follows the hub", async () => {
  let answer = settings(1, "eu-west-1");
  const { queries } = show([{ path: "/", element: <Defaults /> }], "/", { Plugins: () => ({ plugins }), Settings: () => answer });
  expect((await field()).value).toBe("eu-west-1");
  answer = settings(2, "us-east-1");
  await act(() => queries.refetchQueries());
  expect((await field()).value).toBe("us-east-1");
  expect(screen.queryByText("Somebody changed these values meanwhile")).toBeNull();
});
