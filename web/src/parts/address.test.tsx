import { cleanup, render } from "@testing-library/react";
import { afterEach, expect, test } from "vitest";
import { Address } from "./address.tsx";

afterEach(cleanup);

test.each([
  ["https://s3.example.com/bucket/a-b/", "https://|s3.|example.|com/|bucket/|a-|b/"],
  ["http://127.0.0.1:40123/sample", "http://|127.|0.|0.|1:|40123/|sample"],
  ["plain words", "plain words"],
  ["", ""],
])("%s may be broken behind its marks, and its text stays as it is", (of, want) => {
  const { container } = render(<Address of={of} />);
  expect(container.textContent).toBe(of);
  expect(container.innerHTML.replace(/<wbr>/g, "|").replace(/<[^>]*>/g, "")).toBe(want);
});
