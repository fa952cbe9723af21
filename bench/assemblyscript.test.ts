import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";

const GUESTS = fileURLToPath(new URL("../../guests/", import.meta.url));
const COMPILER = join(GUESTS, "../spec-tests/oracles/node_modules/assemblyscript/dist/asc.js");

describe("guests in AssemblyScript", () => {
  it("the committed modules are what their sources compile to", function () {
    if (!existsSync(COMPILER)) {
      process.stdout.write("    skipped: needs AssemblyScript (npm run oracles:install)\n");
      this.skip();
    }
    this.timeout(120_000);
    const folder = mkdtempSync(join(tmpdir(), "perilune-guests-"));
    try {
      execFileSync(process.execPath, [join(GUESTS, "assemblyscript/build.mjs"), folder], { stdio: "pipe" });
      const sources = readdirSync(join(GUESTS, "assemblyscript")).filter((name) => name.endsWith(".ts"));
      expect(sources).to.not.deep.equal([]);
      for (const source of sources) {
        const name = source.replace(/\.ts$/, ".wasm");
        const rebuilt = readFileSync(join(folder, name));
        expect(rebuilt.equals(readFileSync(join(GUESTS, "wasm/lunatic", name))), name).to.equal(true);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
