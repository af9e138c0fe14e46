import { act, cleanup, screen } from "@testing-library/react";
import { afterEach, expect, test } from "vitest";
import { ApiError } from "../api/client.ts";
import { show } from "../testing.tsx";
import { type Flash, useFlash } from "./flash.tsx";

afterEach(cleanup);

test("no failure is lost among many messages, and several make one", async () => {
  let flash: Flash | undefined;
  const Page = () => {
    flash = useFlash();
    return null;
  };
  show([{ path: "/", element: <Page /> }], "/", {});
  const error = (name: string) => ({ name, error: new ApiError(`refused ${name}`, "WRONG_STATE") });
  act(() => {
    flash?.failure("The first", new ApiError("refused first", "WRONG_STATE"));
    for (let i = 0; i < 20; i++) flash?.success(`done ${i}`);
    flash?.failures(
      "Twelve failed",
      Array.from({ length: 12 }, (_, i) => error(`task-${i}`)),
    );
  });
  await screen.findByText("Twelve failed");
  // They lie on a stack, which opens.
  for (const button of document.querySelectorAll<HTMLElement>("[aria-expanded=false]")) act(() => button.click());
  await screen.findByText("refused first");
  for (let i = 0; i < 12; i++) screen.getByText(`refused task-${i}`);
  screen.getByText("done 19");
  expect(screen.queryByText("done 1")).toBeNull();
});
