/**
 * Random modules for differential tests. One seed gives the same module in two texts: as it is, for
 * this engine, and instrumented, for another one: with NaN made canonical after each float operation,
 * and with counters of the fuel and the instructions executed, computed from the instruction table
 * alone. Modules end: each loop and call takes from a counter that traps when it is used up.
 */

import { INSTRUCTIONS } from "../opcodes.ts";
import { randomWords } from "../testing.ts";
import { Num, valTypeText } from "../types.ts";

export type Type = "i32" | "i64" | "f32" | "f64";

export interface RandomModule {
  readonly text: string;
  readonly instrumented: string;
  /** Turns of one instruction that the call from outside takes besides: entering many locals has a price. */
  readonly entryTurns: number;
}

/** One line of code: an instruction, and what the instrumented text has besides. */
interface Line {
  readonly text: string;
  readonly fuel: number;
  readonly turns: number;
  /** Follows in the instrumented text. */
  readonly after: string;
}

interface Label {
  readonly types: readonly Type[];
  /** Branches to it might never end. */
  readonly isClosed: boolean;
}

interface FuncShape {
  readonly params: readonly Type[];
  readonly results: readonly Type[];
}

const TYPES: readonly Type[] = ["i32", "i64", "f32", "f64"];
const FUNCS = 5;
const FREE_SLOTS = 16;
const PAGE_FUEL = 1_024;
/** Loop iterations and calls until a module traps. */
const WORK = 120;

const PRICES = new Map(Object.values(INSTRUCTIONS).map(({ mnemonic, price }) => [mnemonic, price]));

/** Numeric instructions by result type. */
const NUMERIC = new Map<Type, { mnemonic: string; params: Type[] }[]>(TYPES.map((type) => [type, []]));
for (const [number, { mnemonic, type }] of Object.entries(INSTRUCTIONS)) {
  const op = Number(number);
  if (!((op >= 0x45 && op <= 0xc4) || (op >= 0x100 && op <= 0x107)) || type === null) continue;
  const params = type.params.map((param) => valTypeText(param) as Type);
  NUMERIC.get(valTypeText(type.results[0] ?? Num.I32) as Type)?.push({ mnemonic, params });
}

/** May trap for many operands. */
const TRAPPING = /\.(div|rem)_[su]$|\.trunc_f/;
const GIVES_NAN = /^f(32|64)\.(add|sub|mul|div|min|max|sqrt|ceil|floor|trunc|nearest|demote_f64|promote_f32)$/;

/** Pairs that lowering makes one operation of: (a op1 b) op2 c and c op2 (a op1 b). */
const PAIRS: Readonly<Record<Type, readonly (readonly [string, string])[]>> = {
  i32: [
    ["add", "shl"],
    ["add", "add"],
    ["add", "mul"],
    ["xor", "shl"],
    ["xor", "shr_u"],
    ["xor", "rotl"],
    ["or", "shl"],
    ["and", "shr_u"],
    ["sub", "add"],
    ["shr_s", "shl"],
  ],
  i64: [
    ["xor", "shr_u"],
    ["xor", "rotl"],
    ["add", "mul"],
    ["or", "shl"],
  ],
  f32: [
    ["add", "mul"],
    ["sub", "mul"],
    ["mul", "mul"],
  ],
  f64: [
    ["add", "mul"],
    ["sub", "mul"],
    ["mul", "mul"],
    ["mul", "add"],
  ],
};

const LOADS: Readonly<Record<Type, readonly string[]>> = {
  i32: ["load", "load", "load8_s", "load8_u", "load16_s", "load16_u"],
  i64: ["load", "load", "load8_s", "load8_u", "load16_s", "load16_u", "load32_s", "load32_u"],
  f32: ["load"],
  f64: ["load"],
};
const STORES: Readonly<Record<Type, readonly string[]>> = {
  i32: ["store", "store", "store8", "store16"],
  i64: ["store", "store8", "store16", "store32"],
  f32: ["store"],
  f64: ["store"],
};

const CONSTANTS: Readonly<Record<Type, readonly string[]>> = {
  i32: ["0", "1", "-1", "2", "3", "8", "13", "31", "32", "255", "65535", "2147483647", "-2147483648", "1000003"],
  i64: ["0", "1", "-1", "2", "7", "32", "63", "64", "4294967296", "-9223372036854775808", "1311768467463790320"],
  f32: [
    "0",
    "-0",
    "1",
    "-1.5",
    "0.1",
    "3.4e38",
    "1e-45",
    "inf",
    "-inf",
    "nan",
    "nan:0x200001",
    "16777217",
    "2147483648",
  ],
  f64: ["0", "-0", "1", "-1.5", "0.1", "1.7e308", "5e-324", "inf", "-inf", "nan", "-nan:0x4000000000001", "4294967295"],
};

/** The module of a seed. */
export function randomModule(seed: number): RandomModule {
  return new Generator(seed).module();
}

class Generator {
  readonly #next: () => number;
  readonly #funcs: FuncShape[] = [];
  #lines: Line[] = [];
  #labels: Label[] = [];
  #locals: Type[] = [];
  #params = 0;
  /** Locals that hold counters of loops: never written elsewhere. */
  #reserved = new Set<number>();
  #func = 0;

  constructor(seed: number) {
    this.#next = randomWords(seed);
  }

  module(): RandomModule {
    const main: FuncShape = { params: ["i32", "i64", "f32", "f64"], results: this.#types(1, 2) };
    this.#funcs.push(main);
    for (let i = 1; i < FUNCS; i++) this.#funcs.push({ params: this.#types(0, 4), results: this.#types(0, 2) });
    const bodies = this.#funcs.map((shape, i) => this.#function(shape, i));
    const data = Array.from({ length: 64 }, () => `\\${(this.#next() & 0xff).toString(16).padStart(2, "0")}`).join("");
    const globals = TYPES.map(
      (type) => `(global $g-${type} (mut ${type}) (${type}.const ${this.#pick(CONSTANTS[type])}))`,
    );
    const types = this.#funcs.map((shape, i) => `(type $t${i} (func${signature(shape)}))`);
    const dump = TYPES.map((type, i) => `(${type}.store (i32.const ${65_000 + i * 8}) (global.get $g-${type}))`);
    const rest = `
      (memory (export "memory") 1 3)
      (table 8 funcref)
      (elem (i32.const 1) ${this.#funcs.map((_, i) => `$f${i}`).join(" ")})
      (data (i32.const 0) "${data}") (data $passive "${data}")
      ${globals.join("\n")}
      (global $work (mut i32) (i32.const ${WORK}))
      (func (export "dump") ${dump.join(" ")} (global.set $work (i32.const ${WORK})))`;
    const render = (isInstrumented: boolean): string =>
      bodies
        .map(({ head, lines, entryFuel }) => {
          const code = isInstrumented ? [count(entryFuel, 0), ...lines.map(instrument)] : lines.map(({ text }) => text);
          return `${head}\n${code.join("\n")})`;
        })
        .join("\n");
    return {
      text: `(module ${types.join(" ")} ${rest}\n${render(false)})`,
      instrumented: `(module ${types.join(" ")} ${rest} ${INSTRUMENTS}\n${render(true)})`,
      entryTurns: bodies[0]!.entryFuel > 0 ? 1 : 0,
    };
  }

  // Chance.

  #int(below: number): number {
    return this.#next() % below;
  }

  #chance(percent: number): boolean {
    return this.#int(100) < percent;
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#int(list.length)]!;
  }

  #types(least: number, most: number): Type[] {
    return Array.from({ length: least + this.#int(most - least + 1) }, () => this.#pick(TYPES));
  }

  // Functions.

  #function(shape: FuncShape, index: number): { head: string; lines: Line[]; entryFuel: number } {
    this.#func = index;
    this.#lines = [];
    this.#locals = [...shape.params, ...TYPES, ...this.#types(0, this.#chance(20) ? 20 : 4)];
    this.#params = shape.params.length;
    this.#reserved = new Set();
    this.#labels = [{ types: shape.results, isClosed: false }];
    this.#takeWork();
    this.#statements(3 + this.#int(5), 3);
    if (!this.#leave(shape)) for (const type of shape.results) this.#expression(type, 3);
    const declared = this.#locals.slice(this.#params);
    const exported = index === 0 ? ' (export "main")' : "";
    return {
      head: `(func $f${index}${exported} (type $t${index})${signature(shape)}${declared.length > 0 ? ` (local ${declared.join(" ")})` : ""}`,
      lines: this.#lines,
      entryFuel: Math.ceil(Math.max(0, this.#locals.length - FREE_SLOTS) / 16),
    };
  }

  /** Ends a function in another way than by its end, or not. */
  #leave(shape: FuncShape): boolean {
    if (!this.#chance(25)) return false;
    const fitting = this.#funcs.flatMap((func, i) => (func.results.join() === shape.results.join() ? [i] : []));
    const target = fitting.filter((i) => i > this.#func);
    if (target.length > 0 && this.#chance(70)) {
      const callee = this.#pick(target);
      for (const type of this.#funcs[callee]!.params) this.#expression(type, 2);
      if (this.#chance(50)) this.#emit(`return_call $f${callee}`);
      else {
        this.#emit(`i32.const ${callee + 1}`);
        this.#emit(`return_call_indirect (type $t${callee})`);
      }
      return true;
    }
    for (const type of shape.results) this.#expression(type, 2);
    this.#emit("return");
    return true;
  }

  #emit(text: string, after = "", turns = 1): void {
    const mnemonic = text.split(" ")[0]!;
    const fuel = PRICES.get(mnemonic) ?? 0;
    const canonical = GIVES_NAN.test(mnemonic) ? `call $canonical-${mnemonic.slice(0, 3)}` : "";
    this.#lines.push({ text, fuel, turns: fuel > 0 ? turns : 0, after: canonical + after });
  }

  /** Traps when the module has done enough. */
  #takeWork(): void {
    this.#emit("global.get $work");
    this.#emit("i32.const 1");
    this.#emit("i32.sub");
    this.#emit("global.set $work");
    this.#emit("global.get $work");
    this.#emit("i32.const 0");
    this.#emit("i32.lt_s");
    this.#emit("if");
    this.#emit("unreachable");
    this.#emit("end");
  }

  // Locals.

  #localOf(type: Type, mayWrite: boolean): number {
    const fitting = this.#locals.flatMap((local, i) =>
      local === type && !(mayWrite && this.#reserved.has(i)) ? [i] : [],
    );
    return this.#pick(fitting);
  }

  #newLocal(type: Type): number {
    this.#reserved.add(this.#locals.length);
    return this.#locals.push(type) - 1;
  }

  // Expressions: leave one value.

  #constant(type: Type): void {
    this.#emit(`${type}.const ${this.#pick(CONSTANTS[type])}`);
  }

  #leaf(type: Type): void {
    const chance = this.#int(10);
    if (chance < 6) this.#emit(`local.get ${this.#localOf(type, false)}`);
    else if (chance < 9) this.#constant(type);
    else this.#emit(`global.get $g-${type}`);
  }

  #expression(type: Type, size: number): void {
    if (size <= 0) {
      this.#leaf(type);
      return;
    }
    const chance = this.#int(100);
    if (chance < 14) this.#leaf(type);
    else if (chance < 38) this.#pair(type, size);
    else if (chance < 58) this.#numeric(type, size);
    else if (chance < 68) this.#load(type, size);
    else if (chance < 73) this.#select(type, size);
    else if (chance < 78) {
      this.#expression(type, size - 1);
      this.#emit(`local.tee ${this.#localOf(type, true)}`);
    } else if (chance < 82) this.#block(type, size);
    else if (chance < 86) this.#if(type, size);
    else if (chance < 88) this.#switch(type, size);
    else if (chance < 90) this.#loop([type], size);
    else if (chance < 94) this.#call(type, size);
    else if (chance < 95 && type === "i32") this.#memorySize();
    else {
      // An operand lies on the stack while statements run: it may be delayed.
      this.#expression(type, size - 1);
      this.#statement(size - 1);
    }
  }

  /** With a constant or a leaf on either side, in either order. */
  #pair(type: Type, size: number): void {
    const [second, first] = this.#pick(PAIRS[type]);
    const isLeft = this.#chance(50);
    if (!isLeft) this.#side(type, size);
    this.#side(type, size);
    if (this.#chance(60)) this.#constant(type);
    else this.#side(type, size);
    this.#emit(`${type}.${first}`);
    if (isLeft) this.#side(type, size);
    this.#emit(`${type}.${second}`);
  }

  #side(type: Type, size: number): void {
    if (this.#chance(70)) this.#leaf(type);
    else this.#expression(type, size - 1);
  }

  #numeric(type: Type, size: number): void {
    let row = this.#pick(NUMERIC.get(type)!);
    while (TRAPPING.test(row.mnemonic) && !this.#chance(12)) row = this.#pick(NUMERIC.get(type)!);
    for (const param of row.params) this.#expression(param, size - 1);
    this.#emit(row.mnemonic);
  }

  /** Leaves an address, mostly inside of the memory, and returns the offset for the instruction. */
  #address(size: number): number {
    const chance = this.#int(10);
    if (chance < 2) {
      this.#emit(`i32.const ${this.#int(4_000)}`);
      return this.#int(64);
    }
    this.#expression("i32", Math.min(size - 1, 1));
    if (!this.#chance(2)) {
      this.#emit("i32.const 8191");
      this.#emit("i32.and");
    }
    if (chance < 5) {
      this.#emit(`i32.const ${this.#int(100)}`);
      this.#emit("i32.add");
    } else if (chance < 7) {
      this.#masked();
      this.#emit(`i32.const ${this.#int(4)}`);
      this.#emit("i32.shl");
      this.#emit("i32.add");
    } else if (chance < 8) {
      this.#masked();
      this.#emit("i32.add");
    }
    return this.#chance(60) ? 0 : this.#int(100);
  }

  #masked(): void {
    this.#emit(`local.get ${this.#localOf("i32", false)}`);
    this.#emit("i32.const 1023");
    this.#emit("i32.and");
    if (this.#chance(60)) {
      const local = this.#localOf("i32", true);
      this.#emit(`local.set ${local}`);
      this.#emit(`local.get ${local}`);
    }
  }

  #load(type: Type, size: number): void {
    const offset = this.#address(size);
    this.#emit(`${type}.${this.#pick(LOADS[type])} offset=${offset}`);
  }

  #select(type: Type, size: number): void {
    this.#expression(type, size - 1);
    this.#expression(type, size - 1);
    this.#expression("i32", size - 1);
    this.#emit("select");
  }

  #memorySize(): void {
    if (this.#chance(70)) {
      this.#emit("memory.size");
      return;
    }
    this.#emit(`i32.const ${this.#int(2)}`);
    this.#emit("memory.grow", "call $grown");
  }

  #block(type: Type, size: number): void {
    const params = this.#types(0, 1);
    for (const param of params) this.#expression(param, size - 1);
    this.#emit(`block${signature({ params, results: [type] })}`);
    this.#labels.push({ types: [type], isClosed: false });
    this.#dropAll(params);
    this.#statements(this.#int(2), size - 1);
    this.#expression(type, size - 1);
    if (this.#chance(60)) {
      this.#expression("i32", size - 1);
      this.#emit("br_if 0");
      if (this.#chance(50)) this.#emit(`local.set ${this.#localOf(type, true)}`);
      else this.#emit("drop");
      this.#expression(type, size - 1);
    }
    if (this.#chance(15)) {
      this.#emit("br 0");
      // Not reached.
      this.#expression(type, 1);
    }
    this.#end();
  }

  #dropAll(types: readonly Type[]): void {
    for (const type of types.toReversed()) {
      if (this.#chance(50)) this.#emit(`local.set ${this.#localOf(type, true)}`);
      else this.#emit("drop");
    }
  }

  #end(): void {
    this.#labels.pop();
    this.#emit("end");
  }

  #if(type: Type, size: number): void {
    const params = this.#types(0, 1);
    for (const param of params) this.#expression(param, size - 1);
    this.#condition(size - 1);
    this.#emit(`if${signature({ params, results: [type] })}`);
    this.#labels.push({ types: [type], isClosed: false });
    this.#dropAll(params);
    this.#expression(type, size - 1);
    this.#emit("else");
    this.#dropAll(params);
    this.#statements(this.#int(2), size - 1);
    this.#expression(type, size - 1);
    this.#end();
  }

  #condition(size: number): void {
    this.#expression("i32", size);
    if (this.#chance(25)) this.#emit("i32.eqz");
  }

  /** Blocks with a br_table over them. */
  #switch(type: Type, size: number): void {
    const depth = 1 + this.#int(3);
    for (let i = 0; i < depth; i++) {
      this.#emit(`block (result ${type})`);
      this.#labels.push({ types: [type], isClosed: false });
    }
    if (this.#chance(30)) this.#leaf("i32"); // below what the branch takes: it has to be moved
    this.#expression(type, size - 1);
    this.#expression("i32", size - 1);
    const targets = Array.from({ length: 1 + this.#int(5) }, () => this.#int(depth));
    this.#emit(`br_table ${targets.join(" ")}`);
    for (let i = 0; i < depth; i++) {
      this.#end();
      if (i === depth - 1) return;
      this.#emit(`local.set ${this.#localOf(type, true)}`);
      this.#expression(type, size - 2);
    }
  }

  /** A loop that its own label repeats for as long as there is work. */
  #loop(results: readonly Type[], size: number): void {
    const params = this.#types(0, 1);
    for (const param of params) this.#expression(param, size - 1);
    this.#emit(`loop${signature({ params, results })}`);
    this.#takeWork();
    this.#labels.push({ types: params, isClosed: false });
    this.#dropAll(params);
    this.#statements(1 + this.#int(2), size - 1);
    for (const param of params) this.#expression(param, 1);
    this.#condition(size - 1);
    this.#emit("br_if 0");
    this.#dropAll(params);
    for (const type of results) this.#expression(type, size - 1);
    this.#end();
  }

  #call(type: Type, size: number): void {
    const fitting = this.#funcs.flatMap(({ results }, i) => (results.join() === type ? [i] : []));
    if (fitting.length === 0) {
      this.#numeric(type, size);
      return;
    }
    this.#callOf(this.#pick(fitting), size);
  }

  #callOf(callee: number, size: number): void {
    for (const param of this.#funcs[callee]!.params) this.#expression(param, Math.min(size - 1, 1));
    if (this.#chance(60)) {
      this.#emit(`call $f${callee}`);
      return;
    }
    if (this.#chance(95)) this.#emit(`i32.const ${callee + 1}`);
    else this.#emit(`i32.const ${this.#int(9)}`);
    this.#emit(`call_indirect (type $t${callee})`);
  }

  // Statements: leave the stack as it was.

  #statements(most: number, size: number): void {
    for (let i = 0; i < most; i++) this.#statement(size);
  }

  #statement(size: number): void {
    const type = this.#pick(TYPES);
    const chance = this.#int(100);
    if (chance < 30) {
      this.#expression(type, size);
      this.#emit(`local.set ${this.#localOf(type, true)}`);
    } else if (chance < 40) {
      this.#expression(type, size);
      this.#emit(`global.set $g-${type}`);
    } else if (chance < 58) this.#store(type, size);
    else if (chance < 62) {
      this.#expression(type, size);
      this.#emit("drop");
    } else if (size <= 0) this.#emit("nop");
    else if (chance < 72) this.#conditional(size);
    else if (chance < 82) this.#countedLoop(size);
    else if (chance < 86) this.#branchOut(size);
    else if (chance < 90) this.#loop([], size);
    else if (chance < 96) {
      const callee = this.#int(FUNCS);
      this.#callOf(callee, size);
      this.#dropAll(this.#funcs[callee]!.results);
    } else this.#bulk();
  }

  #store(type: Type, size: number): void {
    const offset = this.#address(size);
    if (this.#chance(50)) this.#leaf(type);
    else this.#expression(type, size - 1);
    this.#emit(`${type}.${this.#pick(STORES[type])} offset=${offset}`);
  }

  #conditional(size: number): void {
    this.#condition(size - 1);
    this.#emit("if");
    this.#labels.push({ types: [], isClosed: false });
    this.#statements(1 + this.#int(2), size - 1);
    if (this.#chance(40)) {
      this.#emit("else");
      this.#statements(1 + this.#int(2), size - 1);
    }
    this.#end();
  }

  /** The loops that compilers write: a counter goes up or down and is compared. */
  #countedLoop(size: number): void {
    const counter = this.#newLocal("i32");
    const bound = this.#newLocal("i32");
    const last = 1 + this.#int(4);
    const isDown = this.#chance(30);
    this.#emit(`i32.const ${isDown ? last : 0}`);
    this.#emit(`local.set ${counter}`);
    this.#emit(`i32.const ${last}`);
    this.#emit(`local.set ${bound}`);
    this.#emit("loop");
    this.#labels.push({ types: [], isClosed: true });
    this.#takeWork();
    this.#statements(1 + this.#int(2), size - 1);
    this.#emit(`local.get ${counter}`);
    this.#emit(`i32.const ${isDown ? -1 : 1}`);
    this.#emit("i32.add");
    if (this.#chance(50)) this.#emit(`local.tee ${counter}`);
    else {
      this.#emit(`local.set ${counter}`);
      this.#emit(`local.get ${counter}`);
    }
    if (isDown) {
      if (this.#chance(50)) {
        this.#emit("i32.const 0");
        this.#emit("i32.ne");
      }
    } else {
      this.#emit(this.#chance(50) ? `i32.const ${last}` : `local.get ${bound}`);
      this.#emit(this.#pick(["i32.ne", "i32.lt_s", "i32.lt_u"]));
    }
    this.#emit("br_if 0");
    this.#end();
  }

  /** A branch to any label around, taken or not. */
  #branchOut(size: number): void {
    const open = this.#labels.flatMap(({ isClosed }, i) => (isClosed ? [] : [i]));
    const at = this.#pick(open);
    const depth = this.#labels.length - 1 - at;
    const { types } = this.#labels[at]!;
    if (this.#chance(50)) {
      this.#condition(size - 1);
      this.#emit("if");
      this.#labels.push({ types: [], isClosed: false });
      for (const type of types) this.#expression(type, size - 1);
      this.#emit(`br ${depth + 1}`);
      this.#end();
      return;
    }
    for (const type of types) this.#expression(type, size - 1);
    this.#condition(size - 1);
    this.#emit(`br_if ${depth}`);
    this.#dropAll(types);
  }

  #bulk(): void {
    const kind = this.#int(3);
    const length = kind === 2 ? this.#int(66) : this.#pick([0, 1, 63, 64, 65, 4_095, 4_096, 4_097, 9_000]);
    this.#emit(`i32.const ${this.#int(20_000)}`);
    if (kind === 0) this.#leaf("i32");
    else this.#emit(`i32.const ${kind === 2 ? 0 : this.#int(20_000)}`);
    this.#emit(`i32.const ${length}`);
    const blocks = Math.ceil(length / 4_096);
    const fuel = Math.floor(length / 4_096) * 64 + Math.ceil((length % 4_096) / 64);
    // Between the blocks there are pauses.
    const after = count(fuel, Math.max(0, blocks - 1));
    if (kind === 0) this.#emit("memory.fill", after);
    else if (kind === 1) this.#emit("memory.copy", after);
    else this.#emit("memory.init $passive", after);
  }
}

function signature({ params, results }: FuncShape): string {
  const paramText = params.length > 0 ? ` (param ${params.join(" ")})` : "";
  return results.length > 0 ? `${paramText} (result ${results.join(" ")})` : paramText;
}

/** What the instrumented text needs of its own. */
const INSTRUMENTS = `
  (global $fuel (export "fuel") (mut i32) (i32.const 0))
  (global $turns (export "turns") (mut i32) (i32.const 0))
  (func $grown (param i32) (result i32)
    (if (i32.ne (local.get 0) (i32.const -1))
      (then (global.set $fuel (i32.add (global.get $fuel)
        (i32.mul (i32.sub (memory.size) (local.get 0)) (i32.const ${PAGE_FUEL}))))))
    (local.get 0))
  (func $canonical-f32 (param f32) (result f32)
    (select (local.get 0) (f32.const nan) (f32.eq (local.get 0) (local.get 0))))
  (func $canonical-f64 (param f64) (result f64)
    (select (local.get 0) (f64.const nan) (f64.eq (local.get 0) (local.get 0))))`;

function count(fuel: number, turns: number): string {
  const add = (name: string, by: number): string =>
    by === 0 ? "" : `(global.set $${name} (i32.add (global.get $${name}) (i32.const ${by})))`;
  return `${add("fuel", fuel)}${add("turns", turns)}`;
}

function instrument({ text, fuel, turns, after }: Line): string {
  return `${count(fuel, turns)} ${text} ${after}`;
}
