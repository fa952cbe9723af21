/** A random module as a plan: is it valid, make it, call every export several times, look at everything, damage it. */

import { decodeModule } from "../../vm/binary/decode.ts";
import { randomWords } from "../../vm/testing.ts";
import { Num, type ValType } from "../../vm/types.ts";
import { observe, type ObservedFunc } from "./observed.ts";
import { base64Of, type Plan, type Step } from "./plan.ts";
import { provide, providedName } from "./provider.ts";

/** Calls of each export that takes arguments; one that takes none is called as often. */
const CALLS = 2;
/** The older instructions for exceptions, which the other engine knows too. */
const PROPOSALS = ["legacy-exceptions"] as const;
/** Exports that are called. */
const MAX_FUNCS = 24;

/** Bits worth passing, by type; others are random. */
const ARGUMENTS: ReadonlyMap<ValType, readonly bigint[]> = new Map([
  [Num.I32, [0n, 1n, 0xffff_ffffn, 0x8000_0000n, 0x7fff_ffffn, 7n, 65_535n]],
  [Num.I64, [0n, 1n, 0xffff_ffff_ffff_ffffn, 0x8000_0000_0000_0000n, 7n, 0x1_0000_0000n]],
  [Num.F32, [0n, 0x8000_0000n, 0x3f80_0000n, 0xff80_0000n, 0x4f00_0000n, 1n]],
  [Num.F64, [0n, 0x8000_0000_0000_0000n, 0x3ff0_0000_0000_0000n, 0x7ff0_0000_0000_0000n, 0x41e0_0000_0000_0000n]],
  [Num.V128, [0n, 0x3f80_0000_3f80_0000_3f80_0000_3f80_0000n, 0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0fn]],
]);

/** Damaged copies of each module: is one as invalid as for the other engine? */
const DAMAGED = 3;
const HEADER_BYTES = 8;

/** The plan, or null if nothing can be given for an import. */
export function randomPlan(id: string, bytes: Uint8Array, seed: number): Plan | null {
  const module = decodeModule(bytes, new Set(PROPOSALS));
  const provider = provide(module);
  if (provider === null) return null;
  const observed = observe(module, { catches: true });
  const next = randomWords(seed);
  const steps: Step[] = [
    { kind: "validate", label: "the module", module: base64Of(bytes) },
    {
      kind: "instantiate",
      label: "its imports",
      module: base64Of(provider),
      imports: [],
      observed: true,
      provider: null,
    },
    {
      kind: "instantiate",
      label: "instantiation",
      module: base64Of(observed.bytes),
      imports: module.imports.map(({ module: from, name }, index) => ({
        module: from,
        name,
        from: { instance: 0, export: providedName(index) },
      })),
      observed: true,
      provider: 0,
    },
  ];
  const state = (label: string, memories: readonly string[]): Step => ({ kind: "state", label, instance: 1, memories });
  steps.push(state("state after instantiation", []));
  for (let round = 0; round < CALLS; round++) {
    for (const func of observed.funcs.slice(0, MAX_FUNCS)) steps.push(callStep(func, 1, round, next));
    // Memories are large: they are compared once, in the end.
    steps.push(state(`state after round ${round}`, round === CALLS - 1 ? observed.memories : []));
  }
  for (let i = 0; i < DAMAGED; i++) {
    steps.push({ kind: "validate", label: `damaged copy ${i}`, module: base64Of(damaged(bytes, next)) });
  }
  return { id, proposals: PROPOSALS, steps };
}

/** A copy with one or two bytes that are another: by a bit, by one, or any. */
function damaged(bytes: Uint8Array, next: () => number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  for (let changes = 1 + (next() % 2); changes > 0; changes--) {
    const at = HEADER_BYTES + (next() % (copy.length - HEADER_BYTES));
    const byte = copy[at]!;
    const choices = [byte ^ (1 << (next() % 8)), byte + 1, next()];
    copy[at] = choices[next() % choices.length]!;
  }
  return copy;
}

/** A call with arguments of a random choice. */
export function callStep(func: ObservedFunc, instance: number, round: number, next: () => number): Step {
  const bits = func.types.map((type, i) => {
    if (func.params[i] !== "bits") return null;
    const known = ARGUMENTS.get(type) ?? [];
    const chosen = next() % (known.length + 2);
    const value = known[chosen] ?? (BigInt(next()) << 32n) | BigInt(next());
    return (type === Num.I32 || type === Num.F32 ? BigInt.asUintN(32, value) : value).toString(16);
  });
  const hosts = func.params.filter((passing) => passing === "host").map(() => 1 + (next() % 3));
  return { kind: "call", label: `${func.name}, round ${round}`, instance, export: func.call, bits, hosts };
}
