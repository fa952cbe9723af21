import { execFileSync } from "node:child_process";
import { expect } from "chai";
import { INSTRUCTIONS, Op } from "../opcodes.ts";
import type { Memory } from "../runtime/memory.ts";
import { instanceOf, runToEnd, wat } from "../testing.ts";
import {
  CASES,
  CONSTANT_CASES,
  difference,
  digest,
  OUT,
  own,
  SHAPES,
  VECTOR_CASES,
  VECTOR_INPUTS,
  type VectorCase,
} from "../testing/vector-cases.ts";
import type { TurnOptions } from "./outcome.ts";

/** The same by the host's engine. */
function host({ plainBytes }: VectorCase): Uint8Array {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(plainBytes), {});
  const bytes = new Uint8Array((exports["memory"] as WebAssembly.Memory).buffer);
  bytes.set(VECTOR_INPUTS);
  for (const shape of SHAPES) (exports[shape] as (from: number, to: number) => void)(0, CASES);
  return bytes;
}

/** Lanes of results that arithmetic may make NaN: 4 or 8 bytes; 0 for all others. */
function arithmeticLane(mnemonic: string): number {
  const match =
    /^f(32x4|64x2)\.(relaxed_)?(ceil|floor|trunc|nearest|sqrt|add|sub|mul|div|min|max|n?madd|demote|promote)/.exec(
      mnemonic,
    );
  return match === null ? 0 : match[1] === "32x4" ? 4 : 8;
}

/** Makes the NaN lanes of results canonical, which other engines leave as they come. */
function canonical(memory: Uint8Array, lane: number): Uint8Array {
  if (lane === 0) return memory;
  const view = new DataView(memory.buffer, memory.byteOffset, memory.byteLength);
  for (let at: number = OUT.stack; at < memory.length; at += lane) {
    if (lane === 4 && Number.isNaN(view.getFloat32(at, true))) view.setUint32(at, 0x7fc0_0000, true);
    if (lane === 8 && Number.isNaN(view.getFloat64(at, true))) view.setBigUint64(at, 0x7ff8_0000_0000_0000n, true);
  }
  return memory;
}

describe("vector instructions", function () {
  this.timeout(120_000);

  it("every one but the constant is among the cases", () => {
    const covered = new Set(VECTOR_CASES.map(({ op }) => op));
    const missing = Object.keys(INSTRUCTIONS).filter((op) => Number(op) >= 0x400 && !covered.has(Number(op) as Op));
    expect(missing).to.deep.equal([String(Op.V128Const)]);
  });

  it("give what the host's engine gives, on edges and random lanes, from stack, locals and constants", () => {
    const differences = VECTOR_CASES.map((vector) => {
      const expected = canonical(host(vector), arithmeticLane(vector.row.mnemonic));
      return difference(vector.name, own(vector), expected);
    }).filter((found) => found !== null);
    expect(differences).to.deep.equal([]);
  });

  it("give the same in exact code that pauses before every instruction", () => {
    const cases = CONSTANT_CASES;
    const differences = VECTOR_CASES.map((vector) =>
      difference(vector.name, own(vector, cases, { fuel: 1, exact: true }), own(vector, cases)),
    ).filter((found) => found !== null);
    expect(differences).to.deep.equal([]);
  });

  it("give the same in short slices, and moving between exact and fused code", () => {
    const differences = VECTOR_CASES.flatMap((vector) =>
      [{ fuel: 3 }, (turn: number) => ({ fuel: 1 + (turn % 5), exact: turn % 2 === 0 })].map((turn) =>
        difference(vector.name, own(vector, CONSTANT_CASES, turn as TurnOptions), own(vector, CONSTANT_CASES)),
      ),
    ).filter((found) => found !== null);
    expect(differences).to.deep.equal([]);
  });

  it("give the same bits in code that V8 never compiles", () => {
    const script = `console.log((await import(${JSON.stringify(import.meta.resolve("../testing/vector-cases.js"))})).digest())`;
    const cold = execFileSync(process.execPath, ["--jitless", "--input-type=module", "-e", script], {
      encoding: "utf8",
    });
    expect(Number(cold)).to.equal(digest());
  });
});

const ACCESSES = Object.values(INSTRUCTIONS).filter(({ mnemonic, width }) => width > 0 && /^v128\./.test(mnemonic));

describe("several vector instructions in one operation", () => {
  const FLOATS = ["f32x4.add", "f32x4.sub", "f32x4.mul"];
  const pairs = FLOATS.flatMap((first) =>
    FLOATS.flatMap((second) => [
      `(${second} (local.get 0) (${first} (local.get 1) (local.get 2)))`,
      `(${second} (${first} (local.get 1) (local.get 2)) (local.get 0))`,
      `(${second} (${first} (local.get 1) (local.get 2)) (${first} (local.get 0) (local.get 2)))`,
      `(${second} (${first} (local.get 1) (local.get 2)) (v128.const f32x4 2.5 2.5 2.5 2.5))`,
    ]),
  );
  const rotations = [7, 16, 31, 32, 0, 39].flatMap((count) => [
    `(v128.or (i32x4.shl (local.get 0) (i32.const ${count})) (i32x4.shr_u (local.get 0) (i32.const ${32 - count})))`,
    `(v128.or (i32x4.shr_u (local.get 1) (i32.const ${count})) (i32x4.shl (local.get 1) (i32.const ${32 - count})))`,
    `(v128.or (i32x4.shl (local.get 0) (i32.const ${count})) (i32x4.shr_u (local.get 1) (i32.const ${32 - count})))`,
    `(v128.or (i32x4.shl (local.get 0) (i32.const ${count})) (i32x4.shr_u (local.get 0) (i32.const 5)))`,
    `(v128.or (i32x4.shl (local.tee 0 (v128.xor (local.get 0) (local.get 1))) (i32.const ${count}))
      (i32x4.shr_u (local.get 0) (i32.const ${32 - count})))`,
  ]);
  const bytes = wat`(module ${[...pairs, ...rotations]
    .map((code, i) => `(func (export "${i}") (param v128 v128 v128) (result v128) ${code})`)
    .join("\n")})`;

  it("compute what they compute one by one", () => {
    const instance = instanceOf(bytes);
    for (let index = 0; index < CASES; index += 3) {
      const args = [0, 16, 32].map((at) => VECTOR_INPUTS.slice(index * 64 + at, index * 64 + at + 16));
      for (const [i, code] of [...pairs, ...rotations].entries()) {
        const fused = runToEnd(instance.invoke(String(i), args));
        const exact = runToEnd(instance.invoke(String(i), args), { fuel: 1, exact: true });
        expect(fused.values, code).to.deep.equal(exact.values);
        expect(fused.fuelUsed).to.equal(exact.fuelUsed);
      }
    }
  });
});

describe("memory accesses of vectors", () => {
  const vectorOf = (mnemonic: string): string => (/lane|store/.test(mnemonic) ? "(v128.const i32x4 1 2 3 4)" : "");

  it("trap when a byte of theirs is out of bounds, before they change anything, in every kind of memory", () => {
    for (const { mnemonic, width, immediates, type } of ACCESSES) {
      const lane = immediates.includes("laneidx") ? "0" : "";
      const drop = type!.results.length === 1 ? "drop" : "";
      const functions = ["$near i32", "$far i32", "$wide i64"].map((of) => {
        const [memory, address] = of.split(" ") as [string, string];
        return `(func (export "${memory.slice(1)}") (param ${address})
          (${mnemonic} ${memory} offset=16 ${lane} (local.get 0) ${vectorOf(mnemonic)}) ${drop})`;
      });
      const instance = instanceOf(wat`(module (memory $near (export "m-near") 1) (memory $far (export "m-far") 1)
        (memory $wide (export "m-wide") i64 1) ${functions.join("\n")})`);
      for (const name of ["near", "far", "wide"]) {
        const memory = instance.export(`m-${name}`) as Memory;
        const last = 65536 - 16 - width;
        const address = (value: number): number | bigint => (name === "wide" ? BigInt(value) : value);
        for (const outside of [last + 1, 65536, ...(name === "wide" ? [2 ** 40] : [-1])]) {
          const end = runToEnd(instance.invoke(name, [address(outside)]));
          expect(end.trap, `${mnemonic} ${name} ${outside}`).to.match(/^out of bounds memory access/);
        }
        expect(memory.read(0, 65536).every((byte) => byte === 0)).to.equal(true);
        expect(runToEnd(instance.invoke(name, [address(last)])).trap).to.equal(null);
        expect(memory.readU8(65536 - width)).to.equal(mnemonic.includes("store") ? 1 : 0);
      }
    }
  });

  it("do in another memory what they do in the first", () => {
    for (const { mnemonic, immediates, type } of ACCESSES) {
      const lane = immediates.includes("laneidx") ? "1" : "";
      const isLoad = type!.results.length === 1;
      const code = (memory: string, address: string): string => {
        const access = `(${mnemonic} ${memory} offset=3 ${lane} (${address}.const 5) ${vectorOf(mnemonic)})`;
        return isLoad ? access : `${access} (v128.load ${memory} (${address}.const 0))`;
      };
      const instance = instanceOf(wat`(module (memory $a 1) (memory $b 1) (memory $c i64 1)
        ${["a", "b", "c"].map((memory) => `(data (memory $${memory}) (${memory === "c" ? "i64" : "i32"}.const 0) "\\80\\81\\02\\83\\04\\85\\06\\87\\88\\09\\8a\\0b\\8c\\0d\\8e\\0f\\90\\11\\92\\13\\94\\15\\96\\17\\98")`).join(" ")}
        (func (export "a") (result v128) ${code("$a", "i32")})
        (func (export "b") (result v128) ${code("$b", "i32")})
        (func (export "c") (result v128) ${code("$c", "i64")}))`);
      const [near, far, wide] = ["a", "b", "c"].map((name) => instance.callSync(name, [])[0]);
      expect(far, mnemonic).to.deep.equal(near);
      expect(wide, mnemonic).to.deep.equal(near);
    }
  });
});

describe("vectors as values", () => {
  it("pass through parameters, results, globals, selects, blocks, loops and frames that grow", () => {
    const instance = instanceOf(wat`(module
      (global $g (mut v128) (v128.const i32x4 1 2 3 4))
      (func $deep (param i32 v128) (result v128)
        (if (result v128) (local.get 0)
          (then (i32x4.add (call $deep (i32.sub (local.get 0) (i32.const 1)) (local.get 1)) (v128.const i32x4 1 1 1 1)))
          (else (local.get 1))))
      (func (export "run") (param v128 i32) (result v128 i32 v128)
        (global.set $g (call $deep (i32.const 2000) (global.get $g)))
        (block (result v128 v128)
          (loop (param) (result v128)
            (select (global.get $g) (local.get 0) (local.get 1)))
          (local.get 0))
        (local.set 0)
        (i32x4.extract_lane 3 (local.get 0))
        (local.get 0)))`);
    const words = (value: unknown): number[] => [...new Int32Array((value as Uint8Array).slice().buffer)];
    const operand = new Uint8Array(Int32Array.of(7, 8, 9, 10).buffer);
    for (const [condition, expected] of [
      [1, [2001, 2002, 2003, 2004]],
      [0, [7, 8, 9, 10]],
    ] as const) {
      const [first, lane, last] = instance.callSync("run", [operand, condition]);
      expect(words(first)).to.deep.equal(condition === 1 ? expected : [7, 8, 9, 10]);
      expect(lane).to.equal(10);
      expect(words(last)).to.deep.equal([7, 8, 9, 10]);
    }
  });

  it("a lane that decides a branch is read before the branch", () => {
    const instance = instanceOf(wat`(module (func (export "f") (param i32) (result i32)
      (if (result i32) (i32.eqz (v128.any_true (i32x4.splat (local.get 0)))) (then (i32.const 10)) (else (i32.const 20))))
      (func (export "g") (param i32) (result i32)
        (block (br_if 0 (i32x4.all_true (i32x4.splat (local.get 0)))) (return (i32.const 1))) (i32.const 2)))`);
    expect([0, 5].map((value) => instance.callSync("f", [value])[0])).to.deep.equal([10, 20]);
    expect([0, 5].map((value) => instance.callSync("g", [value])[0])).to.deep.equal([1, 2]);
  });
});
