import { cleanup, fireEvent, screen, waitFor } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import { show } from "../../testing.tsx";
import Logs from "./logs.tsx";

const files = vi.hoisted((): string[] => []);
vi.mock("../../parts/exports.ts", async (original) => ({
  ...(await original<typeof import("../../parts/exports.ts")>()),
  download: (_name: string, _type: string, content: string) => files.push(content),
}));

afterEach(cleanup);

interface Asked {
  from: string | null;
  to: string | null;
}

test("the file of a log that is followed has what was written since the page was opened", async () => {
  const task = { id: "t", name: "t", type: "S3" } as Parameters<typeof Logs>[0]["task"];
  let lines: { at: string; stream: string; text: string }[] = [];
  // As the hub does: only what was written between both times.
  const answer = ({ from, to }: Asked) => {
    const nodes = lines.filter((l) => (!from || l.at >= from) && (!to || l.at < to));
    return { taskLogs: { nodes, pageInfo: { hasNextPage: false, endCursor: null } } };
  };
  show([{ path: "/", element: <Logs task={task} /> }], "/", {
    Logs: answer,
    LogStreams: () => ({ taskLogStreams: { nodes: [], pageInfo: { hasNextPage: false, endCursor: null } } }),
  });
  await screen.findByText("No line");
  await new Promise((done) => setTimeout(done, 5));
  lines = [{ at: new Date().toISOString(), stream: "s", text: "written later" }];
  fireEvent.click(screen.getByLabelText("Follow"));
  await screen.findByText("written later");
  fireEvent.click(screen.getByRole("button", { name: "Download" }));
  await waitFor(() => expect(files).toEqual(["written later\n"]));
});
