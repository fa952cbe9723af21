import { expect } from "chai";
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const MIB = 1_048_576;

/** Bytes of the young generation of a program in which much survives. */
function youngBytes(isKeptSmall: boolean): number {
  const module = fileURLToPath(new URL("collections.js", import.meta.url));
  const program = `
    import { getHeapSpaceStatistics } from "node:v8";
    import { keepCollectionsShort } from ${JSON.stringify(module)};
    if (${isKeptSmall}) keepCollectionsShort();
    let kept = [];
    for (let i = 0; i < 2_000_000; i++) {
      kept.push({ i });
      if (kept.length > 50_000) kept = [];
    }
    console.log(getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space").space_size);`;
  return Number(execFileSync(process.execPath, ["--input-type=module", "--eval", program], { encoding: "utf8" }));
}

describe("the young generation", () => {
  it("stays small when asked to, and grows otherwise", () => {
    expect(youngBytes(true)).to.be.at.most(4 * MIB);
    expect(youngBytes(false)).to.be.above(8 * MIB);
  });
});
