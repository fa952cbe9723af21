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
         await new Promise((resolve) => setImmediate(resolve));
         status = %GetOptimizationStatus(run);
       }
       console.log("status", status);`,
    );
    const status = Number(/status (\d+)/.exec(text)?.[1]);
    expect(status & (turboFanned | maglevved), `status ${status}`).to.not.equal(0);
    expect(status & turboFanned, `status ${status}`).to.not.equal(0);
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
