import { expect } from "chai";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as limits from "../vm/limits.ts";
import { INSTRUCTIONS } from "../vm/opcodes.ts";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

describe("docs/limits.md", () => {
  it("has a row with the value of every limit, and no other", () => {
    const text = readFileSync(join(ROOT, "docs", "limits.md"), "utf8");
    const rows = [...text.matchAll(/^\| `([A-Z_0-9]+)` \| ([\d,]+) \|/gm)].map(([, name, value]) => `${name} ${value}`);
    const expected = Object.entries(limits).map(([name, value]) => `${name} ${Number(value).toLocaleString("en-US")}`);
    expect(rows.toSorted()).to.deep.equal(expected.toSorted());
  });

  it("names every instruction that does not cost 1, under its unit", () => {
    const section = readFileSync(join(ROOT, "docs", "limits.md"), "utf8").split("### What instructions cost")[1]!;
    const rows = [...section.matchAll(/^\| (none|[a-z]+)[^|]* \| ([^|]*) \|/gm)].flatMap(([, unit, names]) =>
      [...names!.matchAll(/`([^`]+)`/g)].map(([, name]) => `${name} ${unit}`),
    );
    const expected = Object.values(INSTRUCTIONS).flatMap(({ mnemonic, price, priceUnit }) =>
      priceUnit !== null ? [`${mnemonic} ${priceUnit}`] : price === 0 ? [`${mnemonic} none`] : [],
    );
    expect(rows.toSorted()).to.deep.equal(expected.toSorted());
    expect(Object.values(INSTRUCTIONS).filter(({ price }) => price > 1)).to.deep.equal([]);
  });
});
