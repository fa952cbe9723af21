/**
 * Random modules, run by the host's engine and by ours in fused and exact code, in slices of many sizes:
 * results, traps, memory and globals agree with the host, and so do the fuel and the instructions that its
 * instrumented copy counts. `npm run fuzz` runs more of them; PERILUNE_FUZZ_SEED begins elsewhere.
 */

import { expect } from "chai";
import { encodeModule } from "../binary/encode.ts";
import { compileSync } from "../compiled-module.ts";
import type { Instance } from "../runtime/instance.ts";
import { Memory } from "../runtime/memory.ts";
import { Store } from "../runtime/store.ts";
import { parseModule } from "../text/parser.ts";
import { randomWords, runToEnd, type End } from "../testing.ts";
import { randomModule } from "../testing/random-module.ts";
import type { TurnOptions } from "./outcome.ts";

const SECONDS = Number(process.env["PERILUNE_FUZZ_SECONDS"] ?? 4);
const FIRST_SEED = Number(process.env["PERILUNE_FUZZ_SEED"] ?? 1);
/** Modules of a run that time does not limit: every machine tests these. */
const LEAST_MODULES = 60;
const CALLS = 2;

const ARGUMENTS: readonly (readonly unknown[])[] = [
  [7, -3n, 1.5, -2.25],
  [-2147483648, 0x7fff_ffff_ffff_ffffn, Number.NaN, Number.POSITIVE_INFINITY],
];

/** What one call leaves behind. */
interface Result {
  readonly values: readonly unknown[] | null;
  readonly trap: string | null;
  readonly memory: string;
}

interface Mode {
  readonly name: string;
  readonly options: (seed: number) => (turn: number) => TurnOptions;
}

const MODES: readonly Mode[] = [
  { name: "unlimited", options: () => () => ({}) },
  { name: "exact, 1 at a time", options: () => () => ({ fuel: 1, exact: true }) },
  { name: "slices of 1", options: () => () => ({ fuel: 1 }) },
  { name: "exact, 7 at a time", options: () => () => ({ fuel: 7, exact: true }) },
  { name: "slices of 50", options: () => () => ({ fuel: 50 }) },
  {
    name: "exact and slices by turns",
    options: (seed) => {
      const next = randomWords(seed);
      return () => ({ fuel: 1 + (next() % 60), exact: next() % 2 === 0 });
    },
  },
];

function memoryText(memory: Uint8Array): string {
  return `${memory.length}:${Buffer.from(memory.subarray(0, 65_536)).toString("latin1").replace(/\0+/g, "0")}`;
}

/** The host's words for each of our traps. */
const TRAP_WORDS: readonly (readonly [string, RegExp])[] = [
  ["unreachable", /unreachable/],
  ["integer divide by zero", /divide by zero|remainder by zero/],
  ["integer overflow", /divide result unrepresentable|float unrepresentable/],
  ["invalid conversion to integer", /float unrepresentable/],
  ["out of bounds memory access", /memory access out of bounds/],
  ["undefined element", /table index is out of bounds/],
  ["uninitialized element", /null function|signature mismatch|RuntimeError/],
  ["indirect call type mismatch", /null function|signature mismatch|RuntimeError/],
];

function hostResults(bytes: Uint8Array): { results: Result[]; fuel: number[]; turns: number[] } {
  const exports = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports;
  const main = exports["main"] as (...args: readonly unknown[]) => unknown;
  const dump = exports["dump"] as () => void;
  const memory = exports["memory"] as WebAssembly.Memory;
  const [fuel, turns] = [exports["fuel"] as WebAssembly.Global, exports["turns"] as WebAssembly.Global];
  const counts = { fuel: [] as number[], turns: [] as number[] };
  const results = ARGUMENTS.slice(0, CALLS).map((args): Result => {
    fuel.value = 0;
    turns.value = 0;
    let values: unknown[] | null = null;
    let trap: string | null = null;
    try {
      const value = main(...args);
      values = Array.isArray(value) ? value : [value];
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError)) throw error;
      trap = error.message;
    }
    counts.fuel.push(fuel.value as number);
    counts.turns.push(turns.value as number);
    dump();
    return { values, trap, memory: memoryText(new Uint8Array(memory.buffer)) };
  });
  return { results, ...counts };
}

function run(
  instance: Instance,
  args: readonly unknown[],
  options: (turn: number) => TurnOptions,
): Result & { end: End } {
  const end = runToEnd(instance.invoke("main", args), options);
  instance.callSync("dump");
  const memory = instance.export("memory") as Memory;
  return {
    values: end.values,
    trap: end.error?.message ?? null,
    memory: memoryText(memory.read(0, memory.byteLength)),
    end,
  };
}

/** All differences of a seed's module between the host and our modes. */
function differences(seed: number): string[] {
  const module = randomModule(seed);
  const found: string[] = [];
  const host = hostResults(encodeModule(parseModule(module.instrumented)));
  const compiled = compileSync(encodeModule(parseModule(module.text)));
  const turns = host.turns.map((count) => count + module.entryTurns);
  const firsts: (End | undefined)[] = [];
  for (const { name, options } of rotated(MODES, seed)) {
    const instance = new Store().instantiateSync(compiled);
    host.results.forEach((expected, call) => {
      const result = run(instance, ARGUMENTS[call]!, options(seed));
      const differs = (what: string, got: unknown, wanted: unknown): void => {
        found.push(`seed ${seed}, call ${call}, ${name}: ${what} ${String(got)}, not ${String(wanted)}`);
      };
      if (!sameValues(result.values, expected.values)) differs("results", result.values, expected.values);
      if (!sameTrap(result.end.error?.message, expected.trap)) differs("trap", result.trap, expected.trap);
      if (result.memory !== expected.memory) differs("memory", "differs", "the same");
      if (result.end.fuelUsed !== host.fuel[call]) differs("fuel", result.end.fuelUsed, host.fuel[call]);
      if (name === "exact, 1 at a time" && result.end.turns !== turns[call]) {
        differs("turns", result.end.turns, turns[call]);
      }
      const first = (firsts[call] ??= result.end);
      if (backtraceText(result.end) !== backtraceText(first)) {
        differs("backtrace", backtraceText(result.end), backtraceText(first));
      }
    });
  }
  return found;
}

/** Each mode comes first for some seeds: what is lowered first must not matter. */
function rotated<T>(list: readonly T[], by: number): readonly T[] {
  const at = by % list.length;
  return [...list.slice(at), ...list.slice(0, at)];
}

function sameValues(a: readonly unknown[] | null, b: readonly unknown[] | null): boolean {
  if (a === null || b === null) return a === b;
  return a.length === b.length && a.every((value, i) => Object.is(value, b[i]));
}

function sameTrap(ours: string | undefined, hosts: string | null): boolean {
  if (ours === undefined || hosts === null) return ours === undefined && hosts === null;
  return TRAP_WORDS.some(([words, pattern]) => ours.startsWith(words) && pattern.test(hosts));
}

function backtraceText({ error }: End): string {
  return error === null ? "" : error.backtrace.map(({ funcIndex, position }) => `${funcIndex}@${position}`).join(" ");
}

describe("random modules", () => {
  it("do the same in fused and exact code, in all slices, and in the host's engine", function () {
    this.timeout(SECONDS * 1_000 + 60_000);
    const failures: string[] = [];
    const end = performance.now() + SECONDS * 1_000;
    let seed = FIRST_SEED;
    for (; seed < FIRST_SEED + LEAST_MODULES || performance.now() < end; seed++) {
      failures.push(...differences(seed));
      if (failures.length > 20) break;
    }
    if (SECONDS > 10) console.log(`      ${seed - FIRST_SEED} modules, seeds ${FIRST_SEED} to ${seed - 1}`);
    expect(failures).to.deep.equal([]);
  });
});
