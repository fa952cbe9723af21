/**
 * Many processes where the system limits address space, as containers and shared machines do. The limit is
 * of 8 GB with all that Node reserves for itself, which is about 1 GB: more than one-page guests need, and less than
 * what as many of 32 pages would.
 */

import { expect } from "chai";
import { execFile, spawnSync } from "node:child_process";
import { promisify } from "node:util";

const LIMIT_KB = 8 * 1_048_576;

/** Starts processes of so many pages, in hundreds, until there are `most` or one is refused; prints how many live and why others ended. */
const child = (pages: number, most: number): string => `(async () => {
  const { compileSync } = await import(${JSON.stringify(import.meta.resolve("../vm/index.js"))});
  const { textToBinary } = await import(${JSON.stringify(import.meta.resolve("../vm/text/index.js"))});
  const { Executor, guestFunctions, Runtime } = await import(${JSON.stringify(import.meta.resolve("./index.js"))});
  const executor = new Executor();
  // The default is half of what there is, and newer platforms count this limit in.
  const runtime = new Runtime({ executor, functions: [guestFunctions], maxMemory: Infinity, maxHostMemory: Infinity });
  const module = compileSync(textToBinary(\`(module
    (import "lunatic::message" "receive" (func $receive (param i32 i32 i64) (result i32)))
    (memory (export "memory") ${pages})
    (func (export "idle")
      (i32.store (i32.const 1024) (i32.const 1))
      (drop (call $receive (i32.const 0) (i32.const 0) (i64.const -1)))))\`));
  const ends = {};
  const ended = ({ kind, limit }) => { ends[limit ?? kind] = (ends[limit ?? kind] ?? 0) + 1; };
  for (let made = 0; made < ${most} && Object.keys(ends).length === 0; made += 100) {
    for (let i = 0; i < 100; i++) runtime.spawn(module, { entry: "idle" }).process.onExit(ended);
    executor.runUntilIdle();
  }
  process.stdout.write(JSON.stringify({ alive: runtime.processCount, ends }));
  process.exit(0);
})()`;

async function limited(pages: number, most: number): Promise<{ alive: number; ends: Record<string, number> }> {
  const command = `ulimit -v ${LIMIT_KB} && exec "$0" -e "$1"`;
  const args = ["-c", command, process.execPath, child(pages, most)];
  const { stdout } = await promisify(execFile)("sh", args);
  return JSON.parse(stdout) as { alive: number; ends: Record<string, number> };
}

describe("under a limit of 8 GB of address space", function () {
  this.timeout(120_000);

  before(function () {
    const command = `ulimit -v ${LIMIT_KB} && exec "$0" -e 0`;
    if (spawnSync("sh", ["-c", command, process.execPath]).status === 0) return;
    process.stdout.write("  skipped: this platform has no ulimit -v, or its Node does not start in 8 GB\n");
    this.skip();
  });

  it("10,000 processes live", async () => {
    expect(await limited(1, 10_000)).to.deep.equal({ alive: 10_000, ends: {} });
  });

  it("there is room, but none that may be wasted on regions of large memories", async () => {
    const url = JSON.stringify(import.meta.resolve("./address-space.js"));
    const script = `import(${url}).then(({ hasAbundance, hasAddressSpace }) =>
      console.log(hasAbundance(1), hasAddressSpace(67108864)))`;
    const unlimited = await promisify(execFile)(process.execPath, ["-e", script]);
    const command = `ulimit -v ${LIMIT_KB} && exec "$0" -e "$1"`;
    const few = await promisify(execFile)("sh", ["-c", command, process.execPath, script]);
    expect([unlimited.stdout, few.stdout]).to.deep.equal(["true true\n", "false true\n"]);
  });

  it("what does not fit is refused, and everybody else lives on", async () => {
    const { alive, ends } = await limited(32, 10_000);
    expect(Object.keys(ends)).to.deep.equal(["host out of memory"]);
    expect(alive).to.be.within(1_000, 4_000);
  });
});
