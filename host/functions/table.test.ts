/**
 * The table of tests: every function has one for each of its cells. It and the page on the functions
 * are files that must be up to date; `npm run docs` writes them.
 */

import { expect } from "chai";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { cellsOf } from "./cells.ts";
import "./compile.test.ts";
import "./config.test.ts";
import { cellTableMarkdown, guestApiMarkdown } from "./docs.ts";
import { HOST_FUNCTIONS } from "./functions.ts";
import "./message.test.ts";
import "./process.test.ts";
import "./registry.test.ts";
import "./small.test.ts";
import "./spawn.test.ts";
import { testOf } from "./testing.ts";
import "./timer.test.ts";
import "./trap.test.ts";

const DOCS = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..", "docs");

/** Compares a page with what it should be, or writes it. */
function expectPage(name: string, text: string): void {
  const path = join(DOCS, name);
  if (process.env["PERILUNE_WRITE_DOCS"] !== undefined) writeFileSync(path, text);
  expect(readFileSync(path, "utf8") === text, `docs/${name} is out of date: npm run docs`).to.equal(true);
}

describe("the table of tests", () => {
  it("has a test in every cell of every function", () => {
    const empty = HOST_FUNCTIONS.flatMap((fn) =>
      cellsOf(fn)
        .filter((cell) => testOf(fn, cell) === undefined)
        .map((cell) => `${fn.fullName}(${fn.params.join(" ")}): ${cell}`),
    );
    expect(empty).to.deep.equal([]);
  });

  it("is written in docs/guest-api-tests.md", () => {
    expectPage(
      "guest-api-tests.md",
      cellTableMarkdown(HOST_FUNCTIONS, (fn, cell) => testOf(fn, cell) ?? ""),
    );
  });

  it("names functions whose page is docs/guest-api.md", () => {
    expectPage("guest-api.md", guestApiMarkdown(HOST_FUNCTIONS));
  });
});
