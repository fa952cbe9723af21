import { expect } from "chai";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as limits from "../vm/limits.ts";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

describe("docs/limits.md", () => {
  it("has a row with the value of every limit, and no other", () => {
    const text = readFileSync(join(ROOT, "docs", "limits.md"), "utf8");
    const rows = [...text.matchAll(/^\| `([A-Z_0-9]+)` \| ([\d,]+) \|/gm)].map(([, name, value]) => `${name} ${value}`);
    const expected = Object.entries(limits).map(([name, value]) => `${name} ${Number(value).toLocaleString("en-US")}`);
    expect(rows.toSorted()).to.deep.equal(expected.toSorted());
  });
});
