/** Guests with the shape of compiled Rust programs: what real guests demand that is easy to miss. */

import { expect } from "chai";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { compileSync, eventLoopTurn, type CompiledModule } from "../../vm/index.ts";
import { textToBinary } from "../../vm/text/index.ts";
import { Account } from "../group.ts";
import { reasonText } from "../signal.ts";
import { TestHost } from "./testing.ts";

const GUESTS = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..", "guests", "wat");
const read = (name: string): string => readFileSync(join(GUESTS, name), "utf8");

/** A program behind the part that all have. */
function program(name: string): CompiledModule {
  return compileSync(textToBinary(`(module ${read("rust-shape.wat")} ${read(`${name}.wat`)})`));
}

/** Runs a program until its main ends, and says how it and all others ended. */
async function run(name: string, seed = 1): Promise<{ end: string; host: TestHost }> {
  const host = new TestHost({}, seed);
  const { process } = host.start(program(name), { entry: "_start" });
  await host.settle();
  return { end: process.exitReason === null ? "waiting" : reasonText(process.exitReason), host };
}

describe("guests with the shape of compiled Rust programs", () => {
  it("init inside trap::catch spawns and waits, 40 deep, with a panic caught at the bottom", async () => {
    const { end, host } = await run("init-in-catch");
    expect(end).to.equal("normal");
    expect(host.stderr.text).to.equal("thread '<unnamed>' panicked at \n");
    expect(host.runtime.processCount).to.equal(0);
    expect(host.runtime.group.used(Account.Memory)).to.equal(0);
  });

  it("an abstract process finds its handlers in the top byte of the tag", async () => {
    expect((await run("abstract-process")).end).to.equal("normal");
  });

  for (const seed of [1, 2, 3]) {
    it(`a supervisor knows its children by link tag alone, in any order of events (seed ${seed})`, async () => {
      const { end, host } = await run("supervisor", seed);
      expect(host.stderr.text.match(/panicked/g)).to.have.length(25);
      expect(end).to.equal("normal");
    });
  }

  it("a chain of 1,002 linked processes of 18 pages lives, and ends from its end", async () => {
    const { end, host } = await run("chain");
    expect(end).to.equal("normal");
    expect(host.runtime.processCount).to.equal(0);
    expect(host.runtime.group.used(Account.Memory)).to.equal(0);
  });

  it("5,000 requests are answered beside a process that floods the mailbox", async () => {
    const host = new TestHost();
    const { process } = host.start(program("flood"), { entry: "_start" });
    for (let i = 0; i < 1_000 && process.exitReason === null; i++) {
      host.executor.runUntilIdle(1_000);
      await eventLoopTurn();
    }
    expect(process.exitReason).to.deep.equal({ kind: "normal" });
    const disposed = host.runtime.dispose();
    await host.settle();
    await disposed;
    expect(host.runtime.group.used(Account.Memory)).to.equal(0);
  });
});
