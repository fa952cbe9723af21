/**
 * Many small things where V8's heap is small: a runtime refuses them before V8, which would end the whole program, has to.
 */

import { expect } from "chai";
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const HEAP_MB = 96;

/** Starts processes of an export until there are `most` or one is refused, and prints how many live and why others ended. */
const child = (entry: string, most: number): string => `(async () => {
  const { textToBinary } = await import(${JSON.stringify(import.meta.resolve("../vm/text/index.js"))});
  const { compileSync } = await import(${JSON.stringify(import.meta.resolve("../vm/index.js"))});
  const { Executor, guestFunctions, Runtime, SpawnError } = await import(${JSON.stringify(import.meta.resolve("./index.js"))});
  const executor = new Executor();
  const runtime = new Runtime({ executor, functions: [guestFunctions] });
  const module = compileSync(textToBinary(\`(module
    (import "lunatic::message" "receive" (func $receive (param i32 i32 i64) (result i32)))
    (import "lunatic::message" "create_data" (func $create (param i64 i64)))
    (import "lunatic::message" "send" (func $send (param i64) (result i32)))
    (import "lunatic::process" "process_id" (func $self (result i64)))
    (func $idle (export "idle") (drop (call $receive (i32.const 0) (i32.const 0) (i64.const -1))))
    (func (export "flood") (local $i i32)
      (loop $l
        (call $create (i64.const 7) (i64.const 0))
        (drop (call $send (call $self)))
        (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 60000))))
      (loop $l (call $create (i64.const 7) (i64.const 0)) (drop (call $send (i64.const 0))) (br $l))))\`));
  const ends = {};
  const ended = ({ kind, limit }) => { ends[limit ?? kind] = (ends[limit ?? kind] ?? 0) + 1; };
  try {
    for (let made = 0; made < ${most}; made++) {
      runtime.spawn(module, { entry: ${JSON.stringify(entry)} }).process.onExit(ended);
      if (${JSON.stringify(entry)} === "flood" || made % 100 === 0) executor.runUntilIdle(${entry === "flood" ? 2_000 : ""});
    }
  } catch (error) {
    if (!(error instanceof SpawnError)) throw error;
  }
  process.stdout.write(JSON.stringify({ alive: runtime.processCount, ends }));
  process.exit(0);
})()`;

async function limited(entry: string, most: number): Promise<{ alive: number; ends: Record<string, number> }> {
  const { stdout } = await promisify(execFile)(process.execPath, [
    `--max-old-space-size=${HEAP_MB}`,
    "-e",
    child(entry, most),
  ]);
  return JSON.parse(stdout) as { alive: number; ends: Record<string, number> };
}

describe("where V8's heap is small", function () {
  this.timeout(120_000);

  it("processes without memories are refused before it is full", async () => {
    const { alive, ends } = await limited("idle", 200_000);
    expect(ends).to.deep.equal({});
    expect(alive).to.be.within(10_000, 40_000);
  });

  it("so are messages that nobody receives", async () => {
    const { ends } = await limited("flood", 6);
    expect(Object.keys(ends)).to.deep.equal(["memory limit"]);
  });
});
