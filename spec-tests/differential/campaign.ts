/**
 * Plans run on both engines and compared, and on ours in several modes, whose lines and fuel must be the same;
 * what came of it is counted. A campaign goes over the suite's scripts, random modules, or both.
 */

import { basename } from "node:path";
import type { TurnOptions } from "../../vm/index.ts";
import { readScript, type SuiteFile, proposalsOf } from "../suite.ts";
import { compareOutcomes, type CompareOptions, stopOf } from "./compare.ts";
import type { Fuzzer } from "./fuzzer.ts";
import { ourMachine } from "./our-machine.ts";
import { type Plan, runPlan } from "./plan.ts";
import { randomPlan } from "./random-plan.ts";
import { scriptPlan } from "./script-plan.ts";
import type { V8Process } from "./v8-process.ts";

export const MODES: readonly TurnOptions[] = [{}, { fuel: 1_000 }, { fuel: 7, exact: true }];

/** Calls that take too long are left out of a plan, up to so many. */
const MAX_LEFT_OUT = 40;
/** Why the rest of a plan may go uncompared. All else is a mismatch. */
const ACCEPTED_STOP = /^(fuel|waits|Termination: memory limit: .*)$/;

/** Folders of the suite that the other engine cannot run. */
const LACKING: ReadonlyMap<string, string> = new Map([
  ["proposals/custom-page-sizes", "V8 14.6 has no memories with other page sizes"],
  ["proposals/wide-arithmetic", "V8 14.6 has no instructions for 128 bits"],
]);

/** Scripts whose functions return the bits of NaNs as integers. */
const REINTERPRETING: ReadonlySet<string> = new Set(["float_exprs.wast"]);

export interface RandomOptions {
  readonly count: number;
  readonly seconds: number;
  /** Of the fuzzer's input, at most. */
  readonly inputBytes: number;
}

export class Campaign {
  readonly #v8: V8Process;
  readonly #print: (text: string) => void;
  modules = 0;
  plans = 0;
  lines = 0;
  mismatches = 0;
  /** Why something was left out or differs as it may: how often. */
  readonly notes = new Map<string, number>();

  constructor(v8: V8Process, print: (text: string) => void) {
    this.#v8 = v8;
    this.#print = print;
  }

  async suite(files: readonly SuiteFile[]): Promise<void> {
    for (const file of files) {
      const lacking = LACKING.get(file.folder);
      if (lacking !== undefined) {
        this.#note(`${file.name}: ${lacking}`);
        continue;
      }
      const { plan, modules, omitted } = scriptPlan(file.name, readScript(file), proposalsOf(file));
      if (omitted !== null) this.#note(`${file.name}: ${omitted}`);
      this.modules += modules;
      const reinterprets = REINTERPRETING.has(basename(file.name));
      // The suite in all modes is another command's: `npm run spec:compare`.
      await this.#compare(plan, MODES.slice(0, 1), { relaxed: file.folder === "relaxed-simd", reinterprets });
    }
  }

  /** The modules of so many seeds, or of those for which there is time; returns the one after the last. */
  async random(fuzzer: Fuzzer, firstSeed: number, { count, seconds, inputBytes }: RandomOptions): Promise<number> {
    const end = performance.now() + seconds * 1_000;
    let before = Promise.resolve();
    let seed = firstSeed;
    for (; seed < firstSeed + count && performance.now() < end; seed++) {
      const bytes = fuzzer.module(seed, inputBytes);
      const plan = bytes === null ? null : randomPlan(`seed ${seed}`, bytes, seed);
      if (plan === null) {
        this.#note(
          bytes === null ? "seeds for which wasm-opt makes no module" : "modules with an import that nothing fits",
        );
        continue;
      }
      this.modules++;
      // The other engine runs one plan while the next one is made.
      const compared = this.#compare(plan, MODES);
      await before;
      before = compared;
    }
    await before;
    return seed;
  }

  async #compare(whole: Plan, modes: readonly TurnOptions[], options?: CompareOptions): Promise<void> {
    const { plan, outcome } = this.#feasible(whole);
    this.plans++;
    const theirs = this.#v8.run(plan);
    for (const mode of modes.slice(1)) this.#sameAs(plan, outcome, mode);
    const { equal, open, mismatch, stopped } = compareOutcomes(outcome.lines, await theirs, options);
    this.lines += equal;
    for (const [reason, count] of open) this.#note(`lines that differ in what is free: ${reason}`, count);
    if (stopped !== null) this.#note(`plans not compared to their end: ${stopped}`);
    if (mismatch !== null) this.#mismatch(plan, mismatch);
    else if (stopped !== null && !ACCEPTED_STOP.test(stopped)) this.#mismatch(plan, stopped);
  }

  /** The plan without what would take ours too long, and ours of it. */
  #feasible(plan: Plan): { plan: Plan; outcome: Outcome } {
    let feasible = plan;
    for (let leftOut = 0; ; leftOut++) {
      const outcome = outcomeOf(feasible, MODES[0]!);
      const last = outcome.lines.length - 1;
      if (!ACCEPTED_STOP.test(stopOf(outcome.lines[last] ?? "") ?? "") || leftOut === MAX_LEFT_OUT) {
        return { plan: { ...feasible, steps: feasible.steps.slice(0, last + 1) }, outcome };
      }
      if (feasible.steps[last]?.kind !== "call")
        return { plan: { ...feasible, steps: feasible.steps.slice(0, last) }, outcome };
      this.#note("calls left out: more fuel or memory than a call may use, or a wait");
      feasible = { ...feasible, steps: feasible.steps.filter((_, index) => index !== last) };
    }
  }

  #sameAs(plan: Plan, expected: Outcome, mode: TurnOptions): void {
    const { lines, fuel } = outcomeOf(plan, mode);
    const at = lines.findIndex((line, index) => line !== expected.lines[index]);
    if (at >= 0) this.#mismatch(plan, `${JSON.stringify(mode)}: ${lines[at]}\n unlimited: ${expected.lines[at]}`);
    else if (lines.length !== expected.lines.length || fuel !== expected.fuel) {
      this.#mismatch(plan, `${JSON.stringify(mode)}: fuel ${fuel}, unlimited: ${expected.fuel}`);
    }
  }

  #note(text: string, count = 1): void {
    this.notes.set(text, (this.notes.get(text) ?? 0) + count);
  }

  #mismatch({ id }: Plan, text: string): void {
    this.mismatches++;
    this.#print(`${id}: ${text}`);
  }

  summary(): string {
    const notes = [...this.notes].map(([text, count]) => `  ${count === 1 ? "" : `${count} `}${text}`);
    const counts = `${this.modules} modules in ${this.plans} plans, ${this.lines} equal lines, ${this.mismatches} mismatches`;
    return [...notes, counts].join("\n");
  }
}

export interface Outcome {
  readonly lines: readonly string[];
  readonly fuel: number;
}

/** What ours makes of a plan. */
export function outcomeOf(plan: Plan, mode: TurnOptions): Outcome {
  const machine = ourMachine(mode, plan.proposals);
  return { lines: runPlan(plan, machine), fuel: machine.fuelUsed };
}
