import { act, cleanup, fireEvent, screen } from "@testing-library/react";
import { afterEach, expect, test } from "vitest";
import vectors from "../../api/contracts.json";
import { readContracts } from "../../api/contracts.ts";
import { show } from "../../testing.tsx";
import { CreateTask } from "./create.tsx";
import { EditTask } from "./edit.tsx";

afterEach(cleanup);

const plugins = readContracts(vectors.local).map((c) => ({ ...c, description: c.type, version: "1" }));
const task = {
  id: "t",
  edition: 1,
  name: "the-task",
  type: "S3",
  pluginVersion: "1",
  upgradeTo: null,
  state: "IN_PROGRESS",
  reason: null,
  lastRun: null,
  description: "",
  labels: [],
  parameters: [{ name: "srcBucket", value: "source" }],
  stack: { name: "s", id: "s", outputs: [] },
};

const nameField = async () => {
  const field = (await screen.findAllByRole("textbox", { name: "Name" }))[0];
  if (!field) throw new Error("there is no field for the name");
  return field as HTMLInputElement;
};

test("what is typed stays, whatever becomes of the task behind the form", async () => {
  let state = "IN_PROGRESS";
  const answers = { Task: () => ({ task: { ...task, state } }), Plugins: () => ({ plugins }), Validate: () => ({ validateTask: [] }) };
  const { queries } = show([{ path: "/tasks/:id/edit", element: <EditTask /> }], "/tasks/t/edit", answers);
  fireEvent.change(await nameField(), { target: { value: "another-name" } });
  state = "UPDATING";
  await act(() => queries.refetchQueries());
  expect((await nameField()).value).toBe("another-name");
});

test("a task that cannot be edited is not offered to be", async () => {
  const answers = { Task: () => ({ task: { ...task, state: "UPDATING" } }), Plugins: () => ({ plugins }) };
  show([{ path: "/tasks/:id/edit", element: <EditTask /> }], "/tasks/t/edit", answers);
  await screen.findByText(/Not possible while the task is Updating/);
});

test("the form of another type is not opened over what was typed without a question", async () => {
  const answers = {
    Plugins: () => ({ plugins }),
    Settings: () => ({ settings: { revision: 1, defaults: [], updatedAt: null, updatedBy: null } }),
    Validate: () => ({ validateTask: [] }),
  };
  const { router } = show([{ path: "/create", element: <CreateTask /> }], "/create?type=ECR", answers);
  fireEvent.change(await nameField(), { target: { value: "typed" } });
  await act(() => router.navigate("/create"));
  await screen.findByText("Leave this page?");
  expect(router.state.location.search).toBe("?type=ECR");
  fireEvent.click(screen.getByText("Stay"));
  expect((await nameField()).value).toBe("typed");
});
