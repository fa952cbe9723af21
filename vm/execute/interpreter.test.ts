/** What the hot loop has to be for V8, and that its fuel can be told from the rest of it. */

import { expect } from "chai";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const HERE = dirname(fileURLToPath(import.meta.url));
const SOURCE = join(HERE, "..", "..", "..", "vm", "execute", "interpreter.ts");

/** V8 optimises no function with more bytes of bytecode than 61,440. */
const MAX_BYTECODE = 55_000;
/** The loop is larger than any other function of its name. */
const LEAST_BYTECODE = 20_000;

/** Loads the engine and runs `body`, where `call(turns)` runs a guest for so many turns. */
function script(body: string): string {
  return `(async () => {
    const at = (path) => import(new URL(path, ${JSON.stringify(import.meta.url)}).href);
    const { wat, instanceOf } = await at("../testing.js");
    const { run } = await at("./interpreter.js");
    const { slow } = await at("./slow.js");
    const instance = instanceOf(wat\`(module (memory 1) (func (export "f") (param i32) (result i32) (local i32)
      loop
        local.get 1 local.get 0 i32.const 255 i32.and i32.load8_u i32.add local.set 1
        i32.const 8 local.get 1 i32.store
        local.get 0 i32.const -1 i32.add local.tee 0 br_if 0
      end
      i32.const 0 i32.const 0 i8x16.splat v128.store
      i32.const 0 i32.const 0 i32.const 0 memory.fill
      local.get 1))\`);
    const call = (turns) => {
      const invocation = instance.invoke("f", [2000000000]);
      for (let i = 0; i < turns; i++) invocation.run({ fuel: 100000 });
    };
    ${body}
  })()`;
}

async function output(flags: readonly string[], body: string): Promise<string> {
  const args = [...flags, "-e", script(body)];
  const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 1 << 28 });
  return stdout;
}

/** Bytes of bytecode of the functions of a name, the largest first. */
async function bytecodeLengths(name: string): Promise<number[]> {
  const text = await output(
    ["--print-bytecode", `--print-bytecode-filter=${name}`],
    'call(1); instance.callSync("f", [1])',
  );
  const lengths = [...text.matchAll(/^Bytecode length: (\d+)/gm)].map(([, length]) => Number(length));
  return lengths.toSorted((a, b) => b - a);
}

describe("the hot loop", () => {
  it("is small enough for V8 to optimise it", async function () {
    this.timeout(60_000);
    const [length = 0] = await bytecodeLengths("run");
    expect(length).to.be.within(LEAST_BYTECODE, MAX_BYTECODE);
  });

  it("leaves rare operations to a second function of which the same is true", async function () {
    this.timeout(60_000);
    const [length = 0] = await bytecodeLengths("slow");
    expect(length).to.be.within(1_000, MAX_BYTECODE);
  });

  it("leaves vectors to a third, likewise", async function () {
    this.timeout(60_000);
    const [length = 0] = await bytecodeLengths("vector");
    expect(length).to.be.within(LEAST_BYTECODE, MAX_BYTECODE);
  });

  it("is optimised by V8 when a guest runs for a while", async function () {
    this.timeout(60_000);
    // The bits of V8's status that say which compiler made the function's code.
    const [maglevved, turboFanned] = [1 << 5, 1 << 6];
    const text = await output(
      ["--allow-natives-syntax"],
      `let status = 0;
       for (let i = 0; i < 400 && (status & ${turboFanned}) === 0; i++) {
         call(20);
         // Waits for V8's other thread, which may be late on a busy machine.
         %FinalizeOptimization();
         await new Promise((resolve) => setImmediate(resolve));
         status = %GetOptimizationStatus(run);
       }
       console.log("status", status);`,
    );
    const status = Number(/status (\d+)/.exec(text)?.[1]);
    expect(status & (turboFanned | maglevved), `status ${status}`).to.not.equal(0);
    expect(status & turboFanned, `status ${status}`).to.not.equal(0);
  });

  it("keeps its optimised code whatever guests do after warmUp()", async function () {
    this.timeout(60_000);
    const text = await output(
      ["--allow-natives-syntax", "--trace-deopt"],
      `const { warmUp } = await at("./training.js");
       const pause = () => new Promise((resolve) => setImmediate(resolve));
       warmUp();
       for (let i = 0; i < 2000 && (%GetOptimizationStatus(run) & ${1 << 6}) === 0; i++) {
         call(5);
         %FinalizeOptimization();
         await pause();
       }
       console.log("optimised", (%GetOptimizationStatus(run) & ${1 << 6}) !== 0);
       const { Store } = await at("../index.js");
       const charges = { params: [], results: [], call: (caller) => { caller.chargeFuel(2 ** 31); return []; } };
       const guest = wat\`(module
         (import "h" "direct" (func $direct (param i32) (result i32))) (import "h" "plain" (func $plain))
         (import "h" "async" (func $async)) (import "h" "charges" (func $charges))
         (memory 1) (table 1 10 funcref) (elem (i32.const 0) $later) (type $v (func))
         (func $later) (func $unlowered (param i32) (result i32) local.get 0 i32.const 3 i32.mul)
         (func $wide (local i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
           i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64))
         (func (export "f") (param i32) (result i32)
           call $plain call $async call $wide call $charges
           i32.const 0 call_indirect (type $v)
           i32.const 1 memory.grow drop ref.null func i32.const 2 table.grow drop
           local.get 0 call $unlowered call $direct)
         (func (export "trap") (param i32) (result i32) local.get 0 i32.load))\`;
       for (let i = 0; i < 3; i++) {
         const store = new Store();
         const { compileSync } = await at("../index.js");
         const other = store.instantiateSync(compileSync(guest), { h: {
           direct: { kind: "direct", params: ["i32"], results: ["i32"], call: (caller) => caller.i32(0) + 1 },
           plain: { params: [], results: [], call: () => [] },
           async: { kind: "async", params: [], results: [], call: pause },
           charges } });
         const [value] = await other.call("f", [7]);
         try { other.callSync("trap", [-1]); } catch (error) { console.log("value", value, error.message); }
         call(20);
       }`,
    );
    expect(text).to.include("optimised true");
    expect(text.match(/value 22 out of bounds memory access/g)).to.have.length(3);
    // Small functions of the same name have small offsets.
    const thrownAway = [...text.matchAll(/deoptimizing .*<JSFunction run .*bytecode offset (\d+)/g)];
    expect(thrownAway.filter(([, offset]) => Number(offset) > LEAST_BYTECODE).map(([line]) => line)).to.deep.equal([]);
  });

  it("marks every statement that only counts fuel, in the source and in what is compiled from it", () => {
    const marked = (path: string): string[] =>
      readFileSync(path, "utf8")
        .split("\n")
        .filter((line) => line.trimEnd().endsWith("// fuel"));
    const source = marked(SOURCE);
    expect(source).to.have.length.above(15);
    expect(marked(join(HERE, "interpreter.js"))).to.have.length(source.length);
    for (const line of source) expect(line).to.match(/\b(F|P|pc|break)\b|^\s*\} \/\/ fuel$/);
  });
});
