/**
 * The hot loop: executes register code until it has to leave. Meanings and bounds checks of hot
 * instructions stand inline (a helper per case doubles the time); numeric.ts is their readable
 * reference, and a property test compares the two. Rare operations are in slow.ts. V8 optimises no
 * function above 61,440 bytes of bytecode: a test asserts this one's size.
 *
 * Fuel by position. Every position has a static P: the fuel of all instructions before it in its
 * body. `fuel` is what remains plus P of the current position, so straight-line code leaves it
 * alone; a taken branch adds P(target) - P(source), a call subtracts its P, a return adds the
 * caller's. It is tested only at safe points: function entry, branch to a loop, after a call, and
 * every 1,000 instructions. Statements marked `fuel` at the end of their line do nothing else.
 */

import { Head, Link, Reg } from "../lower/code.ts";
import { Vec } from "../lower/vector-code.ts";
import { aggregate } from "./aggregates.ts";
import { PageBits } from "../runtime/heap-pages.ts";
import { callImport } from "./direct-calls.ts";
import { Exit, type Machine } from "./machine.ts";
import { vector } from "./simd.ts";
import { slow } from "./slow.ts";

const TWO_POW_MINUS_32 = 2 ** -32;
/** Locals up to so many words are zeroed by a loop: a call costs more. */
const LOOPED_WORDS = 64;
const CANONICAL_F32 = 0x7fc00000;
const CANONICAL_F64_HIGH = 0x7ff80000;

const NO_BYTES = new DataView(new ArrayBuffer(0));

export function run(x: Machine): Exit {
  const I = x.words;
  const D = x.doubles;
  const S = x.floats;
  const limit = x.limitWords;
  const module = x.module;
  const code = module.words;
  const K = module.constants;
  const E = x.entries;
  const instance = x.instance!;
  const G = instance.store.globalWords;
  const gb = instance.ownGlobalsAt;
  let H = instance.store.heapWords;
  const table = instance.table0;
  let T = table.items;
  let tableBias = table.imageOf === null ? instance.funcsAt : 1;
  let tableLength = table.length;
  const types = instance.module.funcTypeIds;
  const memory0 = instance.memory0;
  let M = memory0 === null ? NO_BYTES : memory0.view;
  let mb = memory0 === null ? 0 : memory0.base;
  let ml = memory0 === null ? 0 : memory0.byteLength;
  let pc = x.pc;
  let fp = x.fp;
  let F = x.fuel;
  let P = 0;
  let callee = 0;
  let target = 0;
  let nfp = 0;
  let returnPc = 0;
  let exit: Exit = Exit.Paused;

  loop: for (;;) {
    call: {
      // A case that handled its operation continues the loop. `break` leaves the switch to take
      // the branch whose target stands at pc + 3; `break call` enters `target` at `nfp`.
      switch (code[pc]) {
        case Reg.Halt:
          exit = Exit.Halted;
          break loop;
        case Reg.Check:
          P = code[pc + 1]!; // fuel
          pc += 2;
          if (F <= P) break loop; // fuel
          continue;
        case Reg.CheckExact:
          if (F < code[pc + 1]! && x.isExact) {
            P = code[pc + 1]! - code[pc + 2]!;
            break loop;
          }
          pc += 3;
          continue;

        case Reg.Move32:
          I[fp + code[pc + 1]!] = I[fp + code[pc + 2]!]!;
          pc += 3;
          continue;
        case Reg.Move64: {
          const d = fp + code[pc + 1]!;
          const a = fp + code[pc + 2]!;
          I[d] = I[a]!;
          I[d + 1] = I[a + 1]!;
          pc += 3;
          continue;
        }
        case Reg.MoveF64:
          D[(fp + code[pc + 1]!) >> 1] = D[(fp + code[pc + 2]!) >> 1]!;
          pc += 3;
          continue;
        case Reg.Const32:
          I[fp + code[pc + 1]!] = code[pc + 2]!;
          pc += 3;
          continue;
        case Reg.Const64: {
          const d = fp + code[pc + 1]!;
          I[d] = code[pc + 2]!;
          I[d + 1] = code[pc + 3]!;
          pc += 4;
          continue;
        }
        case Reg.ConstF64:
          D[(fp + code[pc + 1]!) >> 1] = K[code[pc + 2]!]!;
          pc += 3;
          continue;

        case Reg.I32Add:
          I[fp + code[pc + 1]!] = (I[fp + code[pc + 2]!]! + I[fp + code[pc + 3]!]!) | 0;
          pc += 4;
          continue;
        case Reg.I32Sub:
          I[fp + code[pc + 1]!] = (I[fp + code[pc + 2]!]! - I[fp + code[pc + 3]!]!) | 0;
          pc += 4;
          continue;
        case Reg.I32Mul:
          I[fp + code[pc + 1]!] = Math.imul(I[fp + code[pc + 2]!]!, I[fp + code[pc + 3]!]!);
          pc += 4;
          continue;
        case Reg.I32And:
          I[fp + code[pc + 1]!] = I[fp + code[pc + 2]!]! & I[fp + code[pc + 3]!]!;
          pc += 4;
          continue;
        case Reg.I32Or:
          I[fp + code[pc + 1]!] = I[fp + code[pc + 2]!]! | I[fp + code[pc + 3]!]!;
          pc += 4;
          continue;
        case Reg.I32Xor:
          I[fp + code[pc + 1]!] = I[fp + code[pc + 2]!]! ^ I[fp + code[pc + 3]!]!;
          pc += 4;
          continue;
        case Reg.I32Shl:
          I[fp + code[pc + 1]!] = I[fp + code[pc + 2]!]! << I[fp + code[pc + 3]!]!;
          pc += 4;
          continue;
        case Reg.I32ShrS:
          I[fp + code[pc + 1]!] = I[fp + code[pc + 2]!]! >> I[fp + code[pc + 3]!]!;
          pc += 4;
          continue;
        case Reg.I32ShrU:
          I[fp + code[pc + 1]!] = I[fp + code[pc + 2]!]! >>> I[fp + code[pc + 3]!]!;
          pc += 4;
          continue;
        case Reg.I32Rotl: {
          const a = I[fp + code[pc + 2]!]!;
          const b = I[fp + code[pc + 3]!]!;
          I[fp + code[pc + 1]!] = (a << b) | (a >>> -b);
          pc += 4;
          continue;
        }
        case Reg.I32Rotr: {
          const a = I[fp + code[pc + 2]!]!;
          const b = I[fp + code[pc + 3]!]!;
          I[fp + code[pc + 1]!] = (a >>> b) | (a << -b);
          pc += 4;
          continue;
        }
        case Reg.I32AddK:
          I[fp + code[pc + 1]!] = (I[fp + code[pc + 2]!]! + code[pc + 3]!) | 0;
          pc += 4;
          continue;
        case Reg.I32MulK:
          I[fp + code[pc + 1]!] = Math.imul(I[fp + code[pc + 2]!]!, code[pc + 3]!);
          pc += 4;
          continue;
        case Reg.I32AndK:
          I[fp + code[pc + 1]!] = I[fp + code[pc + 2]!]! & code[pc + 3]!;
          pc += 4;
          continue;
        case Reg.I32OrK:
          I[fp + code[pc + 1]!] = I[fp + code[pc + 2]!]! | code[pc + 3]!;
          pc += 4;
          continue;
        case Reg.I32XorK:
          I[fp + code[pc + 1]!] = I[fp + code[pc + 2]!]! ^ code[pc + 3]!;
          pc += 4;
          continue;
        case Reg.I32ShlK:
          I[fp + code[pc + 1]!] = I[fp + code[pc + 2]!]! << code[pc + 3]!;
          pc += 4;
          continue;
        case Reg.I32ShrSK:
          I[fp + code[pc + 1]!] = I[fp + code[pc + 2]!]! >> code[pc + 3]!;
          pc += 4;
          continue;
        case Reg.I32ShrUK:
          I[fp + code[pc + 1]!] = I[fp + code[pc + 2]!]! >>> code[pc + 3]!;
          pc += 4;
          continue;
        case Reg.I32RotlK: {
          const a = I[fp + code[pc + 2]!]!;
          const k = code[pc + 3]!;
          I[fp + code[pc + 1]!] = (a << k) | (a >>> -k);
          pc += 4;
          continue;
        }
        case Reg.I32DivS: {
          const a = I[fp + code[pc + 2]!]!;
          const b = I[fp + code[pc + 3]!]!;
          if (b === 0) {
            exit = Exit.TrapDivideByZero;
            break loop;
          }
          if (b === -1 && a === -0x8000_0000) {
            exit = Exit.TrapOverflow;
            break loop;
          }
          I[fp + code[pc + 1]!] = (a / b) | 0;
          pc += 4;
          continue;
        }
        case Reg.I32DivU: {
          const b = I[fp + code[pc + 3]!]! >>> 0;
          if (b === 0) {
            exit = Exit.TrapDivideByZero;
            break loop;
          }
          I[fp + code[pc + 1]!] = ((I[fp + code[pc + 2]!]! >>> 0) / b) >>> 0;
          pc += 4;
          continue;
        }
        case Reg.I32RemS: {
          const a = I[fp + code[pc + 2]!]!;
          const b = I[fp + code[pc + 3]!]!;
          if (b === 0) {
            exit = Exit.TrapDivideByZero;
            break loop;
          }
          I[fp + code[pc + 1]!] = (a % b) | 0;
          pc += 4;
          continue;
        }
        case Reg.I32RemU: {
          const b = I[fp + code[pc + 3]!]! >>> 0;
          if (b === 0) {
            exit = Exit.TrapDivideByZero;
            break loop;
          }
          I[fp + code[pc + 1]!] = (I[fp + code[pc + 2]!]! >>> 0) % b;
          pc += 4;
          continue;
        }
        case Reg.I32Clz:
          I[fp + code[pc + 1]!] = Math.clz32(I[fp + code[pc + 2]!]!);
          pc += 3;
          continue;
        case Reg.I32Ctz: {
          const a = I[fp + code[pc + 2]!]!;
          I[fp + code[pc + 1]!] = a === 0 ? 32 : 31 - Math.clz32(a & -a);
          pc += 3;
          continue;
        }
        case Reg.I32Extend8S:
          I[fp + code[pc + 1]!] = (I[fp + code[pc + 2]!]! << 24) >> 24;
          pc += 3;
          continue;
        case Reg.I32Extend16S:
          I[fp + code[pc + 1]!] = (I[fp + code[pc + 2]!]! << 16) >> 16;
          pc += 3;
          continue;

        case Reg.I32Eq:
          I[fp + code[pc + 1]!] = I[fp + code[pc + 2]!]! === I[fp + code[pc + 3]!]! ? 1 : 0;
          pc += 4;
          continue;
        case Reg.I32Ne:
          I[fp + code[pc + 1]!] = I[fp + code[pc + 2]!]! !== I[fp + code[pc + 3]!]! ? 1 : 0;
          pc += 4;
          continue;
        case Reg.I32LtS:
          I[fp + code[pc + 1]!] = I[fp + code[pc + 2]!]! < I[fp + code[pc + 3]!]! ? 1 : 0;
          pc += 4;
          continue;
        case Reg.I32LtU:
          I[fp + code[pc + 1]!] = I[fp + code[pc + 2]!]! >>> 0 < I[fp + code[pc + 3]!]! >>> 0 ? 1 : 0;
          pc += 4;
          continue;
        case Reg.I32LeS:
          I[fp + code[pc + 1]!] = I[fp + code[pc + 2]!]! <= I[fp + code[pc + 3]!]! ? 1 : 0;
          pc += 4;
          continue;
        case Reg.I32LeU:
          I[fp + code[pc + 1]!] = I[fp + code[pc + 2]!]! >>> 0 <= I[fp + code[pc + 3]!]! >>> 0 ? 1 : 0;
          pc += 4;
          continue;
        case Reg.I32EqK:
          I[fp + code[pc + 1]!] = I[fp + code[pc + 2]!]! === code[pc + 3]! ? 1 : 0;
          pc += 4;
          continue;
        case Reg.I32NeK:
          I[fp + code[pc + 1]!] = I[fp + code[pc + 2]!]! !== code[pc + 3]! ? 1 : 0;
          pc += 4;
          continue;
        case Reg.I32LtSK:
          I[fp + code[pc + 1]!] = I[fp + code[pc + 2]!]! < code[pc + 3]! ? 1 : 0;
          pc += 4;
          continue;
        case Reg.I32LtUK:
          I[fp + code[pc + 1]!] = I[fp + code[pc + 2]!]! >>> 0 < code[pc + 3]! >>> 0 ? 1 : 0;
          pc += 4;
          continue;
        case Reg.I32GtSK:
          I[fp + code[pc + 1]!] = I[fp + code[pc + 2]!]! > code[pc + 3]! ? 1 : 0;
          pc += 4;
          continue;
        case Reg.I32GtUK:
          I[fp + code[pc + 1]!] = I[fp + code[pc + 2]!]! >>> 0 > code[pc + 3]! >>> 0 ? 1 : 0;
          pc += 4;
          continue;
        case Reg.I32LeSK:
          I[fp + code[pc + 1]!] = I[fp + code[pc + 2]!]! <= code[pc + 3]! ? 1 : 0;
          pc += 4;
          continue;
        case Reg.I32LeUK:
          I[fp + code[pc + 1]!] = I[fp + code[pc + 2]!]! >>> 0 <= code[pc + 3]! >>> 0 ? 1 : 0;
          pc += 4;
          continue;
        case Reg.I32GeSK:
          I[fp + code[pc + 1]!] = I[fp + code[pc + 2]!]! >= code[pc + 3]! ? 1 : 0;
          pc += 4;
          continue;
        case Reg.I32GeUK:
          I[fp + code[pc + 1]!] = I[fp + code[pc + 2]!]! >>> 0 >= code[pc + 3]! >>> 0 ? 1 : 0;
          pc += 4;
          continue;
        case Reg.I64Eq: {
          const a = fp + code[pc + 2]!;
          const b = fp + code[pc + 3]!;
          I[fp + code[pc + 1]!] = I[a] === I[b] && I[a + 1] === I[b + 1] ? 1 : 0;
          pc += 4;
          continue;
        }
        case Reg.I64Ne: {
          const a = fp + code[pc + 2]!;
          const b = fp + code[pc + 3]!;
          I[fp + code[pc + 1]!] = I[a] !== I[b] || I[a + 1] !== I[b + 1] ? 1 : 0;
          pc += 4;
          continue;
        }
        case Reg.I64LtS: {
          const a = fp + code[pc + 2]!;
          const b = fp + code[pc + 3]!;
          I[fp + code[pc + 1]!] = (I[a + 1] === I[b + 1] ? I[a]! >>> 0 < I[b]! >>> 0 : I[a + 1]! < I[b + 1]!) ? 1 : 0;
          pc += 4;
          continue;
        }
        case Reg.I64LtU: {
          const a = fp + code[pc + 2]!;
          const b = fp + code[pc + 3]!;
          I[fp + code[pc + 1]!] = (
            I[a + 1] === I[b + 1]
              ? I[a]! >>> 0 < I[b]! >>> 0
              : I[a + 1]! >>> 0 < I[b + 1]! >>> 0
          )
            ? 1
            : 0;
          pc += 4;
          continue;
        }
        case Reg.I64LeS: {
          const a = fp + code[pc + 2]!;
          const b = fp + code[pc + 3]!;
          I[fp + code[pc + 1]!] = (I[a + 1] === I[b + 1] ? I[a]! >>> 0 <= I[b]! >>> 0 : I[a + 1]! < I[b + 1]!) ? 1 : 0;
          pc += 4;
          continue;
        }
        case Reg.I64LeU: {
          const a = fp + code[pc + 2]!;
          const b = fp + code[pc + 3]!;
          I[fp + code[pc + 1]!] = (
            I[a + 1] === I[b + 1]
              ? I[a]! >>> 0 <= I[b]! >>> 0
              : I[a + 1]! >>> 0 < I[b + 1]! >>> 0
          )
            ? 1
            : 0;
          pc += 4;
          continue;
        }
        case Reg.I64Eqz: {
          const a = fp + code[pc + 2]!;
          I[fp + code[pc + 1]!] = (I[a]! | I[a + 1]!) === 0 ? 1 : 0;
          pc += 3;
          continue;
        }
        case Reg.I64Nez: {
          const a = fp + code[pc + 2]!;
          I[fp + code[pc + 1]!] = (I[a]! | I[a + 1]!) !== 0 ? 1 : 0;
          pc += 3;
          continue;
        }
        case Reg.F64Eq:
          I[fp + code[pc + 1]!] = D[(fp + code[pc + 2]!) >> 1]! === D[(fp + code[pc + 3]!) >> 1]! ? 1 : 0;
          pc += 4;
          continue;
        case Reg.F64Ne:
          I[fp + code[pc + 1]!] = D[(fp + code[pc + 2]!) >> 1]! !== D[(fp + code[pc + 3]!) >> 1]! ? 1 : 0;
          pc += 4;
          continue;
        case Reg.F64Lt:
          I[fp + code[pc + 1]!] = D[(fp + code[pc + 2]!) >> 1]! < D[(fp + code[pc + 3]!) >> 1]! ? 1 : 0;
          pc += 4;
          continue;
        case Reg.F64Le:
          I[fp + code[pc + 1]!] = D[(fp + code[pc + 2]!) >> 1]! <= D[(fp + code[pc + 3]!) >> 1]! ? 1 : 0;
          pc += 4;
          continue;
        case Reg.F32Eq:
          I[fp + code[pc + 1]!] = S[fp + code[pc + 2]!]! === S[fp + code[pc + 3]!]! ? 1 : 0;
          pc += 4;
          continue;
        case Reg.F32Ne:
          I[fp + code[pc + 1]!] = S[fp + code[pc + 2]!]! !== S[fp + code[pc + 3]!]! ? 1 : 0;
          pc += 4;
          continue;
        case Reg.F32Lt:
          I[fp + code[pc + 1]!] = S[fp + code[pc + 2]!]! < S[fp + code[pc + 3]!]! ? 1 : 0;
          pc += 4;
          continue;
        case Reg.F32Le:
          I[fp + code[pc + 1]!] = S[fp + code[pc + 2]!]! <= S[fp + code[pc + 3]!]! ? 1 : 0;
          pc += 4;
          continue;
        case Reg.Select32:
          I[fp + code[pc + 1]!] = I[fp + code[pc + (I[fp + code[pc + 4]!] !== 0 ? 2 : 3)]!]!;
          pc += 5;
          continue;
        case Reg.Select64: {
          const d = fp + code[pc + 1]!;
          const a = fp + code[pc + (I[fp + code[pc + 4]!] !== 0 ? 2 : 3)]!;
          I[d] = I[a]!;
          I[d + 1] = I[a + 1]!;
          pc += 5;
          continue;
        }
        case Reg.SelectF64:
          D[(fp + code[pc + 1]!) >> 1] = D[(fp + code[pc + (I[fp + code[pc + 4]!] !== 0 ? 2 : 3)]!) >> 1]!;
          pc += 5;
          continue;

        case Reg.I64Add: {
          const a = fp + code[pc + 2]!;
          const b = fp + code[pc + 3]!;
          const d = fp + code[pc + 1]!;
          const aLow = I[a]!;
          const low = (aLow + I[b]!) | 0;
          I[d + 1] = (I[a + 1]! + I[b + 1]! + (low >>> 0 < aLow >>> 0 ? 1 : 0)) | 0;
          I[d] = low;
          pc += 4;
          continue;
        }
        case Reg.I64Sub: {
          const a = fp + code[pc + 2]!;
          const b = fp + code[pc + 3]!;
          const d = fp + code[pc + 1]!;
          const aLow = I[a]!;
          const bLow = I[b]!;
          I[d + 1] = (I[a + 1]! - I[b + 1]! - (aLow >>> 0 < bLow >>> 0 ? 1 : 0)) | 0;
          I[d] = (aLow - bLow) | 0;
          pc += 4;
          continue;
        }
        case Reg.I64Mul: {
          const a = fp + code[pc + 2]!;
          const b = fp + code[pc + 3]!;
          const d = fp + code[pc + 1]!;
          const aLow = I[a]!;
          const bLow = I[b]!;
          const low = Math.imul(aLow, bLow);
          // The product of the low words as a double is off by less than 2^-19 of 2^32: rounding is exact.
          const carry = (((aLow >>> 0) * (bLow >>> 0) - (low >>> 0)) * TWO_POW_MINUS_32 + 0.5) >>> 0;
          I[d + 1] = (carry + Math.imul(aLow, I[b + 1]!) + Math.imul(I[a + 1]!, bLow)) | 0;
          I[d] = low;
          pc += 4;
          continue;
        }
        case Reg.I64And: {
          const a = fp + code[pc + 2]!;
          const b = fp + code[pc + 3]!;
          const d = fp + code[pc + 1]!;
          const low = I[a]! & I[b]!;
          I[d + 1] = I[a + 1]! & I[b + 1]!;
          I[d] = low;
          pc += 4;
          continue;
        }
        case Reg.I64Or: {
          const a = fp + code[pc + 2]!;
          const b = fp + code[pc + 3]!;
          const d = fp + code[pc + 1]!;
          const low = I[a]! | I[b]!;
          I[d + 1] = I[a + 1]! | I[b + 1]!;
          I[d] = low;
          pc += 4;
          continue;
        }
        case Reg.I64Xor: {
          const a = fp + code[pc + 2]!;
          const b = fp + code[pc + 3]!;
          const d = fp + code[pc + 1]!;
          const low = I[a]! ^ I[b]!;
          I[d + 1] = I[a + 1]! ^ I[b + 1]!;
          I[d] = low;
          pc += 4;
          continue;
        }
        case Reg.I64Shl: {
          const a = fp + code[pc + 2]!;
          const d = fp + code[pc + 1]!;
          const k = I[fp + code[pc + 3]!]! & 63;
          const low = I[a]!;
          if (k < 32) {
            I[d + 1] = k === 0 ? I[a + 1]! : (I[a + 1]! << k) | (low >>> -k);
            I[d] = low << k;
          } else {
            I[d + 1] = low << k;
            I[d] = 0;
          }
          pc += 4;
          continue;
        }
        case Reg.I64ShrS: {
          const a = fp + code[pc + 2]!;
          const d = fp + code[pc + 1]!;
          const k = I[fp + code[pc + 3]!]! & 63;
          const high = I[a + 1]!;
          if (k < 32) {
            I[d] = k === 0 ? I[a]! : (I[a]! >>> k) | (high << -k);
            I[d + 1] = high >> k;
          } else {
            I[d] = high >> k;
            I[d + 1] = high >> 31;
          }
          pc += 4;
          continue;
        }
        case Reg.I64ShrU: {
          const a = fp + code[pc + 2]!;
          const d = fp + code[pc + 1]!;
          const k = I[fp + code[pc + 3]!]! & 63;
          const high = I[a + 1]!;
          if (k < 32) {
            I[d] = k === 0 ? I[a]! : (I[a]! >>> k) | (high << -k);
            I[d + 1] = high >>> k;
          } else {
            I[d] = high >>> k;
            I[d + 1] = 0;
          }
          pc += 4;
          continue;
        }
        case Reg.I64Rotl: {
          const a = fp + code[pc + 2]!;
          const d = fp + code[pc + 1]!;
          const k = I[fp + code[pc + 3]!]! & 63;
          const low = k < 32 ? I[a]! : I[a + 1]!;
          const high = k < 32 ? I[a + 1]! : I[a]!;
          if ((k & 31) === 0) {
            I[d] = low;
            I[d + 1] = high;
          } else {
            I[d] = (low << k) | (high >>> -k);
            I[d + 1] = (high << k) | (low >>> -k);
          }
          pc += 4;
          continue;
        }
        case Reg.I64AddK: {
          const a = fp + code[pc + 2]!;
          const d = fp + code[pc + 1]!;
          const aLow = I[a]!;
          const low = (aLow + code[pc + 3]!) | 0;
          I[d + 1] = (I[a + 1]! + code[pc + 4]! + (low >>> 0 < aLow >>> 0 ? 1 : 0)) | 0;
          I[d] = low;
          pc += 5;
          continue;
        }
        case Reg.I64AndK: {
          const a = fp + code[pc + 2]!;
          const d = fp + code[pc + 1]!;
          const low = I[a]! & code[pc + 3]!;
          I[d + 1] = I[a + 1]! & code[pc + 4]!;
          I[d] = low;
          pc += 5;
          continue;
        }
        case Reg.I64OrK: {
          const a = fp + code[pc + 2]!;
          const d = fp + code[pc + 1]!;
          const low = I[a]! | code[pc + 3]!;
          I[d + 1] = I[a + 1]! | code[pc + 4]!;
          I[d] = low;
          pc += 5;
          continue;
        }
        case Reg.I64XorK: {
          const a = fp + code[pc + 2]!;
          const d = fp + code[pc + 1]!;
          const low = I[a]! ^ code[pc + 3]!;
          I[d + 1] = I[a + 1]! ^ code[pc + 4]!;
          I[d] = low;
          pc += 5;
          continue;
        }
        case Reg.I64MulK: {
          const a = fp + code[pc + 2]!;
          const d = fp + code[pc + 1]!;
          const aLow = I[a]!;
          const bLow = code[pc + 3]!;
          const low = Math.imul(aLow, bLow);
          const carry = (((aLow >>> 0) * (bLow >>> 0) - (low >>> 0)) * TWO_POW_MINUS_32 + 0.5) >>> 0;
          I[d + 1] = (carry + Math.imul(aLow, code[pc + 4]!) + Math.imul(I[a + 1]!, bLow)) | 0;
          I[d] = low;
          pc += 5;
          continue;
        }
        case Reg.I64ShlK: {
          const a = fp + code[pc + 2]!;
          const d = fp + code[pc + 1]!;
          const k = code[pc + 3]!;
          const low = I[a]!;
          if (k < 32) {
            I[d + 1] = k === 0 ? I[a + 1]! : (I[a + 1]! << k) | (low >>> -k);
            I[d] = low << k;
          } else {
            I[d + 1] = low << k;
            I[d] = 0;
          }
          pc += 4;
          continue;
        }
        case Reg.I64ShrSK: {
          const a = fp + code[pc + 2]!;
          const d = fp + code[pc + 1]!;
          const k = code[pc + 3]!;
          const high = I[a + 1]!;
          if (k < 32) {
            I[d] = k === 0 ? I[a]! : (I[a]! >>> k) | (high << -k);
            I[d + 1] = high >> k;
          } else {
            I[d] = high >> k;
            I[d + 1] = high >> 31;
          }
          pc += 4;
          continue;
        }
        case Reg.I64ShrUK: {
          const a = fp + code[pc + 2]!;
          const d = fp + code[pc + 1]!;
          const k = code[pc + 3]!;
          const high = I[a + 1]!;
          if (k < 32) {
            I[d] = k === 0 ? I[a]! : (I[a]! >>> k) | (high << -k);
            I[d + 1] = high >>> k;
          } else {
            I[d] = high >>> k;
            I[d + 1] = 0;
          }
          pc += 4;
          continue;
        }
        case Reg.I64RotlK: {
          const a = fp + code[pc + 2]!;
          const d = fp + code[pc + 1]!;
          const k = code[pc + 3]!;
          const low = k < 32 ? I[a]! : I[a + 1]!;
          const high = k < 32 ? I[a + 1]! : I[a]!;
          if ((k & 31) === 0) {
            I[d] = low;
            I[d + 1] = high;
          } else {
            I[d] = (low << k) | (high >>> -k);
            I[d + 1] = (high << k) | (low >>> -k);
          }
          pc += 4;
          continue;
        }
        case Reg.I64ExtendS: {
          const d = fp + code[pc + 1]!;
          const a = I[fp + code[pc + 2]!]!;
          I[d] = a;
          I[d + 1] = a >> 31;
          pc += 3;
          continue;
        }
        case Reg.I64ExtendU: {
          const d = fp + code[pc + 1]!;
          I[d] = I[fp + code[pc + 2]!]!;
          I[d + 1] = 0;
          pc += 3;
          continue;
        }
        case Reg.F64Add: {
          const d = (fp + code[pc + 1]!) >> 1;
          const r = D[(fp + code[pc + 2]!) >> 1]! + D[(fp + code[pc + 3]!) >> 1]!;
          D[d] = r;
          if (r !== r) {
            I[d << 1] = 0;
            I[(d << 1) + 1] = CANONICAL_F64_HIGH;
          }
          pc += 4;
          continue;
        }
        case Reg.F64Sub: {
          const d = (fp + code[pc + 1]!) >> 1;
          const r = D[(fp + code[pc + 2]!) >> 1]! - D[(fp + code[pc + 3]!) >> 1]!;
          D[d] = r;
          if (r !== r) {
            I[d << 1] = 0;
            I[(d << 1) + 1] = CANONICAL_F64_HIGH;
          }
          pc += 4;
          continue;
        }
        case Reg.F64Mul: {
          const d = (fp + code[pc + 1]!) >> 1;
          const r = D[(fp + code[pc + 2]!) >> 1]! * D[(fp + code[pc + 3]!) >> 1]!;
          D[d] = r;
          if (r !== r) {
            I[d << 1] = 0;
            I[(d << 1) + 1] = CANONICAL_F64_HIGH;
          }
          pc += 4;
          continue;
        }
        case Reg.F64Div: {
          const d = (fp + code[pc + 1]!) >> 1;
          const r = D[(fp + code[pc + 2]!) >> 1]! / D[(fp + code[pc + 3]!) >> 1]!;
          D[d] = r;
          if (r !== r) {
            I[d << 1] = 0;
            I[(d << 1) + 1] = CANONICAL_F64_HIGH;
          }
          pc += 4;
          continue;
        }
        case Reg.F64Sqrt: {
          const d = (fp + code[pc + 1]!) >> 1;
          const r = Math.sqrt(D[(fp + code[pc + 2]!) >> 1]!);
          D[d] = r;
          if (r !== r) {
            I[d << 1] = 0;
            I[(d << 1) + 1] = CANONICAL_F64_HIGH;
          }
          pc += 3;
          continue;
        }
        case Reg.F64Neg: {
          const d = fp + code[pc + 1]!;
          const a = fp + code[pc + 2]!;
          I[d] = I[a]!;
          I[d + 1] = I[a + 1]! ^ -0x8000_0000;
          pc += 3;
          continue;
        }
        case Reg.F64Abs: {
          const d = fp + code[pc + 1]!;
          const a = fp + code[pc + 2]!;
          I[d] = I[a]!;
          I[d + 1] = I[a + 1]! & 0x7fff_ffff;
          pc += 3;
          continue;
        }
        case Reg.F64ConvertI32S:
          D[(fp + code[pc + 1]!) >> 1] = I[fp + code[pc + 2]!]!;
          pc += 3;
          continue;
        case Reg.F64ConvertI32U:
          D[(fp + code[pc + 1]!) >> 1] = I[fp + code[pc + 2]!]! >>> 0;
          pc += 3;
          continue;
        case Reg.F64PromoteF32: {
          const d = (fp + code[pc + 1]!) >> 1;
          const r = S[fp + code[pc + 2]!]!;
          D[d] = r;
          if (r !== r) {
            I[d << 1] = 0;
            I[(d << 1) + 1] = CANONICAL_F64_HIGH;
          }
          pc += 3;
          continue;
        }
        case Reg.I32TruncF64S: {
          const a = D[(fp + code[pc + 2]!) >> 1]!;
          if (!(a > -2147483649 && a < 2147483648)) {
            exit = a !== a ? Exit.TrapInvalidConversion : Exit.TrapOverflow;
            break loop;
          }
          I[fp + code[pc + 1]!] = a | 0;
          pc += 3;
          continue;
        }
        case Reg.F32Add: {
          const d = fp + code[pc + 1]!;
          const r = Math.fround(S[fp + code[pc + 2]!]! + S[fp + code[pc + 3]!]!);
          S[d] = r;
          if (r !== r) I[d] = CANONICAL_F32;
          pc += 4;
          continue;
        }
        case Reg.F32Sub: {
          const d = fp + code[pc + 1]!;
          const r = Math.fround(S[fp + code[pc + 2]!]! - S[fp + code[pc + 3]!]!);
          S[d] = r;
          if (r !== r) I[d] = CANONICAL_F32;
          pc += 4;
          continue;
        }
        case Reg.F32Mul: {
          const d = fp + code[pc + 1]!;
          const r = Math.fround(S[fp + code[pc + 2]!]! * S[fp + code[pc + 3]!]!);
          S[d] = r;
          if (r !== r) I[d] = CANONICAL_F32;
          pc += 4;
          continue;
        }
        case Reg.F32Div: {
          const d = fp + code[pc + 1]!;
          const r = Math.fround(S[fp + code[pc + 2]!]! / S[fp + code[pc + 3]!]!);
          S[d] = r;
          if (r !== r) I[d] = CANONICAL_F32;
          pc += 4;
          continue;
        }
        case Reg.F32Sqrt: {
          const d = fp + code[pc + 1]!;
          const r = Math.fround(Math.sqrt(S[fp + code[pc + 2]!]!));
          S[d] = r;
          if (r !== r) I[d] = CANONICAL_F32;
          pc += 3;
          continue;
        }
        case Reg.F32Neg:
          I[fp + code[pc + 1]!] = I[fp + code[pc + 2]!]! ^ -0x8000_0000;
          pc += 3;
          continue;
        case Reg.F32Abs:
          I[fp + code[pc + 1]!] = I[fp + code[pc + 2]!]! & 0x7fff_ffff;
          pc += 3;
          continue;
        case Reg.F32ConvertI32S:
          S[fp + code[pc + 1]!] = Math.fround(I[fp + code[pc + 2]!]!);
          pc += 3;
          continue;
        case Reg.F32DemoteF64: {
          const d = fp + code[pc + 1]!;
          const r = Math.fround(D[(fp + code[pc + 2]!) >> 1]!);
          S[d] = r;
          if (r !== r) I[d] = CANONICAL_F32;
          pc += 3;
          continue;
        }
        case Reg.I32Load: {
          const ea = (I[fp + code[pc + 2]!]! >>> 0) + (code[pc + 3]! >>> 0);
          if (ea > ml - 4) {
            exit = Exit.TrapOutOfBounds;
            break loop;
          }
          I[fp + code[pc + 1]!] = M.getInt32(mb + ea, true);
          pc += 4;
          continue;
        }
        case Reg.I32Load8S: {
          const ea = (I[fp + code[pc + 2]!]! >>> 0) + (code[pc + 3]! >>> 0);
          if (ea > ml - 1) {
            exit = Exit.TrapOutOfBounds;
            break loop;
          }
          I[fp + code[pc + 1]!] = M.getInt8(mb + ea);
          pc += 4;
          continue;
        }
        case Reg.I32Load8U: {
          const ea = (I[fp + code[pc + 2]!]! >>> 0) + (code[pc + 3]! >>> 0);
          if (ea > ml - 1) {
            exit = Exit.TrapOutOfBounds;
            break loop;
          }
          I[fp + code[pc + 1]!] = M.getUint8(mb + ea);
          pc += 4;
          continue;
        }
        case Reg.I32Load16S: {
          const ea = (I[fp + code[pc + 2]!]! >>> 0) + (code[pc + 3]! >>> 0);
          if (ea > ml - 2) {
            exit = Exit.TrapOutOfBounds;
            break loop;
          }
          I[fp + code[pc + 1]!] = M.getInt16(mb + ea, true);
          pc += 4;
          continue;
        }
        case Reg.I32Load16U: {
          const ea = (I[fp + code[pc + 2]!]! >>> 0) + (code[pc + 3]! >>> 0);
          if (ea > ml - 2) {
            exit = Exit.TrapOutOfBounds;
            break loop;
          }
          I[fp + code[pc + 1]!] = M.getUint16(mb + ea, true);
          pc += 4;
          continue;
        }
        case Reg.I64Load: {
          const ea = (I[fp + code[pc + 2]!]! >>> 0) + (code[pc + 3]! >>> 0);
          if (ea > ml - 8) {
            exit = Exit.TrapOutOfBounds;
            break loop;
          }
          const d = fp + code[pc + 1]!;
          I[d] = M.getInt32(mb + ea, true);
          I[d + 1] = M.getInt32(mb + ea + 4, true);
          pc += 4;
          continue;
        }
        case Reg.I64Load8U: {
          const ea = (I[fp + code[pc + 2]!]! >>> 0) + (code[pc + 3]! >>> 0);
          if (ea > ml - 1) {
            exit = Exit.TrapOutOfBounds;
            break loop;
          }
          const d = fp + code[pc + 1]!;
          I[d] = M.getUint8(mb + ea);
          I[d + 1] = 0;
          pc += 4;
          continue;
        }
        case Reg.I64Load16U: {
          const ea = (I[fp + code[pc + 2]!]! >>> 0) + (code[pc + 3]! >>> 0);
          if (ea > ml - 2) {
            exit = Exit.TrapOutOfBounds;
            break loop;
          }
          const d = fp + code[pc + 1]!;
          I[d] = M.getUint16(mb + ea, true);
          I[d + 1] = 0;
          pc += 4;
          continue;
        }
        case Reg.I64Load32U: {
          const ea = (I[fp + code[pc + 2]!]! >>> 0) + (code[pc + 3]! >>> 0);
          if (ea > ml - 4) {
            exit = Exit.TrapOutOfBounds;
            break loop;
          }
          const d = fp + code[pc + 1]!;
          I[d] = M.getInt32(mb + ea, true);
          I[d + 1] = 0;
          pc += 4;
          continue;
        }
        case Reg.I64Load32S: {
          const ea = (I[fp + code[pc + 2]!]! >>> 0) + (code[pc + 3]! >>> 0);
          if (ea > ml - 4) {
            exit = Exit.TrapOutOfBounds;
            break loop;
          }
          const d = fp + code[pc + 1]!;
          const value = M.getInt32(mb + ea, true);
          I[d] = value;
          I[d + 1] = value >> 31;
          pc += 4;
          continue;
        }
        case Reg.F64Load: {
          const ea = (I[fp + code[pc + 2]!]! >>> 0) + (code[pc + 3]! >>> 0);
          if (ea > ml - 8) {
            exit = Exit.TrapOutOfBounds;
            break loop;
          }
          D[(fp + code[pc + 1]!) >> 1] = M.getFloat64(mb + ea, true);
          pc += 4;
          continue;
        }
        case Reg.I32Store: {
          const ea = (I[fp + code[pc + 1]!]! >>> 0) + (code[pc + 3]! >>> 0);
          if (ea > ml - 4) {
            exit = Exit.TrapOutOfBounds;
            break loop;
          }
          M.setInt32(mb + ea, I[fp + code[pc + 2]!]!, true);
          pc += 4;
          continue;
        }
        case Reg.I32Store8: {
          const ea = (I[fp + code[pc + 1]!]! >>> 0) + (code[pc + 3]! >>> 0);
          if (ea > ml - 1) {
            exit = Exit.TrapOutOfBounds;
            break loop;
          }
          M.setInt8(mb + ea, I[fp + code[pc + 2]!]!);
          pc += 4;
          continue;
        }
        case Reg.I32Store16: {
          const ea = (I[fp + code[pc + 1]!]! >>> 0) + (code[pc + 3]! >>> 0);
          if (ea > ml - 2) {
            exit = Exit.TrapOutOfBounds;
            break loop;
          }
          M.setInt16(mb + ea, I[fp + code[pc + 2]!]!, true);
          pc += 4;
          continue;
        }
        case Reg.I64Store: {
          const ea = (I[fp + code[pc + 1]!]! >>> 0) + (code[pc + 3]! >>> 0);
          if (ea > ml - 8) {
            exit = Exit.TrapOutOfBounds;
            break loop;
          }
          const b = fp + code[pc + 2]!;
          M.setInt32(mb + ea, I[b]!, true);
          M.setInt32(mb + ea + 4, I[b + 1]!, true);
          pc += 4;
          continue;
        }
        case Reg.F64Store: {
          const ea = (I[fp + code[pc + 1]!]! >>> 0) + (code[pc + 3]! >>> 0);
          if (ea > ml - 8) {
            exit = Exit.TrapOutOfBounds;
            break loop;
          }
          M.setFloat64(mb + ea, D[(fp + code[pc + 2]!) >> 1]!, true);
          pc += 4;
          continue;
        }
        // Two instructions in one operation.

        case Reg.Move32Pair:
          I[fp + code[pc + 1]!] = I[fp + code[pc + 2]!]!;
          I[fp + code[pc + 3]!] = I[fp + code[pc + 4]!]!;
          pc += 5;
          continue;
        case Reg.I32AddShl:
          I[fp + code[pc + 1]!] = (I[fp + code[pc + 2]!]! + (I[fp + code[pc + 3]!]! << code[pc + 4]!)) | 0;
          pc += 5;
          continue;
        case Reg.I32Add3:
          I[fp + code[pc + 1]!] = (I[fp + code[pc + 2]!]! + I[fp + code[pc + 3]!]! + I[fp + code[pc + 4]!]!) | 0;
          pc += 5;
          continue;
        case Reg.I32AddAddK:
          I[fp + code[pc + 1]!] = (I[fp + code[pc + 2]!]! + I[fp + code[pc + 3]!]! + code[pc + 4]!) | 0;
          pc += 5;
          continue;
        case Reg.I32ShlAddK:
          I[fp + code[pc + 1]!] = ((I[fp + code[pc + 2]!]! << code[pc + 3]!) + code[pc + 4]!) | 0;
          pc += 5;
          continue;
        case Reg.I32MulAddK:
          I[fp + code[pc + 1]!] = (Math.imul(I[fp + code[pc + 2]!]!, code[pc + 3]!) + code[pc + 4]!) | 0;
          pc += 5;
          continue;
        case Reg.I32ShrUAndK:
          I[fp + code[pc + 1]!] = (I[fp + code[pc + 2]!]! >>> code[pc + 3]!) & code[pc + 4]!;
          pc += 5;
          continue;
        case Reg.I32XorShl:
          I[fp + code[pc + 1]!] = I[fp + code[pc + 2]!]! ^ (I[fp + code[pc + 3]!]! << code[pc + 4]!);
          pc += 5;
          continue;
        case Reg.I32XorShrU:
          I[fp + code[pc + 1]!] = I[fp + code[pc + 2]!]! ^ (I[fp + code[pc + 3]!]! >>> code[pc + 4]!);
          pc += 5;
          continue;
        case Reg.I32XorRotl: {
          const b = I[fp + code[pc + 3]!]!;
          const k = code[pc + 4]!;
          I[fp + code[pc + 1]!] = I[fp + code[pc + 2]!]! ^ ((b << k) | (b >>> -k));
          pc += 5;
          continue;
        }
        case Reg.I32OrShl:
          I[fp + code[pc + 1]!] = I[fp + code[pc + 2]!]! | (I[fp + code[pc + 3]!]! << code[pc + 4]!);
          pc += 5;
          continue;
        case Reg.I64XorShrU: {
          const d = fp + code[pc + 1]!;
          const a = fp + code[pc + 2]!;
          const b = fp + code[pc + 3]!;
          const k = code[pc + 4]!;
          const high = I[b + 1]!;
          if (k < 32) {
            I[d] = I[a]! ^ (k === 0 ? I[b]! : (I[b]! >>> k) | (high << -k));
            I[d + 1] = I[a + 1]! ^ (high >>> k);
          } else {
            I[d] = I[a]! ^ (high >>> k);
            I[d + 1] = I[a + 1]!;
          }
          pc += 5;
          continue;
        }
        case Reg.I64AddMulK: {
          const a = fp + code[pc + 2]!;
          const b = fp + code[pc + 3]!;
          const d = fp + code[pc + 1]!;
          const aLow = I[b]!;
          const bLow = code[pc + 4]!;
          const low = Math.imul(aLow, bLow);
          const carry = (((aLow >>> 0) * (bLow >>> 0) - (low >>> 0)) * TWO_POW_MINUS_32 + 0.5) >>> 0;
          const high = (carry + Math.imul(aLow, code[pc + 5]!) + Math.imul(I[b + 1]!, bLow)) | 0;
          const sum = (I[a]! + low) | 0;
          I[d + 1] = (I[a + 1]! + high + (sum >>> 0 < low >>> 0 ? 1 : 0)) | 0;
          I[d] = sum;
          pc += 6;
          continue;
        }
        case Reg.I64RotlMulK: {
          const a = fp + code[pc + 2]!;
          const d = fp + code[pc + 1]!;
          const k = code[pc + 3]!;
          const first = k < 32 ? I[a]! : I[a + 1]!;
          const second = k < 32 ? I[a + 1]! : I[a]!;
          const isWhole = (k & 31) === 0;
          const aLow = isWhole ? first : (first << k) | (second >>> -k);
          const aHigh = isWhole ? second : (second << k) | (first >>> -k);
          const bLow = code[pc + 4]!;
          const low = Math.imul(aLow, bLow);
          const carry = (((aLow >>> 0) * (bLow >>> 0) - (low >>> 0)) * TWO_POW_MINUS_32 + 0.5) >>> 0;
          I[d + 1] = (carry + Math.imul(aLow, code[pc + 5]!) + Math.imul(aHigh, bLow)) | 0;
          I[d] = low;
          pc += 6;
          continue;
        }
        case Reg.F64MulAdd: {
          const d = (fp + code[pc + 1]!) >> 1;
          const r = D[(fp + code[pc + 2]!) >> 1]! + D[(fp + code[pc + 3]!) >> 1]! * D[(fp + code[pc + 4]!) >> 1]!;
          D[d] = r;
          if (r !== r) {
            I[d << 1] = 0;
            I[(d << 1) + 1] = CANONICAL_F64_HIGH;
          }
          pc += 5;
          continue;
        }
        case Reg.F64MulSub: {
          const d = (fp + code[pc + 1]!) >> 1;
          const r = D[(fp + code[pc + 3]!) >> 1]! * D[(fp + code[pc + 4]!) >> 1]! - D[(fp + code[pc + 2]!) >> 1]!;
          D[d] = r;
          if (r !== r) {
            I[d << 1] = 0;
            I[(d << 1) + 1] = CANONICAL_F64_HIGH;
          }
          pc += 5;
          continue;
        }
        case Reg.F64SubMul: {
          const d = (fp + code[pc + 1]!) >> 1;
          const r = D[(fp + code[pc + 2]!) >> 1]! - D[(fp + code[pc + 3]!) >> 1]! * D[(fp + code[pc + 4]!) >> 1]!;
          D[d] = r;
          if (r !== r) {
            I[d << 1] = 0;
            I[(d << 1) + 1] = CANONICAL_F64_HIGH;
          }
          pc += 5;
          continue;
        }
        case Reg.F64Mul3: {
          const d = (fp + code[pc + 1]!) >> 1;
          const r = D[(fp + code[pc + 2]!) >> 1]! * (D[(fp + code[pc + 3]!) >> 1]! * D[(fp + code[pc + 4]!) >> 1]!);
          D[d] = r;
          if (r !== r) {
            I[d << 1] = 0;
            I[(d << 1) + 1] = CANONICAL_F64_HIGH;
          }
          pc += 5;
          continue;
        }
        case Reg.F64Add3: {
          const d = (fp + code[pc + 1]!) >> 1;
          const r = D[(fp + code[pc + 2]!) >> 1]! + (D[(fp + code[pc + 3]!) >> 1]! + D[(fp + code[pc + 4]!) >> 1]!);
          D[d] = r;
          if (r !== r) {
            I[d << 1] = 0;
            I[(d << 1) + 1] = CANONICAL_F64_HIGH;
          }
          pc += 5;
          continue;
        }
        case Reg.F64AddK: {
          const d = (fp + code[pc + 1]!) >> 1;
          const r = D[(fp + code[pc + 2]!) >> 1]! + K[code[pc + 3]!]!;
          D[d] = r;
          if (r !== r) {
            I[d << 1] = 0;
            I[(d << 1) + 1] = CANONICAL_F64_HIGH;
          }
          pc += 4;
          continue;
        }
        case Reg.F64MulK: {
          const d = (fp + code[pc + 1]!) >> 1;
          const r = D[(fp + code[pc + 2]!) >> 1]! * K[code[pc + 3]!]!;
          D[d] = r;
          if (r !== r) {
            I[d << 1] = 0;
            I[(d << 1) + 1] = CANONICAL_F64_HIGH;
          }
          pc += 4;
          continue;
        }
        case Reg.F32MulAdd: {
          const d = fp + code[pc + 1]!;
          const r = Math.fround(S[fp + code[pc + 2]!]! + Math.fround(S[fp + code[pc + 3]!]! * S[fp + code[pc + 4]!]!));
          S[d] = r;
          if (r !== r) I[d] = CANONICAL_F32;
          pc += 5;
          continue;
        }
        case Reg.F32MulSub: {
          const d = fp + code[pc + 1]!;
          const r = Math.fround(Math.fround(S[fp + code[pc + 3]!]! * S[fp + code[pc + 4]!]!) - S[fp + code[pc + 2]!]!);
          S[d] = r;
          if (r !== r) I[d] = CANONICAL_F32;
          pc += 5;
          continue;
        }
        case Reg.F32SubMul: {
          const d = fp + code[pc + 1]!;
          const r = Math.fround(S[fp + code[pc + 2]!]! - Math.fround(S[fp + code[pc + 3]!]! * S[fp + code[pc + 4]!]!));
          S[d] = r;
          if (r !== r) I[d] = CANONICAL_F32;
          pc += 5;
          continue;
        }
        case Reg.F32Add3: {
          const d = fp + code[pc + 1]!;
          const r = Math.fround(S[fp + code[pc + 2]!]! + Math.fround(S[fp + code[pc + 3]!]! + S[fp + code[pc + 4]!]!));
          S[d] = r;
          if (r !== r) I[d] = CANONICAL_F32;
          pc += 5;
          continue;
        }
        case Reg.I32LoadAddK: {
          const ea = ((I[fp + code[pc + 2]!]! + code[pc + 3]!) >>> 0) + (code[pc + 4]! >>> 0);
          if (ea > ml - 4) {
            exit = Exit.TrapOutOfBounds;
            break loop;
          }
          I[fp + code[pc + 1]!] = M.getInt32(mb + ea, true);
          pc += 5;
          continue;
        }
        case Reg.I32Load8UAddK: {
          const ea = ((I[fp + code[pc + 2]!]! + code[pc + 3]!) >>> 0) + (code[pc + 4]! >>> 0);
          if (ea > ml - 1) {
            exit = Exit.TrapOutOfBounds;
            break loop;
          }
          I[fp + code[pc + 1]!] = M.getUint8(mb + ea);
          pc += 5;
          continue;
        }
        case Reg.I32Load16UAddK: {
          const ea = ((I[fp + code[pc + 2]!]! + code[pc + 3]!) >>> 0) + (code[pc + 4]! >>> 0);
          if (ea > ml - 2) {
            exit = Exit.TrapOutOfBounds;
            break loop;
          }
          I[fp + code[pc + 1]!] = M.getUint16(mb + ea, true);
          pc += 5;
          continue;
        }
        case Reg.I64LoadAddK: {
          const ea = ((I[fp + code[pc + 2]!]! + code[pc + 3]!) >>> 0) + (code[pc + 4]! >>> 0);
          if (ea > ml - 8) {
            exit = Exit.TrapOutOfBounds;
            break loop;
          }
          const d = fp + code[pc + 1]!;
          I[d] = M.getInt32(mb + ea, true);
          I[d + 1] = M.getInt32(mb + ea + 4, true);
          pc += 5;
          continue;
        }
        case Reg.F64LoadAddK: {
          const ea = ((I[fp + code[pc + 2]!]! + code[pc + 3]!) >>> 0) + (code[pc + 4]! >>> 0);
          if (ea > ml - 8) {
            exit = Exit.TrapOutOfBounds;
            break loop;
          }
          D[(fp + code[pc + 1]!) >> 1] = M.getFloat64(mb + ea, true);
          pc += 5;
          continue;
        }
        case Reg.I32LoadAdd: {
          const ea = ((I[fp + code[pc + 2]!]! + I[fp + code[pc + 3]!]!) >>> 0) + (code[pc + 4]! >>> 0);
          if (ea > ml - 4) {
            exit = Exit.TrapOutOfBounds;
            break loop;
          }
          I[fp + code[pc + 1]!] = M.getInt32(mb + ea, true);
          pc += 5;
          continue;
        }
        case Reg.I32Load8UAdd: {
          const ea = ((I[fp + code[pc + 2]!]! + I[fp + code[pc + 3]!]!) >>> 0) + (code[pc + 4]! >>> 0);
          if (ea > ml - 1) {
            exit = Exit.TrapOutOfBounds;
            break loop;
          }
          I[fp + code[pc + 1]!] = M.getUint8(mb + ea);
          pc += 5;
          continue;
        }
        case Reg.F64LoadAdd: {
          const ea = ((I[fp + code[pc + 2]!]! + I[fp + code[pc + 3]!]!) >>> 0) + (code[pc + 4]! >>> 0);
          if (ea > ml - 8) {
            exit = Exit.TrapOutOfBounds;
            break loop;
          }
          D[(fp + code[pc + 1]!) >> 1] = M.getFloat64(mb + ea, true);
          pc += 5;
          continue;
        }
        case Reg.I32LoadAddShl: {
          const ea =
            ((I[fp + code[pc + 2]!]! + (I[fp + code[pc + 3]!]! << code[pc + 4]!)) >>> 0) + (code[pc + 5]! >>> 0);
          if (ea > ml - 4) {
            exit = Exit.TrapOutOfBounds;
            break loop;
          }
          I[fp + code[pc + 1]!] = M.getInt32(mb + ea, true);
          pc += 6;
          continue;
        }
        case Reg.I32LoadAt: {
          const ea = code[pc + 2]! >>> 0;
          if (ea > ml - 4) {
            exit = Exit.TrapOutOfBounds;
            break loop;
          }
          I[fp + code[pc + 1]!] = M.getInt32(mb + ea, true);
          pc += 3;
          continue;
        }
        case Reg.I64LoadAt: {
          const ea = code[pc + 2]! >>> 0;
          if (ea > ml - 8) {
            exit = Exit.TrapOutOfBounds;
            break loop;
          }
          const d = fp + code[pc + 1]!;
          I[d] = M.getInt32(mb + ea, true);
          I[d + 1] = M.getInt32(mb + ea + 4, true);
          pc += 3;
          continue;
        }
        case Reg.F64LoadAt: {
          const ea = code[pc + 2]! >>> 0;
          if (ea > ml - 8) {
            exit = Exit.TrapOutOfBounds;
            break loop;
          }
          D[(fp + code[pc + 1]!) >> 1] = M.getFloat64(mb + ea, true);
          pc += 3;
          continue;
        }
        case Reg.I32StoreAddK: {
          const ea = ((I[fp + code[pc + 1]!]! + code[pc + 3]!) >>> 0) + (code[pc + 4]! >>> 0);
          if (ea > ml - 4) {
            exit = Exit.TrapOutOfBounds;
            break loop;
          }
          M.setInt32(mb + ea, I[fp + code[pc + 2]!]!, true);
          pc += 5;
          continue;
        }
        case Reg.I32Store8AddK: {
          const ea = ((I[fp + code[pc + 1]!]! + code[pc + 3]!) >>> 0) + (code[pc + 4]! >>> 0);
          if (ea > ml - 1) {
            exit = Exit.TrapOutOfBounds;
            break loop;
          }
          M.setInt8(mb + ea, I[fp + code[pc + 2]!]!);
          pc += 5;
          continue;
        }
        case Reg.F64StoreAddK: {
          const ea = ((I[fp + code[pc + 1]!]! + code[pc + 3]!) >>> 0) + (code[pc + 4]! >>> 0);
          if (ea > ml - 8) {
            exit = Exit.TrapOutOfBounds;
            break loop;
          }
          M.setFloat64(mb + ea, D[(fp + code[pc + 2]!) >> 1]!, true);
          pc += 5;
          continue;
        }
        case Reg.I32StoreK: {
          const ea = (I[fp + code[pc + 1]!]! >>> 0) + (code[pc + 3]! >>> 0);
          if (ea > ml - 4) {
            exit = Exit.TrapOutOfBounds;
            break loop;
          }
          M.setInt32(mb + ea, code[pc + 2]!, true);
          pc += 4;
          continue;
        }
        case Reg.I32Store8K: {
          const ea = (I[fp + code[pc + 1]!]! >>> 0) + (code[pc + 3]! >>> 0);
          if (ea > ml - 1) {
            exit = Exit.TrapOutOfBounds;
            break loop;
          }
          M.setInt8(mb + ea, code[pc + 2]!);
          pc += 4;
          continue;
        }
        case Reg.I32StoreAt: {
          const ea = code[pc + 1]! >>> 0;
          if (ea > ml - 4) {
            exit = Exit.TrapOutOfBounds;
            break loop;
          }
          M.setInt32(mb + ea, I[fp + code[pc + 2]!]!, true);
          pc += 3;
          continue;
        }
        case Reg.I64StoreAt: {
          const ea = code[pc + 1]! >>> 0;
          if (ea > ml - 8) {
            exit = Exit.TrapOutOfBounds;
            break loop;
          }
          const b = fp + code[pc + 2]!;
          M.setInt32(mb + ea, I[b]!, true);
          M.setInt32(mb + ea + 4, I[b + 1]!, true);
          pc += 3;
          continue;
        }
        case Reg.I32AddKBrIf: {
          const d = fp + code[pc + 1]!;
          const v = (I[d]! + code[pc + 2]!) | 0;
          I[d] = v;
          if (v !== 0) break;
          pc += 7;
          continue;
        }
        case Reg.I32AddKBrNe: {
          const d = fp + code[pc + 1]!;
          const v = (I[d]! + code[pc + 2]!) | 0;
          I[d] = v;
          if (v !== I[fp + code[pc + 6]!]!) break;
          pc += 7;
          continue;
        }
        case Reg.I32AddKBrLtS: {
          const d = fp + code[pc + 1]!;
          const v = (I[d]! + code[pc + 2]!) | 0;
          I[d] = v;
          if (v < I[fp + code[pc + 6]!]!) break;
          pc += 7;
          continue;
        }
        case Reg.I32AddKBrLtU: {
          const d = fp + code[pc + 1]!;
          const v = (I[d]! + code[pc + 2]!) | 0;
          I[d] = v;
          if (v >>> 0 < I[fp + code[pc + 6]!]! >>> 0) break;
          pc += 7;
          continue;
        }
        case Reg.I32AddKBrNeK: {
          const d = fp + code[pc + 1]!;
          const v = (I[d]! + code[pc + 2]!) | 0;
          I[d] = v;
          if (v !== code[pc + 6]!) break;
          pc += 7;
          continue;
        }
        case Reg.I32AddKBrLtSK: {
          const d = fp + code[pc + 1]!;
          const v = (I[d]! + code[pc + 2]!) | 0;
          I[d] = v;
          if (v < code[pc + 6]!) break;
          pc += 7;
          continue;
        }
        case Reg.I32AddKBrLtUK: {
          const d = fp + code[pc + 1]!;
          const v = (I[d]! + code[pc + 2]!) | 0;
          I[d] = v;
          if (v >>> 0 < code[pc + 6]! >>> 0) break;
          pc += 7;
          continue;
        }

        case Reg.Global32Get:
          I[fp + code[pc + 1]!] = G[gb + code[pc + 2]!]!;
          pc += 3;
          continue;
        case Reg.Global32Set:
          G[gb + code[pc + 2]!] = I[fp + code[pc + 1]!]!;
          pc += 3;
          continue;
        case Reg.Global64Get: {
          const d = fp + code[pc + 1]!;
          const g = gb + code[pc + 2]!;
          I[d] = G[g]!;
          I[d + 1] = G[g + 1]!;
          pc += 3;
          continue;
        }
        case Reg.Global64Set: {
          const a = fp + code[pc + 1]!;
          const g = gb + code[pc + 2]!;
          G[g] = I[a]!;
          G[g + 1] = I[a + 1]!;
          pc += 3;
          continue;
        }

        case Reg.StructGet32: {
          const h = I[fp + code[pc + 2]!]!;
          if (h === 0) {
            exit = Exit.TrapNullStructure;
            break loop;
          }
          const w = (h >>> 1) + code[pc + 3]!;
          I[fp + code[pc + 1]!] = H[w >>> PageBits.Shift]![w & PageBits.Mask]!;
          pc += 4;
          continue;
        }
        case Reg.StructGet64: {
          const h = I[fp + code[pc + 2]!]!;
          if (h === 0) {
            exit = Exit.TrapNullStructure;
            break loop;
          }
          const w = (h >>> 1) + code[pc + 3]!;
          const d = fp + code[pc + 1]!;
          I[d] = H[w >>> PageBits.Shift]![w & PageBits.Mask]!;
          I[d + 1] = H[(w + 1) >>> PageBits.Shift]![(w + 1) & PageBits.Mask]!;
          pc += 4;
          continue;
        }
        case Reg.StructSet32: {
          const h = I[fp + code[pc + 1]!]!;
          if (h === 0) {
            exit = Exit.TrapNullStructure;
            break loop;
          }
          const w = (h >>> 1) + code[pc + 3]!;
          H[w >>> PageBits.Shift]![w & PageBits.Mask] = I[fp + code[pc + 2]!]!;
          pc += 4;
          continue;
        }
        case Reg.StructSet64: {
          const h = I[fp + code[pc + 1]!]!;
          if (h === 0) {
            exit = Exit.TrapNullStructure;
            break loop;
          }
          const w = (h >>> 1) + code[pc + 3]!;
          const b = fp + code[pc + 2]!;
          H[w >>> PageBits.Shift]![w & PageBits.Mask] = I[b]!;
          H[(w + 1) >>> PageBits.Shift]![(w + 1) & PageBits.Mask] = I[b + 1]!;
          pc += 4;
          continue;
        }
        case Reg.ArrayGet8U: {
          const h = I[fp + code[pc + 2]!]!;
          if (h === 0) {
            exit = Exit.TrapNullArray;
            break loop;
          }
          let w = h >>> 1;
          const index = I[fp + code[pc + 3]!]! >>> 0;
          if (index >= H[(w + 1) >>> PageBits.Shift]![(w + 1) & PageBits.Mask]! >>> 0) {
            exit = Exit.TrapArrayBounds;
            break loop;
          }
          w += 2 + (index >>> 2);
          I[fp + code[pc + 1]!] = (H[w >>> PageBits.Shift]![w & PageBits.Mask]! >>> ((index & 3) << 3)) & 0xff;
          pc += 4;
          continue;
        }
        case Reg.ArrayGet16U: {
          const h = I[fp + code[pc + 2]!]!;
          if (h === 0) {
            exit = Exit.TrapNullArray;
            break loop;
          }
          let w = h >>> 1;
          const index = I[fp + code[pc + 3]!]! >>> 0;
          if (index >= H[(w + 1) >>> PageBits.Shift]![(w + 1) & PageBits.Mask]! >>> 0) {
            exit = Exit.TrapArrayBounds;
            break loop;
          }
          w += 2 + (index >>> 1);
          I[fp + code[pc + 1]!] = (H[w >>> PageBits.Shift]![w & PageBits.Mask]! >>> ((index & 1) << 4)) & 0xffff;
          pc += 4;
          continue;
        }
        case Reg.ArrayGet32: {
          const h = I[fp + code[pc + 2]!]!;
          if (h === 0) {
            exit = Exit.TrapNullArray;
            break loop;
          }
          let w = h >>> 1;
          const index = I[fp + code[pc + 3]!]! >>> 0;
          if (index >= H[(w + 1) >>> PageBits.Shift]![(w + 1) & PageBits.Mask]! >>> 0) {
            exit = Exit.TrapArrayBounds;
            break loop;
          }
          w += 2 + index;
          I[fp + code[pc + 1]!] = H[w >>> PageBits.Shift]![w & PageBits.Mask]!;
          pc += 4;
          continue;
        }
        case Reg.ArrayGet64: {
          const h = I[fp + code[pc + 2]!]!;
          if (h === 0) {
            exit = Exit.TrapNullArray;
            break loop;
          }
          let w = h >>> 1;
          const index = I[fp + code[pc + 3]!]! >>> 0;
          if (index >= H[(w + 1) >>> PageBits.Shift]![(w + 1) & PageBits.Mask]! >>> 0) {
            exit = Exit.TrapArrayBounds;
            break loop;
          }
          w += 2 + index * 2;
          const d = fp + code[pc + 1]!;
          I[d] = H[w >>> PageBits.Shift]![w & PageBits.Mask]!;
          I[d + 1] = H[(w + 1) >>> PageBits.Shift]![(w + 1) & PageBits.Mask]!;
          pc += 4;
          continue;
        }
        case Reg.ArraySet32: {
          const h = I[fp + code[pc + 1]!]!;
          if (h === 0) {
            exit = Exit.TrapNullArray;
            break loop;
          }
          let w = h >>> 1;
          const index = I[fp + code[pc + 2]!]! >>> 0;
          if (index >= H[(w + 1) >>> PageBits.Shift]![(w + 1) & PageBits.Mask]! >>> 0) {
            exit = Exit.TrapArrayBounds;
            break loop;
          }
          w += 2 + index;
          H[w >>> PageBits.Shift]![w & PageBits.Mask] = I[fp + code[pc + 3]!]!;
          pc += 4;
          continue;
        }
        case Reg.ArraySet64: {
          const h = I[fp + code[pc + 1]!]!;
          if (h === 0) {
            exit = Exit.TrapNullArray;
            break loop;
          }
          let w = h >>> 1;
          const index = I[fp + code[pc + 2]!]! >>> 0;
          if (index >= H[(w + 1) >>> PageBits.Shift]![(w + 1) & PageBits.Mask]! >>> 0) {
            exit = Exit.TrapArrayBounds;
            break loop;
          }
          w += 2 + index * 2;
          const b = fp + code[pc + 3]!;
          H[w >>> PageBits.Shift]![w & PageBits.Mask] = I[b]!;
          H[(w + 1) >>> PageBits.Shift]![(w + 1) & PageBits.Mask] = I[b + 1]!;
          pc += 4;
          continue;
        }
        case Reg.ArrayLen: {
          const h = I[fp + code[pc + 2]!]!;
          if (h === 0) {
            exit = Exit.TrapNullArray;
            break loop;
          }
          const w = (h >>> 1) + 1;
          I[fp + code[pc + 1]!] = H[w >>> PageBits.Shift]![w & PageBits.Mask]!;
          pc += 3;
          continue;
        }

        case Reg.Br:
          break;
        case Reg.BrIf:
          if (I[fp + code[pc + 1]!] !== 0) break;
          pc += 6;
          continue;
        case Reg.BrIfNot:
          if (I[fp + code[pc + 1]!] === 0) break;
          pc += 6;
          continue;
        case Reg.BrI32Eq:
          if (I[fp + code[pc + 1]!]! === I[fp + code[pc + 2]!]!) break;
          pc += 6;
          continue;
        case Reg.BrI32Ne:
          if (I[fp + code[pc + 1]!]! !== I[fp + code[pc + 2]!]!) break;
          pc += 6;
          continue;
        case Reg.BrI32LtS:
          if (I[fp + code[pc + 1]!]! < I[fp + code[pc + 2]!]!) break;
          pc += 6;
          continue;
        case Reg.BrI32LtU:
          if (I[fp + code[pc + 1]!]! >>> 0 < I[fp + code[pc + 2]!]! >>> 0) break;
          pc += 6;
          continue;
        case Reg.BrI32LeS:
          if (I[fp + code[pc + 1]!]! <= I[fp + code[pc + 2]!]!) break;
          pc += 6;
          continue;
        case Reg.BrI32LeU:
          if (I[fp + code[pc + 1]!]! >>> 0 <= I[fp + code[pc + 2]!]! >>> 0) break;
          pc += 6;
          continue;
        case Reg.BrI32EqK:
          if (I[fp + code[pc + 1]!]! === code[pc + 2]!) break;
          pc += 6;
          continue;
        case Reg.BrI32NeK:
          if (I[fp + code[pc + 1]!]! !== code[pc + 2]!) break;
          pc += 6;
          continue;
        case Reg.BrI32LtSK:
          if (I[fp + code[pc + 1]!]! < code[pc + 2]!) break;
          pc += 6;
          continue;
        case Reg.BrI32LtUK:
          if (I[fp + code[pc + 1]!]! >>> 0 < code[pc + 2]! >>> 0) break;
          pc += 6;
          continue;
        case Reg.BrI32GtSK:
          if (I[fp + code[pc + 1]!]! > code[pc + 2]!) break;
          pc += 6;
          continue;
        case Reg.BrI32GtUK:
          if (I[fp + code[pc + 1]!]! >>> 0 > code[pc + 2]! >>> 0) break;
          pc += 6;
          continue;
        case Reg.BrI32LeSK:
          if (I[fp + code[pc + 1]!]! <= code[pc + 2]!) break;
          pc += 6;
          continue;
        case Reg.BrI32LeUK:
          if (I[fp + code[pc + 1]!]! >>> 0 <= code[pc + 2]! >>> 0) break;
          pc += 6;
          continue;
        case Reg.BrI32GeSK:
          if (I[fp + code[pc + 1]!]! >= code[pc + 2]!) break;
          pc += 6;
          continue;
        case Reg.BrI32GeUK:
          if (I[fp + code[pc + 1]!]! >>> 0 >= code[pc + 2]! >>> 0) break;
          pc += 6;
          continue;
        case Reg.BrI64Eq: {
          const a = fp + code[pc + 1]!;
          const b = fp + code[pc + 2]!;
          if (I[a] === I[b] && I[a + 1] === I[b + 1]) break;
          pc += 6;
          continue;
        }
        case Reg.BrI64Ne: {
          const a = fp + code[pc + 1]!;
          const b = fp + code[pc + 2]!;
          if (I[a] !== I[b] || I[a + 1] !== I[b + 1]) break;
          pc += 6;
          continue;
        }
        case Reg.BrI64LtS: {
          const a = fp + code[pc + 1]!;
          const b = fp + code[pc + 2]!;
          if (I[a + 1] === I[b + 1] ? I[a]! >>> 0 < I[b]! >>> 0 : I[a + 1]! < I[b + 1]!) break;
          pc += 6;
          continue;
        }
        case Reg.BrI64LtU: {
          const a = fp + code[pc + 1]!;
          const b = fp + code[pc + 2]!;
          if (I[a + 1] === I[b + 1] ? I[a]! >>> 0 < I[b]! >>> 0 : I[a + 1]! >>> 0 < I[b + 1]! >>> 0) break;
          pc += 6;
          continue;
        }
        case Reg.BrI64LeS: {
          const a = fp + code[pc + 1]!;
          const b = fp + code[pc + 2]!;
          if (I[a + 1] === I[b + 1] ? I[a]! >>> 0 <= I[b]! >>> 0 : I[a + 1]! < I[b + 1]!) break;
          pc += 6;
          continue;
        }
        case Reg.BrI64LeU: {
          const a = fp + code[pc + 1]!;
          const b = fp + code[pc + 2]!;
          if (I[a + 1] === I[b + 1] ? I[a]! >>> 0 <= I[b]! >>> 0 : I[a + 1]! >>> 0 < I[b + 1]! >>> 0) break;
          pc += 6;
          continue;
        }
        case Reg.BrI64Eqz: {
          const a = fp + code[pc + 1]!;
          if ((I[a]! | I[a + 1]!) === 0) break;
          pc += 6;
          continue;
        }
        case Reg.BrI64Nez: {
          const a = fp + code[pc + 1]!;
          if ((I[a]! | I[a + 1]!) !== 0) break;
          pc += 6;
          continue;
        }
        case Reg.BrF64Eq:
          if (D[(fp + code[pc + 1]!) >> 1]! === D[(fp + code[pc + 2]!) >> 1]!) break;
          pc += 6;
          continue;
        case Reg.BrF64Ne:
          if (D[(fp + code[pc + 1]!) >> 1]! !== D[(fp + code[pc + 2]!) >> 1]!) break;
          pc += 6;
          continue;
        case Reg.BrF64Lt:
          if (D[(fp + code[pc + 1]!) >> 1]! < D[(fp + code[pc + 2]!) >> 1]!) break;
          pc += 6;
          continue;
        case Reg.BrF64Le:
          if (D[(fp + code[pc + 1]!) >> 1]! <= D[(fp + code[pc + 2]!) >> 1]!) break;
          pc += 6;
          continue;
        case Reg.BrF64NotLt:
          if (!(D[(fp + code[pc + 1]!) >> 1]! < D[(fp + code[pc + 2]!) >> 1]!)) break;
          pc += 6;
          continue;
        case Reg.BrF64NotLe:
          if (!(D[(fp + code[pc + 1]!) >> 1]! <= D[(fp + code[pc + 2]!) >> 1]!)) break;
          pc += 6;
          continue;
        case Reg.BrTable: {
          const index = I[fp + code[pc + 1]!]! >>> 0;
          const count = code[pc + 2]!;
          // The chosen entry is made to look like a branch whose target stands at pc + 3.
          pc += (index < count ? index : count) * 3;
          break;
        }

        case Reg.Call:
          target = E[code[pc + 1]!]!;
          if (target === 0) {
            callee = code[pc + 1]!;
            exit = Exit.NeedsCode;
            break loop;
          }
          nfp = fp + code[pc + 2]!;
          P = code[pc + 3]!;
          returnPc = pc + 4;
          break call;
        case Reg.CallIndirect: {
          const index = I[fp + code[pc + 1]!]! >>> 0;
          if (index >= tableLength) {
            exit = Exit.TrapUndefinedElement;
            break loop;
          }
          callee = T[index]! - tableBias;
          // Null, an imported function, another instance's and another type: the driver's work.
          if (callee < 0 || callee >= types.length || types[callee] !== code[pc + 2]!) {
            exit = Exit.IndirectSlow;
            break loop;
          }
          target = E[callee]!;
          if (target === 0) {
            exit = Exit.NeedsCode;
            break loop;
          }
          nfp = fp + code[pc + 3]!;
          P = code[pc + 4]!;
          returnPc = pc + 5;
          break call;
        }
        case Reg.CallRef:
          callee = I[fp + code[pc + 1]!]! - instance.funcsAt;
          // Null, a function of another instance or of the host: the driver's work.
          if (callee < 0 || callee >= types.length) {
            exit = Exit.IndirectSlow;
            break loop;
          }
          target = E[callee]!;
          if (target === 0) {
            exit = Exit.NeedsCode;
            break loop;
          }
          nfp = fp + code[pc + 2]!;
          P = code[pc + 3]!;
          returnPc = pc + 4;
          break call;
        case Reg.CallImport:
          callee = code[pc + 1]!;
          nfp = fp + code[pc + 2]!;
          P = code[pc + 3]!;
          pc += 4;
          if (F <= P) {
            exit = Exit.CallImport;
            break loop;
          }
          x.pc = pc;
          x.fp = fp;
          x.fuel = F;
          x.position = P;
          x.callee = callee;
          x.argsAt = nfp;
          if (!callImport(x.run!)) return x.run!.importExit;
          F = x.fuel;
          // The host may have grown what is cached here, run guest code, and made instances.
          if (module.words !== code || instance.store.globalWords !== G) {
            exit = Exit.Reenter;
            break loop;
          }
          H = instance.store.heapWords;
          if (memory0 !== null) {
            M = memory0.view;
            mb = memory0.base;
            ml = memory0.byteLength;
          }
          T = table.items;
          tableBias = table.imageOf === null ? instance.funcsAt : 1;
          tableLength = table.length;
          continue;

        case Reg.Return: {
          const l = fp + code[pc + 1]!;
          P = I[l + Link.ReturnP]!;
          F = (F - code[pc + 2]! + P) | 0; // fuel
          pc = I[l]!;
          fp -= I[l + Link.CallerDistance]!;
          if (F <= P) break loop; // fuel
          continue;
        }
        case Reg.Return32: {
          const l = fp + code[pc + 1]!;
          P = I[l + Link.ReturnP]!;
          F = (F - code[pc + 2]! + P) | 0; // fuel
          const value = I[fp + code[pc + 3]!]!;
          pc = I[l]!;
          const distance = I[l + Link.CallerDistance]!;
          I[fp] = value;
          fp -= distance;
          if (F <= P) break loop; // fuel
          continue;
        }
        case Reg.Return64: {
          const l = fp + code[pc + 1]!;
          P = I[l + Link.ReturnP]!;
          F = (F - code[pc + 2]! + P) | 0; // fuel
          const a = fp + code[pc + 3]!;
          const low = I[a]!;
          const high = I[a + 1]!;
          pc = I[l]!;
          const distance = I[l + Link.CallerDistance]!;
          I[fp] = low;
          I[fp + 1] = high;
          fp -= distance;
          if (F <= P) break loop; // fuel
          continue;
        }
        case Reg.ReturnF64: {
          const l = fp + code[pc + 1]!;
          P = I[l + Link.ReturnP]!;
          F = (F - code[pc + 2]! + P) | 0; // fuel
          const value = D[(fp + code[pc + 3]!) >> 1]!;
          pc = I[l]!;
          const distance = I[l + Link.CallerDistance]!;
          D[fp >> 1] = value;
          fp -= distance;
          if (F <= P) break loop; // fuel
          continue;
        }
        case Reg.Unreachable:
          exit = Exit.TrapUnreachable;
          break loop;

        default: {
          if (code[pc]! >= Vec.First) {
            pc = vector(x, pc, fp, M, mb, ml);
            if (pc >= 0) continue;
            pc = ~pc;
            exit = Exit.TrapOutOfBounds;
            break loop;
          }
          x.pc = pc;
          x.fp = fp;
          x.fuel = F;
          if (code[pc]! < Reg.Aggregate) pc = slow(x);
          else {
            pc = aggregate(x);
            // The first object makes the heap.
            H = instance.store.heapWords;
          }
          F = x.fuel;
          if (pc < 0) {
            exit = ~pc;
            return exit;
          }
          fp = x.fp;
          if (memory0 !== null) {
            M = memory0.view;
            mb = memory0.base;
            ml = memory0.byteLength;
          }
          T = table.items;
          tableBias = table.imageOf === null ? instance.funcsAt : 1;
          tableLength = table.length;
          continue;
        }
      }

      // A taken branch.
      P = code[pc + 5]!; // fuel
      F = (F + code[pc + 4]!) | 0; // fuel
      pc = code[pc + 3]!;
      if (F <= P) break loop; // fuel
      continue;
    }

    // A call: `target` is the function's code, `nfp` its frame, P its caller's after the call.
    if (nfp + code[target - Head.Length + Head.FrameWords]! > limit) {
      exit = Exit.NeedsFrames;
      break;
    }
    const link = nfp + code[target - Head.Length]!;
    const locals = nfp + code[target - Head.Length + Head.ParamWords]!;
    if (link - locals > LOOPED_WORDS) I.fill(0, locals, link);
    else for (let k = locals; k < link; k++) I[k] = 0;
    I[link] = returnPc;
    I[link + Link.CallerDistance] = nfp - fp;
    I[link + Link.ReturnP] = P;
    F = (F - P) | 0; // fuel
    fp = nfp;
    pc = target;
    P = code[target - Head.Length + Head.EntryFuel]!; // fuel
    if (F <= P) break; // fuel
  }

  x.pc = pc;
  x.fp = fp;
  x.fuel = F;
  x.position = P;
  x.callee = callee;
  x.argsAt = nfp;
  return exit;
}
