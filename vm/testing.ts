/** Helpers for tests only. */

import { encodeModule } from "./binary/encode.ts";
import { compileSync } from "./compiled-module.ts";
import { Termination, Trap } from "./errors.ts";
import type { Imports } from "./execute/link.ts";
import type { Invocation } from "./execute/invocation.ts";
import type { TurnOptions } from "./execute/outcome.ts";
import type { Instance } from "./runtime/instance.ts";
import { Store } from "./runtime/store.ts";
import type { Value } from "./runtime/values.ts";
import { parseModule } from "./text/parser.ts";
import { Num, type ValType } from "./types.ts";

/** A text module as bytes: wat`(func (export "f") (result i32) (i32.const 42))`. */
export function wat(strings: TemplateStringsArray, ...values: readonly (string | number | bigint)[]): Uint8Array {
  return encodeModule(parseModule(String.raw({ raw: strings.raw }, ...values)));
}

/** An instance of a text module in a store of its own, unless one is given. */
export function instanceOf(bytes: Uint8Array, imports: Imports = {}, store = new Store()): Instance {
  return store.instantiateSync(compileSync(bytes, { engine: store.engine }), imports);
}

/** How an invocation came to its end, and over how many turns. */
export interface End {
  /** `null` after a trap or termination. */
  readonly values: readonly Value[] | null;
  /** The message of the trap or termination, or `null`. */
  readonly trap: string | null;
  readonly error: Trap | Termination | null;
  readonly fuelUsed: number;
  /** Turns in which guest code could run: those that only waited for code to be lowered are not counted. */
  readonly turns: number;
}

/** Runs an invocation turn by turn. Nothing it calls may wait. `options` may depend on the turn, from 0. */
export function runToEnd(invocation: Invocation, options: TurnOptions | ((turn: number) => TurnOptions) = {}): End {
  let turns = 0;
  try {
    for (;;) {
      const outcome = invocation.run(typeof options === "function" ? options(turns) : options);
      if (outcome.kind === "returned") {
        return { values: outcome.values, trap: null, error: null, fuelUsed: outcome.fuelUsed, turns: turns + 1 };
      }
      if (outcome.kind === "waiting") throw new Error("the invocation waits");
      if (outcome.reason !== "preparing") turns++;
    }
  } catch (error) {
    if (!(error instanceof Trap || error instanceof Termination)) throw error;
    return { values: null, trap: error.message, error, fuelUsed: invocation.fuelUsed, turns: turns + 1 };
  }
}

/**
 * How many times as long `large` takes as `small`: of the shortest of some runs each, taken in turns. A busy machine makes
 * all of them longer, and seldom all those of one side alone.
 */
export function timesAsLong(large: () => unknown, small: () => unknown): number {
  const shortest = [large, small].map(() => Number.POSITIVE_INFINITY);
  for (let round = 0; round < 7; round++) {
    for (const [i, work] of [large, small].entries()) {
      const start = performance.now();
      work();
      shortest[i] = Math.min(shortest[i]!, performance.now() - start);
    }
  }
  return shortest[0]! / shortest[1]!;
}

const scratch = new DataView(new ArrayBuffer(8));

/** The constant instruction that gives these bits, NaN payloads included. */
export function constantText(type: ValType, bits: bigint): string {
  switch (type) {
    case Num.I32:
      return `i32.const ${BigInt.asIntN(32, bits)}`;
    case Num.I64:
      return `i64.const ${BigInt.asIntN(64, bits)}`;
    case Num.F32:
      scratch.setUint32(0, Number(BigInt.asUintN(32, bits)));
      return `f32.const ${floatText(scratch.getFloat32(0), bits >> 31n, bits & 0x7f_ffffn)}`;
    default:
      scratch.setBigUint64(0, BigInt.asUintN(64, bits));
      return `f64.const ${floatText(scratch.getFloat64(0), bits >> 63n, bits & 0xf_ffff_ffff_ffffn)}`;
  }
}

function floatText(value: number, sign: bigint, payload: bigint): string {
  if (Number.isNaN(value)) return `${sign === 1n ? "-" : ""}nan:0x${payload.toString(16)}`;
  if (Object.is(value, -0)) return "-0";
  return String(value).replace("Infinity", "inf");
}

/** A small, fast generator of 32-bit words: the same seed gives the same sequence everywhere. */
export function randomWords(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let word = state;
    word = Math.imul(word ^ (word >>> 16), 0x21f0aaad);
    word = Math.imul(word ^ (word >>> 15), 0x735a2d97);
    return (word ^ (word >>> 15)) >>> 0;
  };
}
