/** Many runtimes of one isolate: they join one executor, which divides time among them and keeps one budget for all. */

import { expect } from "chai";
import { compileSync } from "../vm/index.ts";
import { textToBinary } from "../vm/text/index.ts";
import { Executor, type TurnSource } from "./executor.ts";
import { Runtime } from "./runtime.ts";

const BUDGET_MS = 4;
const RUNTIMES = 20;

/** Time passes by the fuel of turns alone, and the event loop goes on when the test says so. */
class LoopTime implements TurnSource {
  ms = 0;
  readonly waiting: (() => void)[] = [];

  nowMs(): number {
    return this.ms;
  }

  nextTurn(run: () => void): void {
    this.waiting.push(run);
  }

  wakeAfter(): () => void {
    return () => {};
  }
}

describe("20 runtimes on one executor", () => {
  it("have equal shares however many processes each has, within one budget for all of them", async () => {
    const time = new LoopTime();
    const executor = new Executor({ source: time, budgetMs: BUDGET_MS });
    const used: number[] = [];
    let longestMs = 0;
    const hog = compileSync(textToBinary(`(module (func (export "hog") (loop $again (br $again))))`));
    const runtimes = Array.from({ length: RUNTIMES }, (_, i) => {
      used.push(0);
      const runtime = new Runtime({
        executor,
        trace(event) {
          if (event.kind !== "turn") return;
          const ms = event.fuel / 1e6;
          time.ms += ms;
          used[i]! += ms;
          longestMs = Math.max(longestMs, ms);
        },
      });
      for (let n = 0; n <= i; n++) runtime.spawn(hog, { entry: "hog" });
      return runtime;
    });
    const turns: number[] = [];
    while (turns.length < 100) {
      // Twenty runtimes ask for no more turns of the event loop than one does.
      expect(time.waiting).to.have.length(1);
      const startMs = time.ms;
      time.waiting.shift()!();
      turns.push(time.ms - startMs);
    }
    expect(longestMs).to.be.at.most(0.2);
    // Sums of fractions are rounded.
    expect(Math.min(...turns)).to.be.at.least(BUDGET_MS - 1e-6);
    expect(Math.max(...turns)).to.be.at.most(BUDGET_MS + longestMs + 1e-6);
    const ideal = time.ms / RUNTIMES;
    for (const [i, ms] of used.entries()) expect(Math.abs(ms - ideal), `runtime ${i}`).to.be.at.most(2 * longestMs);
    const disposed = Promise.all(runtimes.map((runtime) => runtime.dispose()));
    for (let run = time.waiting.shift(); run !== undefined; run = time.waiting.shift()) run();
    await disposed;
  });
});
