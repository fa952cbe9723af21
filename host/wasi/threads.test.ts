import { expect } from "chai";
import { readFileSync } from "node:fs";
import {
  type Accountant,
  compileSync,
  FuelExhausted,
  LimitAccountant,
  LinkError,
  Store,
  Termination,
  Trap,
  type Value,
} from "../../vm/index.ts";
import { wat } from "../../vm/testing.ts";
import { newProgress, type Progress } from "../drive.ts";
import { CollectedOutput, FakeClock, QueuedInput, SeededRandom } from "../fakes.ts";
import { NODE_EVENT_LOOP } from "../node/index.ts";
import type { Cancel, Clock } from "../system.ts";
import { ProcessExit } from "./proc.ts";
import { WasiThreads } from "./threads.ts";
import { Wasi } from "./wasi.ts";

const GUESTS = new URL("../../../guests/wasm/threads/", import.meta.url);

interface Options {
  readonly slice?: number;
  readonly maxFuel?: number;
  readonly maxThreads?: number;
  readonly accountant?: Accountant;
  readonly clock?: Clock;
  readonly signal?: AbortSignal;
}

/** Jumps to a time that is still waited for after some turns of the event loop, in which all have fallen asleep. */
class JumpingClock extends FakeClock {
  override wakeAt(deadline: bigint, wake: () => void): Cancel {
    let turnsLeft = 50;
    const tick = (): void => {
      if (turnsLeft-- > 0) immediate = setImmediate(tick);
      else this.advance(deadline > this.monotonic() ? deadline - this.monotonic() : 0n);
    };
    let immediate = setImmediate(tick);
    const cancel = super.wakeAt(deadline, wake);
    return () => {
      clearImmediate(immediate);
      cancel();
    };
  }
}

/** A program of threads with a clock that stands still, unless one is given. */
class Program {
  readonly stdout = new CollectedOutput();
  readonly progress: Progress = newProgress();
  readonly store: Store;
  readonly threads: WasiThreads;
  readonly #module;

  constructor(bytes: Uint8Array | string, args: readonly string[] = [], options: Options = {}) {
    const { clock = new FakeClock(), maxThreads = 16, accountant, ...limits } = options;
    const wasi = new Wasi({
      args: ["program", ...args],
      stdin: new QueuedInput(),
      stdout: this.stdout,
      stderr: new CollectedOutput(),
      clock,
      random: new SeededRandom(1),
    });
    this.#module = compileSync(typeof bytes === "string" ? readFileSync(new URL(`${bytes}.wasm`, GUESTS)) : bytes);
    this.store = new Store(accountant === undefined ? {} : { accountant });
    const services = { clock, eventLoop: NODE_EVENT_LOOP };
    const { store } = this;
    const imports = wasi.imports;
    this.threads = new WasiThreads(
      { ...services, ...limits, store, module: this.#module, imports, maxThreads },
      this.progress,
    );
  }

  async run(): Promise<readonly Value[]> {
    const { instance, invocation } = this.store.instantiation(this.#module, this.threads.imports);
    await this.threads.drive(invocation);
    return this.threads.drive(instance.invoke("_start"));
  }

  get text(): string {
    return this.stdout.text;
  }
}

async function failure(program: Program): Promise<unknown> {
  return program.run().then(
    () => null,
    (error: unknown) => error,
  );
}

describe("threads of WASI programs", () => {
  it("count together: locks, atomic additions, memory of their own, results", async () => {
    for (const slice of [37, 1_000, 100_000]) {
      const program = new Program("sum", ["5", "400"], { slice });
      await program.run();
      expect(program.text).to.equal("guarded 2000\natomic 6000\nreturned 2000\nown 0\n");
      expect(program.threads.count).to.equal(0);
    }
  });

  it("do the same every time for the same slice: order, output, fuel", async () => {
    const outputs = new Set<string>();
    for (const slice of [50, 500, 5_000, 100_000]) {
      const [one, two] = [0, 1].map(() => new Program("queue", ["4", "40"], { slice })) as [Program, Program];
      await Promise.all([one.run(), two.run()]);
      expect(two.text).to.equal(one.text);
      expect(two.progress).to.deep.equal(one.progress);
      outputs.add(one.text);
      expect(one.text.match(/\d+:(\d+) /g)).to.have.length(40);
      expect(one.text.slice(one.text.indexOf("sum"))).to.equal(`sum ${SUM_OF_40}\n`);
    }
    expect(outputs.size).to.be.greaterThan(1);
  });

  it("the exit of one is the program's", async () => {
    const program = new Program("end", ["exit"]);
    expect(await failure(program))
      .to.be.instanceOf(ProcessExit)
      .with.property("code", 7);
    expect(program.threads.count).to.equal(0);
  });

  it("the trap of one is the program's, with its backtrace", async () => {
    const error = await failure(new Program("end", ["trap"]));
    expect(error).to.be.instanceOf(Trap).with.property("message", "unreachable");
    expect((error as Trap).backtrace.map(({ funcName }) => funcName)).to.include("traps");
  });

  it("the end of the first one ends the others", async () => {
    const program = new Program("end", ["return"], { slice: 1_000 });
    await program.run();
    expect(program.text).to.equal("main returns\n");
    expect(program.threads.count).to.equal(1);
    program.threads.end();
    expect(program.threads.count).to.equal(0);
  });

  it("sleep by the clock, in the order of their times", async () => {
    const program = new Program("end", ["sleep"], { clock: new JumpingClock() });
    await program.run();
    expect(program.text).to.equal("slept 10\nslept 30\n");
  });

  it("give way to each other", async () => {
    const program = new Program("end", ["yield"]);
    await program.run();
    expect(program.text).to.equal("ababab\n");
  });

  it("are no more at once than allowed, and their places are used again", async () => {
    const program = new Program("end", ["many"], { maxThreads: 5 });
    await program.run();
    expect(program.text).to.equal("5 threads\n");
    await new Program("end", ["one-by-one"], { maxThreads: 1 }).run();
  });

  it("give back at their end what they took, and share one limit of memory", async () => {
    const accountant = new LimitAccountant(600_000);
    const program = new Program("end", ["one-by-one"], { accountant });
    await program.run();
    const before = accountant.usedBytes;
    expect(before).to.be.below(300_000);
    const many = new Program("end", ["many"], { accountant: new LimitAccountant(before + 40_000), maxThreads: 1_000 });
    await many.run();
    expect(Number(/^\d+/.exec(many.text)?.[0])).to.be.within(1, 30);
  });

  it("share one limit of fuel, and end with a signal while they wait", async () => {
    const limited = await failure(new Program("end", ["return"], { maxFuel: 5_000, slice: 100 }));
    expect(limited).to.be.instanceOf(FuelExhausted);
    const program = new Program("end", ["deadlock"], { signal: AbortSignal.timeout(5) });
    expect(await failure(program)).to.have.property("name", "TimeoutError");
    expect(program.threads.count).to.equal(0);
  });

  it("another memory than the shared one, or another function, is not given", () => {
    const program = new Program(wat`(module (import "env" "memory" (memory 1 1 shared)))`);
    const other = compileSync(wat`(module (import "env" "memory" (memory 1)))`);
    expect(() => program.store.instantiation(other, program.threads.imports)).to.throw(LinkError, "incompatible");
    const unknown = compileSync(wat`(module (import "wasi" "thread-kill" (func)))`);
    expect(() => program.store.instantiation(unknown, program.threads.imports)).to.throw(LinkError, "unknown import");
  });

  it("a module that starts threads needs the function that they start with", async () => {
    const program = new Program(wat`(module (import "env" "memory" (memory 1 1 shared))
      (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
      (func (export "_start") (drop (call $spawn (i32.const 0)))))`);
    expect(await failure(program))
      .to.be.instanceOf(Trap)
      .with.property("message")
      .that.contains("wasi_thread_start");
  });

  it("a memory beyond the limit is refused", () => {
    const accountant = new LimitAccountant(100_000);
    const bytes = wat`(module (import "env" "memory" (memory 2 2 shared)))`;
    expect(() => new Program(bytes, [], { accountant })).to.throw(Termination, "memory limit");
  });
});

/** What the workers of `queue` compute from the items 1 to 40. */
const SUM_OF_40 = (() => {
  let sum = 0;
  for (let item = 1; item <= 40; item++) {
    let hash = item;
    for (let i = 0; i < item * 10; i++) hash = (Math.imul(hash, 1_664_525) + 1_013_904_223) >>> 0;
    sum = (sum + hash) >>> 0;
  }
  return sum % 1_000_000_007;
})();
