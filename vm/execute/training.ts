/**
 * Training of the hot loop. V8 optimises it for the operations it has seen; the first use of
 * another one throws the optimised code away, for 50 to 300 ms each time. So, once an isolate has
 * run guests for a while, every operation is executed here on small and large values, with both
 * outcomes of every branch. What is executed derives from the layouts of the operations. Not
 * earlier: optimising all operations takes V8 half a second and more, in which the loop is slow.
 */

import { compileSync } from "../compiled-module.ts";
import { Engine } from "../engine.ts";
import { Reg } from "../lower/code.ts";
import { LAYOUTS } from "../lower/layouts.ts";
import type { HostDefinition } from "../runtime/func.ts";
import { Store } from "../runtime/store.ts";
import { run } from "./interpreter.ts";
import { Machine } from "./machine.ts";
import { vectorTrainingSteps } from "./vector-training.ts";

/**
 * A module with a function that has a local, one that is never called before it has code, and one with many locals:
 * `(module (func (local i64)) (func) (func (local i64 …)) (table 3 funcref) (memory 1)
 * (global (mut i64) (i64.const 0)) (elem (i32.const 0) 0 1 2))`
 */
const GUEST = Uint8Array.of(
  ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  ...[1, 4, 1, 0x60, 0, 0],
  ...[3, 4, 3, 0, 0, 0],
  ...[4, 4, 1, 0x70, 0, 3],
  ...[5, 3, 1, 0, 1],
  ...[6, 6, 1, 0x7e, 1, 0x42, 0, 0x0b],
  ...[9, 9, 1, 0, 0x41, 0, 0x0b, 3, 0, 1, 2],
  ...[10, 14, 3, 4, 1, 1, 0x7e, 0x0b, 2, 0, 0x0b, 4, 1, 40, 0x7e, 0x0b],
);
/** Of its functions. */
const MANY_LOCALS = 2;
/** `(module (import "" "d" (func)) (import "" "p" (func)) (func (export "f") call 0 call 1 call 0))` */
const CALLER = Uint8Array.of(
  ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  ...[1, 4, 1, 0x60, 0, 0],
  ...[2, 11, 2, 0, 1, 0x64, 0, 0, 0, 1, 0x70, 0, 0],
  ...[3, 2, 1, 0],
  ...[7, 5, 1, 1, 0x66, 0, 2],
  ...[10, 10, 1, 8, 0, 0x10, 0, 0x10, 1, 0x10, 0, 0x0b],
);
const DIRECT: HostDefinition = { kind: "direct", params: [], results: [], call: () => undefined };
const PLAIN: HostDefinition = { params: [], results: [], call: () => undefined };

/** Word offsets in the frame: zeros (addresses, and a link that returns to the halt), then one slot for each operand. */
const ZEROS = 0;
const OPERANDS: Readonly<Record<string, number>> = { a: 8, b: 10, c: 12, d: 14 };
const ARGUMENTS = 16;
/** A reference to the guest's function, or null where addresses are far. */
const FUNCTION = 64;
/** An object of the guest, or null likewise, and an index of it as an array. */
const OBJECT = 66;
const INDEX = 68;
const OBJECT_WORDS = 32;
const OBJECT_LENGTH = 8;

/**
 * Values of the operands `a` (and its high word) and `b`: less, greater, equal, beyond small integers, zero for
 * conditions, shifts by nothing, by a word and by more, and NaN as f64 and as f32.
 */
const VALUES: readonly (readonly [low: number, high: number, b: number])[] = [
  [1, 0, 2],
  [2, 0, 1],
  [2, 0, 2],
  [-0x8000_0000, -1, 0x7fff_ffff],
  [0, 0, -1],
  [-2, -1, 2],
  [1, 0, 0],
  [1, 0, 32],
  [1, 0, 33],
  [0, 0x7ff8_0000, 2],
  [0x7fc0_0000, 0, 2],
];
const FUEL = 1_000_000;
/** A growth that the declared maximum allows and that costs more. */
const UNPAID_PAGES: (typeof VALUES)[number] = [2_000, 0, 0];
/**
 * V8 takes no notes of what a function has seen until it has executed eight times its length: in an isolate where no guest
 * has run, most of the first pass leaves no trace.
 */
const FRESH_PASSES = 3;
/** Beyond the memory, and beyond int32. */
const FAR_ADDRESS = 0xffff_ffff;
/** Operands for which it makes a difference. */
const FAR: readonly string[] = ["m", "r", "h", "@"];

let isWarm = false;

/**
 * Executes every operation of the hot loop and of the vector loop, some tens of milliseconds: for servers, before
 * the first guest. Others need not call it, since an isolate whose guests have used 10^9 fuel does it by itself.
 */
export function warmUp(): void {
  isWarm = true;
  for (const _ of trainingSteps(FRESH_PASSES));
}

/** Whether {@link warmUp} was called: there is nothing more to train. */
export function hasWarmedUp(): boolean {
  return isWarm;
}

/** As {@link warmUp}, a few milliseconds at a time: one pass, where guests have run for a while. */
export function* trainingSteps(passes = 1): Generator<void> {
  const store = new Store({ engine: new Engine() });
  const module = compileSync(GUEST, { engine: store.engine });
  const instance = store.instantiateSync(module);
  module.lower(0, false);
  module.lower(MANY_LOCALS, false);
  const { code } = instance;
  code.constant(0, 0x3ff8_0000);
  code.reserve(64);
  const x = new Machine(256);
  x.enter(instance);
  const caller = compileSync(CALLER, { engine: store.engine });
  const calling = store.instantiateSync(caller, (_, name) => (name === "d" ? DIRECT : PLAIN));
  const { heap } = store;
  const object = heap.allocate(OBJECT_WORDS, 0, true);
  heap.setWord(object, 1, OBJECT_LENGTH);
  yield;
  for (let pass = 0; pass < passes; pass++) {
    // Each of all operations before any of them again: V8 begins to optimise somewhere in the middle.
    for (const values of VALUES) {
      for (let reg: number = Reg.Check; reg < Reg.Slow; reg++) {
        // Calls of imports go through an invocation: the loop must know no other kind of caller.
        if (reg !== Reg.CallImport) execute(x, reg, LAYOUTS[reg] ?? [], values, 0, object);
      }
      calling.callSync("f");
      yield;
    }
    for (let reg: number = Reg.Check; reg < Reg.Slow; reg++) {
      const layout = LAYOUTS[reg] ?? [];
      if (layout.some((part) => FAR.includes(part))) execute(x, reg, layout, VALUES[0]!, FAR_ADDRESS, 0);
    }
    // One operation of each of the other functions stands for all: the loop only calls them.
    execute(x, Reg.MoveSlots, ["d", "a", "k"], VALUES[0]!, 0, 0);
    execute(x, Reg.StructGet, ["d", "h", "n", "zero"], VALUES[0]!, 0, object);
    // And one that pauses inside, since it cannot pay for all pages.
    execute(x, Reg.MemoryGrow, ["a", "zero", "zero"], UNPAID_PAGES, 0, 0);
    x.isInsideBulk = false;
    yield;
    yield* vectorTrainingSteps();
  }
}

function execute(
  x: Machine,
  reg: Reg,
  layout: readonly string[],
  [low, high, b]: readonly [number, number, number],
  address: number,
  object: number,
): void {
  const { words } = x;
  words.fill(0);
  words[OPERANDS["a"]!] = low;
  words[OPERANDS["a"]! + 1] = high;
  words[OPERANDS["b"]!] = b;
  words[OPERANDS["b"]! + 1] = b >> 31;
  words[OPERANDS["c"]!] = low & 1;
  words[ZEROS] = address;
  words[FUNCTION] = address === 0 ? x.instance!.funcsAt : 0;
  words[OBJECT] = object;
  words[INDEX] = low & 0xf;
  const { code } = x.instance!;
  const start = code.length;
  const program: number[] = [reg];
  for (const part of layout) program.push(...operandWords(part, start + 64, b, address, x));
  if (reg === Reg.BrTable) program.push(start + 64, 0, 0);
  code.reserve(65);
  code.words.fill(Reg.Halt, start, start + 65);
  code.words.set(program, start);
  x.pc = start;
  x.fp = 0;
  x.fuel = FUEL;
  run(x);
}

function operandWords(part: string, target: number, constant: number, address: number, x: Machine): number[] {
  switch (part) {
    case "k":
      return [constant];
    case "t":
      return [target, 0, 0];
    case "m":
      return [ZEROS];
    case "r":
      return [FUNCTION];
    case "h":
      return [OBJECT];
    case "i":
      return [INDEX];
    case "w":
      return [2];
    case "l":
      return [ZEROS + 4];
    case "o":
    case "@":
      return [address];
    case "n":
      return [1];
    case "s":
      return [ARGUMENTS];
    case "f":
      return [(constant & 3) % 3];
    case "y":
      return [x.instance!.module.funcTypeIds[0]!];
    case "a":
    case "b":
    case "c":
    case "d":
      return [OPERANDS[part]!];
    default:
      return [0];
  }
}
