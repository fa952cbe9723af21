import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { compileSync } from "../compiled-module.ts";
import { Store } from "../runtime/store.ts";
import { expectSameRun } from "./testing.ts";

const GUESTS = fileURLToPath(new URL("../../../guests/wasm/", import.meta.url));
/** The guests' kernels, with a small size each, and how many pauses are saved. */
const KERNELS = [
  "bulk",
  "dispatch",
  "divide",
  "dsp",
  "fib",
  "machine",
  "mandelbrot",
  "matrix",
  "nbody",
  "sha256",
  "sieve",
]
  .concat(["sort", "splitmix", "utf8", "xorshift", "xxhash"])
  .filter((name) => existsSync(join(GUESTS, `${name}.wasm`)));

function kernel(name: string) {
  return compileSync(readFileSync(join(GUESTS, `${name}.wasm`)));
}

describe("snapshots of kernels", function () {
  this.timeout(120_000);

  for (const name of KERNELS) {
    it(`${name} goes on from every pause`, () => {
      const module = kernel(name);
      const start = () => new Store().instantiateSync(module).invoke("run", [3]);
      expectSameRun({ modules: [module], start, maxPauses: 300 });
      expectSameRun({ modules: [module], start, maxPauses: 200, turn: { fuel: 1, exact: true } });
    });
  }

  it("go on in another process", () => {
    const directory = mkdtempSync(join(tmpdir(), "perilune-"));
    try {
      const file = join(directory, "snapshot");
      const module = kernel("sha256");
      const invocation = new Store().instantiateSync(module).invoke("run", [200]);
      for (let turn = 0; turn < 9; turn++) invocation.run({ fuel: 700, exact: turn % 2 === 0 });
      writeFileSync(file, invocation.store.snapshot([invocation]));
      const script = `
        import { readFileSync } from "node:fs";
        import { compileSync, Store } from ${JSON.stringify(new URL("../index.js", import.meta.url).href)};
        const module = compileSync(readFileSync(process.argv[1]));
        const { invocations } = Store.restore(readFileSync(process.argv[2]), { modules: [module] });
        process.stdout.write(JSON.stringify(invocations[0].run()));`;
      const args = ["--input-type=module", "-e", script, join(GUESTS, "sha256.wasm"), file];
      const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
      expect(stderr).to.equal("");
      expect(JSON.parse(stdout)).to.deep.equal(invocation.run());
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
