import { cleanup, render, screen } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import { App } from "./app.tsx";

vi.mock("../i18n/text.tsx", async (original) => ({
  ...(await original<typeof import("../i18n/text.tsx")>()),
  loadMessages: () => Promise.reject(new TypeError("Failed to fetch dynamically imported module")),
}));

afterEach(cleanup);

test("without its texts the console says so, and does not stay blank", async () => {
  render(<App />);
  await screen.findByText("The console could not be loaded whole", undefined, { timeout: 10_000 });
  expect(screen.getByRole("button", { name: "Reload" })).toBeTruthy();
}, 20_000);
