/**
 * Vector instructions: a loop of its own that executes them as long as one follows another, so that
 * the way here is paid once. A vector is four words of the frame. Lanes of 8 and 16 bits are computed
 * several at once inside a word, by masks that keep carries from their neighbours; what is rarer, or
 * has no such form, is in simd-lanes.ts and simd-convert.ts. The same limit on bytecode holds as
 * for the hot loop.
 *
 * Every case reads all of its operands before it writes: the destination may be an operand.
 */

import { Vec } from "../lower/vector-code.ts";
import { Op } from "../opcodes.ts";
import type { Machine } from "./machine.ts";
import * as numeric from "./numeric.ts";
import { changeLanes } from "./simd-convert.ts";
import { lanewise } from "./simd-lanes.ts";
import { accessVector, extend8S, extend8U, VECTOR_WIDTHS } from "./simd-memory.ts";

/** The highest bit of each lane, the others, and the lowest bit. */
const H8 = 0x8080_8080 | 0;
const L8 = 0x7f7f_7f7f;
const ONES8 = 0x0101_0101;
const H16 = 0x8000_8000 | 0;
const L16 = 0x7fff_7fff;
const ONES16 = 0x0001_0001;
/** Gathers the lowest bits of four lanes in the highest four bits. */
const GATHER8 = 0x1020_4080;

const CANONICAL_F32 = numeric.F32_CANONICAL_NAN_BITS;
const CANONICAL_F64_HIGH = numeric.F64_CANONICAL_NAN_HIGH;

/** Makes every NaN among four f32 lanes canonical. */
function canonicalF32(words: Int32Array, d: number): void {
  for (let k = d; k < d + 4; k++) if ((words[k]! & 0x7fff_ffff) > 0x7f80_0000) words[k] = CANONICAL_F32;
}

/** The same for a f64 lane that is one. */
function canonicalF64(words: Int32Array, d: number): void {
  words[d] = 0;
  words[d + 1] = CANONICAL_F64_HIGH;
}

/**
 * Executes vector operations from `start` on, in the frame at `frame`. Returns the position of the first
 * operation that is none, or the complement of the position of one that is out of bounds. `M`, `mb`
 * and `ml` are the first memory's view, base and length.
 */
export function vector(x: Machine, start: number, frame: number, M: DataView, mb: number, ml: number): number {
  // Parameters are tagged values to V8, and these two are in use all the time.
  let pc = start | 0;
  const fp = frame | 0;
  const I = x.words;
  const S = x.floats;
  const D = x.doubles;
  const K = x.module.constants;
  const code = x.module.words;
  for (;;) {
    const op = code[pc]!;
    if (op < Vec.First) return pc;
    const d = fp + code[pc + 1]!;
    const a = fp + code[pc + 2]!;
    const b = fp + code[pc + 3]!;
    switch (op) {
      case Vec.Move: {
        const p = I[a]!;
        const q = I[a + 1]!;
        const r = I[a + 2]!;
        const s = I[a + 3]!;
        I[d] = p;
        I[d + 1] = q;
        I[d + 2] = r;
        I[d + 3] = s;
        pc += 3;
        continue;
      }
      case Op.V128Const:
        I[d] = code[pc + 2]!;
        I[d + 1] = code[pc + 3]!;
        I[d + 2] = code[pc + 4]!;
        I[d + 3] = code[pc + 5]!;
        pc += 6;
        continue;
      case Vec.Select: {
        const from = I[fp + code[pc + 4]!]! !== 0 ? a : b;
        const p = I[from]!;
        const q = I[from + 1]!;
        const r = I[from + 2]!;
        const s = I[from + 3]!;
        I[d] = p;
        I[d + 1] = q;
        I[d + 2] = r;
        I[d + 3] = s;
        pc += 5;
        continue;
      }

      // Memory.

      case Op.V128Load: {
        const ea = (I[a]! >>> 0) + (code[pc + 3]! >>> 0);
        if (ea > ml - 16) return ~pc;
        I[d] = M.getInt32(mb + ea, true);
        I[d + 1] = M.getInt32(mb + ea + 4, true);
        I[d + 2] = M.getInt32(mb + ea + 8, true);
        I[d + 3] = M.getInt32(mb + ea + 12, true);
        pc += 4;
        continue;
      }
      case Op.V128Load32Splat: {
        const ea = (I[a]! >>> 0) + (code[pc + 3]! >>> 0);
        if (ea > ml - 4) return ~pc;
        const p = M.getInt32(mb + ea, true);
        I[d] = p;
        I[d + 1] = p;
        I[d + 2] = p;
        I[d + 3] = p;
        pc += 4;
        continue;
      }
      case Op.V128Load64Splat: {
        const ea = (I[a]! >>> 0) + (code[pc + 3]! >>> 0);
        if (ea > ml - 8) return ~pc;
        const p = M.getInt32(mb + ea, true);
        const q = M.getInt32(mb + ea + 4, true);
        I[d] = p;
        I[d + 1] = q;
        I[d + 2] = p;
        I[d + 3] = q;
        pc += 4;
        continue;
      }
      case Op.V128Load32Zero: {
        const ea = (I[a]! >>> 0) + (code[pc + 3]! >>> 0);
        if (ea > ml - 4) return ~pc;
        I[d] = M.getInt32(mb + ea, true);
        I[d + 1] = 0;
        I[d + 2] = 0;
        I[d + 3] = 0;
        pc += 4;
        continue;
      }
      case Op.V128Load64Zero: {
        const ea = (I[a]! >>> 0) + (code[pc + 3]! >>> 0);
        if (ea > ml - 8) return ~pc;
        I[d] = M.getInt32(mb + ea, true);
        I[d + 1] = M.getInt32(mb + ea + 4, true);
        I[d + 2] = 0;
        I[d + 3] = 0;
        pc += 4;
        continue;
      }
      case Op.V128Load8x8S:
      case Op.V128Load8x8U:
      case Op.V128Load16x4S:
      case Op.V128Load16x4U:
      case Op.V128Load32x2S:
      case Op.V128Load32x2U:
      case Op.V128Load8Splat:
      case Op.V128Load16Splat: {
        const ea = (I[a]! >>> 0) + (code[pc + 3]! >>> 0);
        if (ea > ml - VECTOR_WIDTHS[op]!) return ~pc;
        accessVector(I, op, M, mb + ea, d, 0, 0);
        pc += 4;
        continue;
      }
      case Op.V128Load8Lane:
      case Op.V128Load16Lane:
      case Op.V128Load32Lane:
      case Op.V128Load64Lane: {
        const ea = (I[a]! >>> 0) + (code[pc + 4]! >>> 0);
        if (ea > ml - VECTOR_WIDTHS[op]!) return ~pc;
        accessVector(I, op, M, mb + ea, d, b, code[pc + 5]!);
        pc += 6;
        continue;
      }
      // Stores have no destination: their address stands first.
      case Op.V128Store: {
        const ea = (I[d]! >>> 0) + (code[pc + 3]! >>> 0);
        if (ea > ml - 16) return ~pc;
        M.setInt32(mb + ea, I[a]!, true);
        M.setInt32(mb + ea + 4, I[a + 1]!, true);
        M.setInt32(mb + ea + 8, I[a + 2]!, true);
        M.setInt32(mb + ea + 12, I[a + 3]!, true);
        pc += 5;
        continue;
      }
      case Op.V128Store8Lane:
      case Op.V128Store16Lane:
      case Op.V128Store32Lane:
      case Op.V128Store64Lane: {
        const ea = (I[d]! >>> 0) + (code[pc + 3]! >>> 0);
        if (ea > ml - VECTOR_WIDTHS[op]!) return ~pc;
        accessVector(I, op, M, mb + ea, 0, a, code[pc + 4]!);
        pc += 5;
        continue;
      }

      // Lanes moved.

      case Vec.Shuffle32: {
        const p = I[a]!;
        const q = I[b]!;
        const r = I[fp + code[pc + 4]!]!;
        const s = I[fp + code[pc + 5]!]!;
        I[d] = p;
        I[d + 1] = q;
        I[d + 2] = r;
        I[d + 3] = s;
        pc += 6;
        continue;
      }
      case Vec.Shuffle16: {
        const { u16 } = x.lanes;
        const at = fp << 1;
        const p = u16[at + code[pc + 2]!]! | (u16[at + code[pc + 3]!]! << 16);
        const q = u16[at + code[pc + 4]!]! | (u16[at + code[pc + 5]!]! << 16);
        const r = u16[at + code[pc + 6]!]! | (u16[at + code[pc + 7]!]! << 16);
        const s = u16[at + code[pc + 8]!]! | (u16[at + code[pc + 9]!]! << 16);
        I[d] = p;
        I[d + 1] = q;
        I[d + 2] = r;
        I[d + 3] = s;
        pc += 10;
        continue;
      }
      case Vec.Shuffle8: {
        const { u8 } = x.lanes;
        const at = fp << 2;
        const p = fourBytes(u8, at, code, pc + 2);
        const q = fourBytes(u8, at, code, pc + 6);
        const r = fourBytes(u8, at, code, pc + 10);
        const s = fourBytes(u8, at, code, pc + 14);
        I[d] = p;
        I[d + 1] = q;
        I[d + 2] = r;
        I[d + 3] = s;
        pc += 18;
        continue;
      }
      case Op.I8x16Swizzle: {
        const { u8 } = x.lanes;
        const at = a << 2;
        const p = swizzled(u8, at, I[b]!);
        const q = swizzled(u8, at, I[b + 1]!);
        const r = swizzled(u8, at, I[b + 2]!);
        const s = swizzled(u8, at, I[b + 3]!);
        I[d] = p;
        I[d + 1] = q;
        I[d + 2] = r;
        I[d + 3] = s;
        pc += 4;
        continue;
      }
      case Op.I8x16Splat:
      case Op.I16x8Splat:
      case Op.I32x4Splat: {
        const v = I[a]!;
        const p =
          op === Op.I32x4Splat ? v : op === Op.I16x8Splat ? (v & 0xffff) | (v << 16) : Math.imul(v & 0xff, ONES8);
        I[d] = p;
        I[d + 1] = p;
        I[d + 2] = p;
        I[d + 3] = p;
        pc += 3;
        continue;
      }
      case Op.I64x2Splat: {
        const p = I[a]!;
        const q = I[a + 1]!;
        I[d] = p;
        I[d + 1] = q;
        I[d + 2] = p;
        I[d + 3] = q;
        pc += 3;
        continue;
      }
      case Op.I8x16ExtractLaneS: {
        const lane = code[pc + 3]!;
        I[d] = (I[a + (lane >> 2)]! << (24 - ((lane & 3) << 3))) >> 24;
        pc += 4;
        continue;
      }
      case Op.I8x16ExtractLaneU: {
        const lane = code[pc + 3]!;
        I[d] = (I[a + (lane >> 2)]! >>> ((lane & 3) << 3)) & 0xff;
        pc += 4;
        continue;
      }
      case Op.I16x8ExtractLaneS: {
        const lane = code[pc + 3]!;
        I[d] = (I[a + (lane >> 1)]! << (16 - ((lane & 1) << 4))) >> 16;
        pc += 4;
        continue;
      }
      case Op.I16x8ExtractLaneU: {
        const lane = code[pc + 3]!;
        I[d] = (I[a + (lane >> 1)]! >>> ((lane & 1) << 4)) & 0xffff;
        pc += 4;
        continue;
      }
      case Op.I8x16ReplaceLane:
      case Op.I16x8ReplaceLane:
      case Op.I32x4ReplaceLane:
      case Op.I64x2ReplaceLane: {
        const lane = code[pc + 4]!;
        const low = I[b]!;
        const high = I[b + 1]!;
        if (d !== a) for (let k = 0; k < 4; k++) I[d + k] = I[a + k]!;
        if (op === Op.I32x4ReplaceLane) I[d + lane] = low;
        else if (op === Op.I64x2ReplaceLane) {
          I[d + lane * 2] = low;
          I[d + lane * 2 + 1] = high;
        } else if (op === Op.I16x8ReplaceLane) x.lanes.u16[(d << 1) + lane] = low;
        else x.lanes.u8[(d << 2) + lane] = low;
        pc += 5;
        continue;
      }

      // Bits.

      case Op.V128Not:
        for (let k = 0; k < 4; k++) I[d + k] = ~I[a + k]!;
        pc += 3;
        continue;
      case Op.V128And: {
        I[d] = I[a]! & I[b]!;
        I[d + 1] = I[a + 1]! & I[b + 1]!;
        I[d + 2] = I[a + 2]! & I[b + 2]!;
        I[d + 3] = I[a + 3]! & I[b + 3]!;
        pc += 4;
        continue;
      }
      case Op.V128Andnot:
        for (let k = 0; k < 4; k++) I[d + k] = I[a + k]! & ~I[b + k]!;
        pc += 4;
        continue;
      case Op.V128Or: {
        I[d] = I[a]! | I[b]!;
        I[d + 1] = I[a + 1]! | I[b + 1]!;
        I[d + 2] = I[a + 2]! | I[b + 2]!;
        I[d + 3] = I[a + 3]! | I[b + 3]!;
        pc += 4;
        continue;
      }
      case Op.V128Xor: {
        I[d] = I[a]! ^ I[b]!;
        I[d + 1] = I[a + 1]! ^ I[b + 1]!;
        I[d + 2] = I[a + 2]! ^ I[b + 2]!;
        I[d + 3] = I[a + 3]! ^ I[b + 3]!;
        pc += 4;
        continue;
      }
      // A constant that repeats one word.
      case Vec.AndK: {
        const v = code[pc + 3]!;
        for (let k = 0; k < 4; k++) I[d + k] = I[a + k]! & v;
        pc += 4;
        continue;
      }
      case Vec.OrK: {
        const v = code[pc + 3]!;
        for (let k = 0; k < 4; k++) I[d + k] = I[a + k]! | v;
        pc += 4;
        continue;
      }
      case Vec.XorK: {
        const v = code[pc + 3]!;
        for (let k = 0; k < 4; k++) I[d + k] = I[a + k]! ^ v;
        pc += 4;
        continue;
      }
      case Op.V128Bitselect: {
        const c = fp + code[pc + 4]!;
        for (let k = 0; k < 4; k++) {
          const v = I[b + k]!;
          I[d + k] = v ^ ((I[a + k]! ^ v) & I[c + k]!);
        }
        pc += 5;
        continue;
      }
      case Op.V128AnyTrue:
        I[d] = (I[a]! | I[a + 1]! | I[a + 2]! | I[a + 3]!) !== 0 ? 1 : 0;
        pc += 3;
        continue;
      case Op.I8x16AllTrue: {
        // Whether no lane is zero: a borrow out of a lane that has no high bit of its own.
        let zeros = 0;
        for (let k = 0; k < 4; k++) {
          const u = I[a + k]!;
          zeros |= ~(((u & L8) + L8) | u) & H8;
        }
        I[d] = zeros === 0 ? 1 : 0;
        pc += 3;
        continue;
      }
      case Op.I16x8AllTrue: {
        let zeros = 0;
        for (let k = 0; k < 4; k++) {
          const u = I[a + k]!;
          zeros |= ~(((u & L16) + L16) | u) & H16;
        }
        I[d] = zeros === 0 ? 1 : 0;
        pc += 3;
        continue;
      }
      case Op.I32x4AllTrue:
        I[d] = I[a]! !== 0 && I[a + 1]! !== 0 && I[a + 2]! !== 0 && I[a + 3]! !== 0 ? 1 : 0;
        pc += 3;
        continue;
      case Op.I64x2AllTrue:
        I[d] = (I[a]! | I[a + 1]!) !== 0 && (I[a + 2]! | I[a + 3]!) !== 0 ? 1 : 0;
        pc += 3;
        continue;
      case Op.I8x16Bitmask:
        I[d] =
          (Math.imul((I[a]! >>> 7) & ONES8, GATHER8) >>> 28) |
          ((Math.imul((I[a + 1]! >>> 7) & ONES8, GATHER8) >>> 28) << 4) |
          ((Math.imul((I[a + 2]! >>> 7) & ONES8, GATHER8) >>> 28) << 8) |
          ((Math.imul((I[a + 3]! >>> 7) & ONES8, GATHER8) >>> 28) << 12);
        pc += 3;
        continue;
      case Op.I16x8Bitmask: {
        let mask = 0;
        for (let k = 0; k < 4; k++) {
          const u = I[a + k]!;
          mask |= (((u >>> 15) & 1) | ((u >>> 31) << 1)) << (k * 2);
        }
        I[d] = mask;
        pc += 3;
        continue;
      }
      case Op.I32x4Bitmask:
        I[d] = (I[a]! >>> 31) | ((I[a + 1]! >>> 31) << 1) | ((I[a + 2]! >>> 31) << 2) | ((I[a + 3]! >>> 31) << 3);
        pc += 3;
        continue;
      case Op.I64x2Bitmask:
        I[d] = (I[a + 1]! >>> 31) | ((I[a + 3]! >>> 31) << 1);
        pc += 3;
        continue;

      // No vector, but what masks are counted with; here it costs less than in slow.ts.
      case Vec.I32Popcnt:
        I[d] = numeric.i32Popcnt(I[a]!);
        pc += 3;
        continue;

      // Lanes of 8 bits. A comparison finds the highest bit of each lane, and spreads it over the lane.

      case Op.I8x16Eq:
      case Op.I8x16Ne: {
        const flip = op === Op.I8x16Ne ? -1 : 0;
        for (let k = 0; k < 4; k++) {
          const u = I[a + k]! ^ I[b + k]!;
          const h = ~(((u & L8) + L8) | u) & H8;
          I[d + k] = ((h << 1) - (h >>> 7)) ^ flip;
        }
        pc += 4;
        continue;
      }
      case Op.I8x16LtS:
        for (let k = 0; k < 4; k++) {
          const u = I[a + k]!;
          const v = I[b + k]!;
          const h = ((u & ~v) | ~((u ^ v) | ((u | H8) - (v & L8)))) & H8;
          I[d + k] = (h << 1) - (h >>> 7);
        }
        pc += 4;
        continue;
      case Op.I8x16LtU:
        for (let k = 0; k < 4; k++) {
          const u = I[a + k]!;
          const v = I[b + k]!;
          const h = ((~u & v) | ~((u ^ v) | ((u | H8) - (v & L8)))) & H8;
          I[d + k] = (h << 1) - (h >>> 7);
        }
        pc += 4;
        continue;
      // a <= b is the opposite of b < a.
      case Op.I8x16LeS:
        for (let k = 0; k < 4; k++) {
          const u = I[b + k]!;
          const v = I[a + k]!;
          const h = ((u & ~v) | ~((u ^ v) | ((u | H8) - (v & L8)))) & H8;
          I[d + k] = ~((h << 1) - (h >>> 7));
        }
        pc += 4;
        continue;
      case Op.I8x16LeU:
        for (let k = 0; k < 4; k++) {
          const u = I[b + k]!;
          const v = I[a + k]!;
          const h = ((~u & v) | ~((u ^ v) | ((u | H8) - (v & L8)))) & H8;
          I[d + k] = ~((h << 1) - (h >>> 7));
        }
        pc += 4;
        continue;
      case Op.I8x16MinS:
      case Op.I8x16MaxS: {
        const flip = op === Op.I8x16MaxS ? -1 : 0;
        for (let k = 0; k < 4; k++) {
          const u = I[a + k]!;
          const v = I[b + k]!;
          const h = ((u & ~v) | ~((u ^ v) | ((u | H8) - (v & L8)))) & H8;
          I[d + k] = v ^ ((u ^ v) & (((h << 1) - (h >>> 7)) ^ flip));
        }
        pc += 4;
        continue;
      }
      case Op.I8x16MinU:
      case Op.I8x16MaxU: {
        const flip = op === Op.I8x16MaxU ? -1 : 0;
        for (let k = 0; k < 4; k++) {
          const u = I[a + k]!;
          const v = I[b + k]!;
          const h = ((~u & v) | ~((u ^ v) | ((u | H8) - (v & L8)))) & H8;
          I[d + k] = v ^ ((u ^ v) & (((h << 1) - (h >>> 7)) ^ flip));
        }
        pc += 4;
        continue;
      }
      case Op.I8x16Add:
        for (let k = 0; k < 4; k++) {
          const u = I[a + k]!;
          const v = I[b + k]!;
          I[d + k] = ((u & L8) + (v & L8)) ^ ((u ^ v) & H8);
        }
        pc += 4;
        continue;
      case Op.I8x16Sub:
        for (let k = 0; k < 4; k++) {
          const u = I[a + k]!;
          const v = I[b + k]!;
          I[d + k] = ((u | H8) - (v & L8)) ^ (~(u ^ v) & H8);
        }
        pc += 4;
        continue;
      case Op.I8x16Neg:
        for (let k = 0; k < 4; k++) {
          const v = I[a + k]!;
          I[d + k] = (H8 - (v & L8)) ^ (~v & H8);
        }
        pc += 3;
        continue;
      case Op.I8x16AddSatU:
        for (let k = 0; k < 4; k++) {
          const u = I[a + k]!;
          const v = I[b + k]!;
          const sum = ((u & L8) + (v & L8)) ^ ((u ^ v) & H8);
          const h = ((u & v) | ((u | v) & ~sum)) & H8;
          I[d + k] = sum | ((h << 1) - (h >>> 7));
        }
        pc += 4;
        continue;
      case Op.I8x16SubSatU:
        for (let k = 0; k < 4; k++) {
          const u = I[a + k]!;
          const v = I[b + k]!;
          const rest = (u | H8) - (v & L8);
          const h = ((~u & v) | ~((u ^ v) | rest)) & H8;
          I[d + k] = (rest ^ (~(u ^ v) & H8)) & ~((h << 1) - (h >>> 7));
        }
        pc += 4;
        continue;
      case Op.I8x16AvgrU:
        for (let k = 0; k < 4; k++) {
          const u = I[a + k]!;
          const v = I[b + k]!;
          I[d + k] = (u | v) - (((u ^ v) >>> 1) & L8);
        }
        pc += 4;
        continue;
      case Op.I8x16Abs:
        for (let k = 0; k < 4; k++) {
          const h = I[a + k]! & H8;
          const v = I[a + k]! ^ ((h << 1) - (h >>> 7));
          // Negative lanes are complemented, at most the largest positive number: adding one carries nowhere.
          I[d + k] = v + (h >>> 7);
        }
        pc += 3;
        continue;
      case Op.I8x16Shl:
      case Vec.I8x16ShlK: {
        const n = (op === Op.I8x16Shl ? I[b]! : code[pc + 3]!) & 7;
        const kept = Math.imul((0xff << n) & 0xff, ONES8);
        for (let k = 0; k < 4; k++) I[d + k] = (I[a + k]! << n) & kept;
        pc += 4;
        continue;
      }
      case Op.I8x16ShrU:
      case Vec.I8x16ShrUK: {
        const n = (op === Op.I8x16ShrU ? I[b]! : code[pc + 3]!) & 7;
        const kept = Math.imul(0xff >> n, ONES8);
        for (let k = 0; k < 4; k++) I[d + k] = (I[a + k]! >>> n) & kept;
        pc += 4;
        continue;
      }
      case Op.I8x16ShrS:
      case Vec.I8x16ShrSK: {
        const n = (op === Op.I8x16ShrS ? I[b]! : code[pc + 3]!) & 7;
        const kept = Math.imul(0xff >> n, ONES8);
        const sign = 0xff & ~(0xff >> n);
        for (let k = 0; k < 4; k++) {
          const u = I[a + k]!;
          I[d + k] = ((u >>> n) & kept) | Math.imul((u >>> 7) & ONES8, sign);
        }
        pc += 4;
        continue;
      }
      // The right operand is a constant that repeats one word.
      case Vec.I8x16EqK: {
        const v = code[pc + 3]!;
        for (let k = 0; k < 4; k++) {
          const u = I[a + k]! ^ v;
          const h = ~(((u & L8) + L8) | u) & H8;
          I[d + k] = (h << 1) - (h >>> 7);
        }
        pc += 4;
        continue;
      }
      case Vec.I8x16LtSK: {
        const v = code[pc + 3]!;
        for (let k = 0; k < 4; k++) {
          const u = I[a + k]!;
          const h = ((u & ~v) | ~((u ^ v) | ((u | H8) - (v & L8)))) & H8;
          I[d + k] = (h << 1) - (h >>> 7);
        }
        pc += 4;
        continue;
      }
      case Vec.I8x16LtUK: {
        const v = code[pc + 3]!;
        for (let k = 0; k < 4; k++) {
          const u = I[a + k]!;
          const h = ((~u & v) | ~((u ^ v) | ((u | H8) - (v & L8)))) & H8;
          I[d + k] = (h << 1) - (h >>> 7);
        }
        pc += 4;
        continue;
      }
      case Vec.I8x16GtSK: {
        const v = code[pc + 3]!;
        for (let k = 0; k < 4; k++) {
          const u = I[a + k]!;
          const h = ((v & ~u) | ~((u ^ v) | ((v | H8) - (u & L8)))) & H8;
          I[d + k] = (h << 1) - (h >>> 7);
        }
        pc += 4;
        continue;
      }
      case Vec.I8x16GtUK: {
        const v = code[pc + 3]!;
        for (let k = 0; k < 4; k++) {
          const u = I[a + k]!;
          const h = ((~v & u) | ~((u ^ v) | ((v | H8) - (u & L8)))) & H8;
          I[d + k] = (h << 1) - (h >>> 7);
        }
        pc += 4;
        continue;
      }
      case Vec.I8x16AddK: {
        const v = code[pc + 3]!;
        const low = v & L8;
        for (let k = 0; k < 4; k++) {
          const u = I[a + k]!;
          I[d + k] = ((u & L8) + low) ^ ((u ^ v) & H8);
        }
        pc += 4;
        continue;
      }

      // Lanes of 16 bits.

      case Op.I16x8Eq:
      case Op.I16x8Ne: {
        const flip = op === Op.I16x8Ne ? -1 : 0;
        for (let k = 0; k < 4; k++) {
          const u = I[a + k]! ^ I[b + k]!;
          const h = ~(((u & L16) + L16) | u) & H16;
          I[d + k] = ((h << 1) - (h >>> 15)) ^ flip;
        }
        pc += 4;
        continue;
      }
      case Op.I16x8LtS:
        for (let k = 0; k < 4; k++) {
          const u = I[a + k]!;
          const v = I[b + k]!;
          const h = ((u & ~v) | ~((u ^ v) | ((u | H16) - (v & L16)))) & H16;
          I[d + k] = (h << 1) - (h >>> 15);
        }
        pc += 4;
        continue;
      case Op.I16x8LtU:
        for (let k = 0; k < 4; k++) {
          const u = I[a + k]!;
          const v = I[b + k]!;
          const h = ((~u & v) | ~((u ^ v) | ((u | H16) - (v & L16)))) & H16;
          I[d + k] = (h << 1) - (h >>> 15);
        }
        pc += 4;
        continue;
      case Op.I16x8LeS:
        for (let k = 0; k < 4; k++) {
          const u = I[b + k]!;
          const v = I[a + k]!;
          const h = ((u & ~v) | ~((u ^ v) | ((u | H16) - (v & L16)))) & H16;
          I[d + k] = ~((h << 1) - (h >>> 15));
        }
        pc += 4;
        continue;
      case Op.I16x8LeU:
        for (let k = 0; k < 4; k++) {
          const u = I[b + k]!;
          const v = I[a + k]!;
          const h = ((~u & v) | ~((u ^ v) | ((u | H16) - (v & L16)))) & H16;
          I[d + k] = ~((h << 1) - (h >>> 15));
        }
        pc += 4;
        continue;
      case Op.I16x8MinS:
      case Op.I16x8MaxS: {
        const flip = op === Op.I16x8MaxS ? -1 : 0;
        for (let k = 0; k < 4; k++) {
          const u = I[a + k]!;
          const v = I[b + k]!;
          const h = ((u & ~v) | ~((u ^ v) | ((u | H16) - (v & L16)))) & H16;
          I[d + k] = v ^ ((u ^ v) & (((h << 1) - (h >>> 15)) ^ flip));
        }
        pc += 4;
        continue;
      }
      case Op.I16x8MinU:
      case Op.I16x8MaxU: {
        const flip = op === Op.I16x8MaxU ? -1 : 0;
        for (let k = 0; k < 4; k++) {
          const u = I[a + k]!;
          const v = I[b + k]!;
          const h = ((~u & v) | ~((u ^ v) | ((u | H16) - (v & L16)))) & H16;
          I[d + k] = v ^ ((u ^ v) & (((h << 1) - (h >>> 15)) ^ flip));
        }
        pc += 4;
        continue;
      }
      case Op.I16x8Add:
        for (let k = 0; k < 4; k++) {
          const u = I[a + k]!;
          const v = I[b + k]!;
          I[d + k] = ((u & L16) + (v & L16)) ^ ((u ^ v) & H16);
        }
        pc += 4;
        continue;
      case Op.I16x8Sub:
        for (let k = 0; k < 4; k++) {
          const u = I[a + k]!;
          const v = I[b + k]!;
          I[d + k] = ((u | H16) - (v & L16)) ^ (~(u ^ v) & H16);
        }
        pc += 4;
        continue;
      case Op.I16x8Neg:
        for (let k = 0; k < 4; k++) {
          const v = I[a + k]!;
          I[d + k] = (H16 - (v & L16)) ^ (~v & H16);
        }
        pc += 3;
        continue;
      case Op.I16x8Mul:
        for (let k = 0; k < 4; k++) {
          const u = I[a + k]!;
          const v = I[b + k]!;
          I[d + k] = (Math.imul(u, v) & 0xffff) | (Math.imul(u >>> 16, v >>> 16) << 16);
        }
        pc += 4;
        continue;
      case Op.I16x8AddSatU:
        for (let k = 0; k < 4; k++) {
          const u = I[a + k]!;
          const v = I[b + k]!;
          const sum = ((u & L16) + (v & L16)) ^ ((u ^ v) & H16);
          const h = ((u & v) | ((u | v) & ~sum)) & H16;
          I[d + k] = sum | ((h << 1) - (h >>> 15));
        }
        pc += 4;
        continue;
      case Op.I16x8SubSatU:
        for (let k = 0; k < 4; k++) {
          const u = I[a + k]!;
          const v = I[b + k]!;
          const rest = (u | H16) - (v & L16);
          const h = ((~u & v) | ~((u ^ v) | rest)) & H16;
          I[d + k] = (rest ^ (~(u ^ v) & H16)) & ~((h << 1) - (h >>> 15));
        }
        pc += 4;
        continue;
      case Op.I16x8AvgrU:
        for (let k = 0; k < 4; k++) {
          const u = I[a + k]!;
          const v = I[b + k]!;
          I[d + k] = (u | v) - (((u ^ v) >>> 1) & L16);
        }
        pc += 4;
        continue;
      case Op.I16x8Abs:
        for (let k = 0; k < 4; k++) {
          const h = I[a + k]! & H16;
          const v = I[a + k]! ^ ((h << 1) - (h >>> 15));
          // Negative lanes are complemented, at most the largest positive number: adding one carries nowhere.
          I[d + k] = v + (h >>> 15);
        }
        pc += 3;
        continue;
      case Op.I16x8Shl:
      case Vec.I16x8ShlK: {
        const n = (op === Op.I16x8Shl ? I[b]! : code[pc + 3]!) & 15;
        const kept = Math.imul((0xffff << n) & 0xffff, ONES16);
        for (let k = 0; k < 4; k++) I[d + k] = (I[a + k]! << n) & kept;
        pc += 4;
        continue;
      }
      case Op.I16x8ShrU:
      case Vec.I16x8ShrUK: {
        const n = (op === Op.I16x8ShrU ? I[b]! : code[pc + 3]!) & 15;
        const kept = Math.imul(0xffff >> n, ONES16);
        for (let k = 0; k < 4; k++) I[d + k] = (I[a + k]! >>> n) & kept;
        pc += 4;
        continue;
      }
      case Op.I16x8ShrS:
      case Vec.I16x8ShrSK: {
        const n = (op === Op.I16x8ShrS ? I[b]! : code[pc + 3]!) & 15;
        for (let k = 0; k < 4; k++) {
          const u = I[a + k]!;
          I[d + k] = (((u << 16) >> (16 + n)) & 0xffff) | ((u >> n) & -0x1_0000);
        }
        pc += 4;
        continue;
      }

      // Lanes of 32 bits. Comparisons leave in the highest bit what is spread: branches on random lanes are dear.

      case Op.I32x4Eq:
      case Op.I32x4Ne: {
        const flip = op === Op.I32x4Eq ? -1 : 0;
        for (let k = 0; k < 4; k++) {
          const u = I[a + k]! ^ I[b + k]!;
          I[d + k] = ((u | -u) >> 31) ^ flip;
        }
        pc += 4;
        continue;
      }
      case Op.I32x4LtS:
        for (let k = 0; k < 4; k++) {
          const u = I[a + k]!;
          const v = I[b + k]!;
          I[d + k] = ((u & ~v) | (~(u ^ v) & (u - v))) >> 31;
        }
        pc += 4;
        continue;
      case Op.I32x4LtU:
        for (let k = 0; k < 4; k++) {
          const u = I[a + k]!;
          const v = I[b + k]!;
          I[d + k] = ((~u & v) | (~(u ^ v) & (u - v))) >> 31;
        }
        pc += 4;
        continue;
      case Op.I32x4LeS:
        for (let k = 0; k < 4; k++) {
          const u = I[b + k]!;
          const v = I[a + k]!;
          I[d + k] = ~(((u & ~v) | (~(u ^ v) & (u - v))) >> 31);
        }
        pc += 4;
        continue;
      case Op.I32x4LeU:
        for (let k = 0; k < 4; k++) {
          const u = I[b + k]!;
          const v = I[a + k]!;
          I[d + k] = ~(((~u & v) | (~(u ^ v) & (u - v))) >> 31);
        }
        pc += 4;
        continue;
      case Op.I32x4MinS:
        for (let k = 0; k < 4; k++) I[d + k] = Math.min(I[a + k]!, I[b + k]!);
        pc += 4;
        continue;
      case Op.I32x4MaxS:
        for (let k = 0; k < 4; k++) I[d + k] = Math.max(I[a + k]!, I[b + k]!);
        pc += 4;
        continue;
      case Op.I32x4MinU:
        for (let k = 0; k < 4; k++) I[d + k] = Math.min(I[a + k]! >>> 0, I[b + k]! >>> 0);
        pc += 4;
        continue;
      case Op.I32x4MaxU:
        for (let k = 0; k < 4; k++) I[d + k] = Math.max(I[a + k]! >>> 0, I[b + k]! >>> 0);
        pc += 4;
        continue;
      case Op.I32x4Abs:
        for (let k = 0; k < 4; k++) {
          const sign = I[a + k]! >> 31;
          I[d + k] = (I[a + k]! ^ sign) - sign;
        }
        pc += 3;
        continue;
      case Op.I32x4Neg:
        for (let k = 0; k < 4; k++) I[d + k] = -I[a + k]! | 0;
        pc += 3;
        continue;
      case Op.I32x4Add:
        I[d] = (I[a]! + I[b]!) | 0;
        I[d + 1] = (I[a + 1]! + I[b + 1]!) | 0;
        I[d + 2] = (I[a + 2]! + I[b + 2]!) | 0;
        I[d + 3] = (I[a + 3]! + I[b + 3]!) | 0;
        pc += 4;
        continue;
      case Vec.I32x4AddK: {
        const v = code[pc + 3]!;
        for (let k = 0; k < 4; k++) I[d + k] = I[a + k]! + v;
        pc += 4;
        continue;
      }
      case Op.I32x4Sub:
        I[d] = (I[a]! - I[b]!) | 0;
        I[d + 1] = (I[a + 1]! - I[b + 1]!) | 0;
        I[d + 2] = (I[a + 2]! - I[b + 2]!) | 0;
        I[d + 3] = (I[a + 3]! - I[b + 3]!) | 0;
        pc += 4;
        continue;
      case Op.I32x4Mul:
        I[d] = Math.imul(I[a]!, I[b]!);
        I[d + 1] = Math.imul(I[a + 1]!, I[b + 1]!);
        I[d + 2] = Math.imul(I[a + 2]!, I[b + 2]!);
        I[d + 3] = Math.imul(I[a + 3]!, I[b + 3]!);
        pc += 4;
        continue;
      case Op.I32x4Shl:
      case Vec.I32x4ShlK: {
        const n = op === Op.I32x4Shl ? I[b]! : code[pc + 3]!;
        I[d] = I[a]! << n;
        I[d + 1] = I[a + 1]! << n;
        I[d + 2] = I[a + 2]! << n;
        I[d + 3] = I[a + 3]! << n;
        pc += 4;
        continue;
      }
      case Op.I32x4ShrS:
      case Vec.I32x4ShrSK: {
        const n = op === Op.I32x4ShrS ? I[b]! : code[pc + 3]!;
        I[d] = I[a]! >> n;
        I[d + 1] = I[a + 1]! >> n;
        I[d + 2] = I[a + 2]! >> n;
        I[d + 3] = I[a + 3]! >> n;
        pc += 4;
        continue;
      }
      case Op.I32x4ShrU:
      case Vec.I32x4ShrUK: {
        const n = op === Op.I32x4ShrU ? I[b]! : code[pc + 3]!;
        I[d] = I[a]! >>> n;
        I[d + 1] = I[a + 1]! >>> n;
        I[d + 2] = I[a + 2]! >>> n;
        I[d + 3] = I[a + 3]! >>> n;
        pc += 4;
        continue;
      }
      case Vec.I32x4RotlK: {
        const n = code[pc + 3]!;
        for (let k = 0; k < 4; k++) {
          const u = I[a + k]!;
          I[d + k] = (u << n) | (u >>> -n);
        }
        pc += 4;
        continue;
      }
      case Op.I32x4DotI16x8S:
        for (let k = 0; k < 4; k++) {
          const u = I[a + k]!;
          const v = I[b + k]!;
          I[d + k] = Math.imul((u << 16) >> 16, (v << 16) >> 16) + Math.imul(u >> 16, v >> 16);
        }
        pc += 4;
        continue;

      // Lanes of twice the width.

      case Op.I16x8ExtendLowI8x16S: {
        const u = I[a]!;
        const v = I[a + 1]!;
        I[d] = extend8S(u);
        I[d + 1] = extend8S(u >> 16);
        I[d + 2] = extend8S(v);
        I[d + 3] = extend8S(v >> 16);
        pc += 3;
        continue;
      }
      case Op.I16x8ExtendHighI8x16S: {
        const u = I[a + 2]!;
        const v = I[a + 3]!;
        I[d] = extend8S(u);
        I[d + 1] = extend8S(u >> 16);
        I[d + 2] = extend8S(v);
        I[d + 3] = extend8S(v >> 16);
        pc += 3;
        continue;
      }
      case Op.I16x8ExtendLowI8x16U: {
        const u = I[a]!;
        const v = I[a + 1]!;
        I[d] = extend8U(u);
        I[d + 1] = extend8U(u >>> 16);
        I[d + 2] = extend8U(v);
        I[d + 3] = extend8U(v >>> 16);
        pc += 3;
        continue;
      }
      case Op.I16x8ExtendHighI8x16U: {
        const u = I[a + 2]!;
        const v = I[a + 3]!;
        I[d] = extend8U(u);
        I[d + 1] = extend8U(u >>> 16);
        I[d + 2] = extend8U(v);
        I[d + 3] = extend8U(v >>> 16);
        pc += 3;
        continue;
      }
      case Op.I32x4ExtendLowI16x8S: {
        const u = I[a]!;
        const v = I[a + 1]!;
        I[d] = (u << 16) >> 16;
        I[d + 1] = u >> 16;
        I[d + 2] = (v << 16) >> 16;
        I[d + 3] = v >> 16;
        pc += 3;
        continue;
      }
      case Op.I32x4ExtendHighI16x8S: {
        const u = I[a + 2]!;
        const v = I[a + 3]!;
        I[d] = (u << 16) >> 16;
        I[d + 1] = u >> 16;
        I[d + 2] = (v << 16) >> 16;
        I[d + 3] = v >> 16;
        pc += 3;
        continue;
      }
      case Op.I32x4ExtendLowI16x8U: {
        const u = I[a]!;
        const v = I[a + 1]!;
        I[d] = u & 0xffff;
        I[d + 1] = u >>> 16;
        I[d + 2] = v & 0xffff;
        I[d + 3] = v >>> 16;
        pc += 3;
        continue;
      }
      case Op.I32x4ExtendHighI16x8U: {
        const u = I[a + 2]!;
        const v = I[a + 3]!;
        I[d] = u & 0xffff;
        I[d + 1] = u >>> 16;
        I[d + 2] = v & 0xffff;
        I[d + 3] = v >>> 16;
        pc += 3;
        continue;
      }

      // Lanes of 64 bits: pairs of words, the low one first.

      case Op.I64x2Eq:
      case Op.I64x2Ne: {
        const flip = op === Op.I64x2Eq ? -1 : 0;
        for (let k = 0; k < 4; k += 2) {
          const u = (I[a + k]! ^ I[b + k]!) | (I[a + k + 1]! ^ I[b + k + 1]!);
          const mask = ((u | -u) >> 31) ^ flip;
          I[d + k] = mask;
          I[d + k + 1] = mask;
        }
        pc += 4;
        continue;
      }
      case Op.I64x2LtS:
        for (let k = 0; k < 4; k += 2) {
          const high = I[a + k + 1]!;
          const other = I[b + k + 1]!;
          const mask = high < other || (high === other && I[a + k]! >>> 0 < I[b + k]! >>> 0) ? -1 : 0;
          I[d + k] = mask;
          I[d + k + 1] = mask;
        }
        pc += 4;
        continue;
      case Op.I64x2LeS:
        for (let k = 0; k < 4; k += 2) {
          const high = I[a + k + 1]!;
          const other = I[b + k + 1]!;
          const mask = high < other || (high === other && I[a + k]! >>> 0 <= I[b + k]! >>> 0) ? -1 : 0;
          I[d + k] = mask;
          I[d + k + 1] = mask;
        }
        pc += 4;
        continue;
      case Op.I64x2Add:
        for (let k = 0; k < 4; k += 2) {
          const u = I[a + k]!;
          const low = (u + I[b + k]!) | 0;
          I[d + k + 1] = I[a + k + 1]! + I[b + k + 1]! + (low >>> 0 < u >>> 0 ? 1 : 0);
          I[d + k] = low;
        }
        pc += 4;
        continue;
      case Op.I64x2Sub:
        for (let k = 0; k < 4; k += 2) {
          const u = I[a + k]!;
          const v = I[b + k]!;
          I[d + k + 1] = I[a + k + 1]! - I[b + k + 1]! - (u >>> 0 < v >>> 0 ? 1 : 0);
          I[d + k] = u - v;
        }
        pc += 4;
        continue;
      case Op.I64x2Mul:
        for (let k = 0; k < 4; k += 2) {
          I[d + k] = numeric.i64Mul(I[a + k]!, I[a + k + 1]!, I[b + k]!, I[b + k + 1]!);
          I[d + k + 1] = numeric.i64High[0]!;
        }
        pc += 4;
        continue;
      case Op.I64x2Neg:
        for (let k = 0; k < 4; k += 2) {
          const low = I[a + k]!;
          I[d + k + 1] = low === 0 ? -I[a + k + 1]! : ~I[a + k + 1]!;
          I[d + k] = -low;
        }
        pc += 3;
        continue;
      case Op.I64x2Abs:
        for (let k = 0; k < 4; k += 2) {
          const low = I[a + k]!;
          const high = I[a + k + 1]!;
          I[d + k + 1] = high >= 0 ? high : low === 0 ? -high : ~high;
          I[d + k] = high >= 0 ? low : -low;
        }
        pc += 3;
        continue;
      case Op.I64x2Shl:
      case Vec.I64x2ShlK: {
        const n = (op === Op.I64x2Shl ? I[b]! : code[pc + 3]!) & 63;
        for (let k = 0; k < 4; k += 2) {
          const low = I[a + k]!;
          const high = I[a + k + 1]!;
          // A shift by 31 - n and then by one more: `>>> 32` would not shift at all.
          I[d + k + 1] = n < 32 ? (high << n) | ((low >>> 1) >>> (31 - n)) : low << n;
          I[d + k] = n < 32 ? low << n : 0;
        }
        pc += 4;
        continue;
      }
      case Op.I64x2ShrU:
      case Vec.I64x2ShrUK: {
        const n = (op === Op.I64x2ShrU ? I[b]! : code[pc + 3]!) & 63;
        for (let k = 0; k < 4; k += 2) {
          const low = I[a + k]!;
          const high = I[a + k + 1]!;
          I[d + k] = n < 32 ? (low >>> n) | ((high << 1) << (31 - n)) : high >>> n;
          I[d + k + 1] = n < 32 ? high >>> n : 0;
        }
        pc += 4;
        continue;
      }
      case Op.I64x2ShrS:
      case Vec.I64x2ShrSK: {
        const n = (op === Op.I64x2ShrS ? I[b]! : code[pc + 3]!) & 63;
        for (let k = 0; k < 4; k += 2) {
          const low = I[a + k]!;
          const high = I[a + k + 1]!;
          I[d + k] = n < 32 ? (low >>> n) | ((high << 1) << (31 - n)) : high >> n;
          I[d + k + 1] = n < 32 ? high >> n : high >> 31;
        }
        pc += 4;
        continue;
      }

      // f32: computed in double precision and rounded once by the store, which is the same for one operation.
      // The sum of the results is NaN if one of them is.

      case Op.F32x4Add: {
        const p = S[a]! + S[b]!;
        const q = S[a + 1]! + S[b + 1]!;
        const r = S[a + 2]! + S[b + 2]!;
        const s = S[a + 3]! + S[b + 3]!;
        S[d] = p;
        S[d + 1] = q;
        S[d + 2] = r;
        S[d + 3] = s;
        const sum = p + q + r + s;
        if (sum !== sum) canonicalF32(I, d);
        pc += 4;
        continue;
      }
      case Op.F32x4Sub: {
        const p = S[a]! - S[b]!;
        const q = S[a + 1]! - S[b + 1]!;
        const r = S[a + 2]! - S[b + 2]!;
        const s = S[a + 3]! - S[b + 3]!;
        S[d] = p;
        S[d + 1] = q;
        S[d + 2] = r;
        S[d + 3] = s;
        const sum = p + q + r + s;
        if (sum !== sum) canonicalF32(I, d);
        pc += 4;
        continue;
      }
      case Op.F32x4Mul: {
        const p = S[a]! * S[b]!;
        const q = S[a + 1]! * S[b + 1]!;
        const r = S[a + 2]! * S[b + 2]!;
        const s = S[a + 3]! * S[b + 3]!;
        S[d] = p;
        S[d + 1] = q;
        S[d + 2] = r;
        S[d + 3] = s;
        const sum = p + q + r + s;
        if (sum !== sum) canonicalF32(I, d);
        pc += 4;
        continue;
      }
      case Op.F32x4Div: {
        const p = S[a]! / S[b]!;
        const q = S[a + 1]! / S[b + 1]!;
        const r = S[a + 2]! / S[b + 2]!;
        const s = S[a + 3]! / S[b + 3]!;
        S[d] = p;
        S[d + 1] = q;
        S[d + 2] = r;
        S[d + 3] = s;
        const sum = p + q + r + s;
        if (sum !== sum) canonicalF32(I, d);
        pc += 4;
        continue;
      }
      // Two instructions, rounded twice: a + (b op c), and the like.
      case Vec.F32x4AddAdd: {
        const c = fp + code[pc + 4]!;
        const p = S[a]! + Math.fround(S[b]! + S[c]!);
        const q = S[a + 1]! + Math.fround(S[b + 1]! + S[c + 1]!);
        const r = S[a + 2]! + Math.fround(S[b + 2]! + S[c + 2]!);
        const s = S[a + 3]! + Math.fround(S[b + 3]! + S[c + 3]!);
        S[d] = p;
        S[d + 1] = q;
        S[d + 2] = r;
        S[d + 3] = s;
        const sum = p + q + r + s;
        if (sum !== sum) canonicalF32(I, d);
        pc += 5;
        continue;
      }
      case Vec.F32x4AddSub: {
        const c = fp + code[pc + 4]!;
        const p = S[a]! + Math.fround(S[b]! - S[c]!);
        const q = S[a + 1]! + Math.fround(S[b + 1]! - S[c + 1]!);
        const r = S[a + 2]! + Math.fround(S[b + 2]! - S[c + 2]!);
        const s = S[a + 3]! + Math.fround(S[b + 3]! - S[c + 3]!);
        S[d] = p;
        S[d + 1] = q;
        S[d + 2] = r;
        S[d + 3] = s;
        const sum = p + q + r + s;
        if (sum !== sum) canonicalF32(I, d);
        pc += 5;
        continue;
      }
      case Vec.F32x4AddMul: {
        const c = fp + code[pc + 4]!;
        const p = S[a]! + Math.fround(S[b]! * S[c]!);
        const q = S[a + 1]! + Math.fround(S[b + 1]! * S[c + 1]!);
        const r = S[a + 2]! + Math.fround(S[b + 2]! * S[c + 2]!);
        const s = S[a + 3]! + Math.fround(S[b + 3]! * S[c + 3]!);
        S[d] = p;
        S[d + 1] = q;
        S[d + 2] = r;
        S[d + 3] = s;
        const sum = p + q + r + s;
        if (sum !== sum) canonicalF32(I, d);
        pc += 5;
        continue;
      }
      case Vec.F32x4SubMul: {
        const c = fp + code[pc + 4]!;
        const p = S[a]! - Math.fround(S[b]! * S[c]!);
        const q = S[a + 1]! - Math.fround(S[b + 1]! * S[c + 1]!);
        const r = S[a + 2]! - Math.fround(S[b + 2]! * S[c + 2]!);
        const s = S[a + 3]! - Math.fround(S[b + 3]! * S[c + 3]!);
        S[d] = p;
        S[d + 1] = q;
        S[d + 2] = r;
        S[d + 3] = s;
        const sum = p + q + r + s;
        if (sum !== sum) canonicalF32(I, d);
        pc += 5;
        continue;
      }
      case Vec.F32x4MulSub: {
        const c = fp + code[pc + 4]!;
        const p = Math.fround(S[b]! * S[c]!) - S[a]!;
        const q = Math.fround(S[b + 1]! * S[c + 1]!) - S[a + 1]!;
        const r = Math.fround(S[b + 2]! * S[c + 2]!) - S[a + 2]!;
        const s = Math.fround(S[b + 3]! * S[c + 3]!) - S[a + 3]!;
        S[d] = p;
        S[d + 1] = q;
        S[d + 2] = r;
        S[d + 3] = s;
        const sum = p + q + r + s;
        if (sum !== sum) canonicalF32(I, d);
        pc += 5;
        continue;
      }
      case Vec.F32x4AddK: {
        const v = K[code[pc + 3]!]!;
        const p = S[a]! + v;
        const q = S[a + 1]! + v;
        const r = S[a + 2]! + v;
        const s = S[a + 3]! + v;
        S[d] = p;
        S[d + 1] = q;
        S[d + 2] = r;
        S[d + 3] = s;
        const sum = p + q + r + s;
        if (sum !== sum) canonicalF32(I, d);
        pc += 4;
        continue;
      }
      case Vec.F32x4MulK: {
        const v = K[code[pc + 3]!]!;
        const p = S[a]! * v;
        const q = S[a + 1]! * v;
        const r = S[a + 2]! * v;
        const s = S[a + 3]! * v;
        S[d] = p;
        S[d + 1] = q;
        S[d + 2] = r;
        S[d + 3] = s;
        const sum = p + q + r + s;
        if (sum !== sum) canonicalF32(I, d);
        pc += 4;
        continue;
      }
      case Op.F32x4RelaxedMadd:
      case Op.F32x4RelaxedNmadd: {
        const c = fp + code[pc + 4]!;
        for (let k = 0; k < 4; k++) {
          const product = Math.fround(S[a + k]! * S[b + k]!);
          S[d + k] = S[c + k]! + (op === Op.F32x4RelaxedMadd ? product : -product);
        }
        canonicalF32(I, d);
        pc += 5;
        continue;
      }
      case Op.F32x4Sqrt:
        for (let k = 0; k < 4; k++) S[d + k] = Math.sqrt(S[a + k]!);
        canonicalF32(I, d);
        pc += 3;
        continue;
      case Op.F32x4Min:
        for (let k = 0; k < 4; k++) S[d + k] = Math.min(S[a + k]!, S[b + k]!);
        canonicalF32(I, d);
        pc += 4;
        continue;
      case Op.F32x4Max:
        for (let k = 0; k < 4; k++) S[d + k] = Math.max(S[a + k]!, S[b + k]!);
        canonicalF32(I, d);
        pc += 4;
        continue;
      // A choice between operands moves its bits.
      case Op.F32x4Pmin:
        for (let k = 0; k < 4; k++) I[d + k] = S[b + k]! < S[a + k]! ? I[b + k]! : I[a + k]!;
        pc += 4;
        continue;
      case Op.F32x4Pmax:
        for (let k = 0; k < 4; k++) I[d + k] = S[a + k]! < S[b + k]! ? I[b + k]! : I[a + k]!;
        pc += 4;
        continue;
      case Op.F32x4Abs:
        for (let k = 0; k < 4; k++) I[d + k] = I[a + k]! & 0x7fff_ffff;
        pc += 3;
        continue;
      case Op.F32x4Neg:
        for (let k = 0; k < 4; k++) I[d + k] = I[a + k]! ^ -0x8000_0000;
        pc += 3;
        continue;
      case Op.F32x4Eq:
        for (let k = 0; k < 4; k++) I[d + k] = S[a + k]! === S[b + k]! ? -1 : 0;
        pc += 4;
        continue;
      case Op.F32x4Ne:
        for (let k = 0; k < 4; k++) I[d + k] = S[a + k]! !== S[b + k]! ? -1 : 0;
        pc += 4;
        continue;
      case Op.F32x4Lt:
        for (let k = 0; k < 4; k++) I[d + k] = S[a + k]! < S[b + k]! ? -1 : 0;
        pc += 4;
        continue;
      case Op.F32x4Le:
        for (let k = 0; k < 4; k++) I[d + k] = S[a + k]! <= S[b + k]! ? -1 : 0;
        pc += 4;
        continue;
      case Vec.F32x4LtK: {
        const v = K[code[pc + 3]!]!;
        for (let k = 0; k < 4; k++) I[d + k] = S[a + k]! < v ? -1 : 0;
        pc += 4;
        continue;
      }
      case Vec.F32x4LeK: {
        const v = K[code[pc + 3]!]!;
        for (let k = 0; k < 4; k++) I[d + k] = S[a + k]! <= v ? -1 : 0;
        pc += 4;
        continue;
      }
      case Vec.F32x4GtK: {
        const v = K[code[pc + 3]!]!;
        for (let k = 0; k < 4; k++) I[d + k] = S[a + k]! > v ? -1 : 0;
        pc += 4;
        continue;
      }
      case Vec.F32x4GeK: {
        const v = K[code[pc + 3]!]!;
        for (let k = 0; k < 4; k++) I[d + k] = S[a + k]! >= v ? -1 : 0;
        pc += 4;
        continue;
      }
      case Op.F32x4Ceil:
        for (let k = 0; k < 4; k++) S[d + k] = Math.ceil(S[a + k]!);
        canonicalF32(I, d);
        pc += 3;
        continue;
      case Op.F32x4Floor:
        for (let k = 0; k < 4; k++) S[d + k] = Math.floor(S[a + k]!);
        canonicalF32(I, d);
        pc += 3;
        continue;
      case Op.F32x4Trunc:
        for (let k = 0; k < 4; k++) S[d + k] = Math.trunc(S[a + k]!);
        canonicalF32(I, d);
        pc += 3;
        continue;
      case Op.F32x4Nearest:
        for (let k = 0; k < 4; k++) S[d + k] = numeric.floatNearest(S[a + k]!);
        canonicalF32(I, d);
        pc += 3;
        continue;
      case Op.F32x4ConvertI32x4S:
        for (let k = 0; k < 4; k++) S[d + k] = I[a + k]!;
        pc += 3;
        continue;
      case Op.F32x4ConvertI32x4U:
        for (let k = 0; k < 4; k++) S[d + k] = I[a + k]! >>> 0;
        pc += 3;
        continue;
      case Op.I32x4TruncSatF32x4S:
        for (let k = 0; k < 4; k++) I[d + k] = numeric.i32TruncSatS(S[a + k]!);
        pc += 3;
        continue;
      case Op.I32x4TruncSatF32x4U:
        for (let k = 0; k < 4; k++) I[d + k] = numeric.i32TruncSatU(S[a + k]!);
        pc += 3;
        continue;

      // f64.

      case Op.F64x2Add: {
        const p = D[a >> 1]! + D[b >> 1]!;
        const q = D[(a >> 1) + 1]! + D[(b >> 1) + 1]!;
        D[d >> 1] = p;
        D[(d >> 1) + 1] = q;
        if (p !== p) canonicalF64(I, d);
        if (q !== q) canonicalF64(I, d + 2);
        pc += 4;
        continue;
      }
      case Op.F64x2Sub: {
        const p = D[a >> 1]! - D[b >> 1]!;
        const q = D[(a >> 1) + 1]! - D[(b >> 1) + 1]!;
        D[d >> 1] = p;
        D[(d >> 1) + 1] = q;
        if (p !== p) canonicalF64(I, d);
        if (q !== q) canonicalF64(I, d + 2);
        pc += 4;
        continue;
      }
      case Op.F64x2Mul: {
        const p = D[a >> 1]! * D[b >> 1]!;
        const q = D[(a >> 1) + 1]! * D[(b >> 1) + 1]!;
        D[d >> 1] = p;
        D[(d >> 1) + 1] = q;
        if (p !== p) canonicalF64(I, d);
        if (q !== q) canonicalF64(I, d + 2);
        pc += 4;
        continue;
      }
      case Op.F64x2Div: {
        const p = D[a >> 1]! / D[b >> 1]!;
        const q = D[(a >> 1) + 1]! / D[(b >> 1) + 1]!;
        D[d >> 1] = p;
        D[(d >> 1) + 1] = q;
        if (p !== p) canonicalF64(I, d);
        if (q !== q) canonicalF64(I, d + 2);
        pc += 4;
        continue;
      }
      case Op.F64x2RelaxedMadd:
      case Op.F64x2RelaxedNmadd: {
        const c = fp + code[pc + 4]!;
        for (let k = 0; k < 4; k += 2) {
          const product = D[(a + k) >> 1]! * D[(b + k) >> 1]!;
          const p = D[(c + k) >> 1]! + (op === Op.F64x2RelaxedMadd ? product : -product);
          D[(d + k) >> 1] = p;
          if (p !== p) canonicalF64(I, d + k);
        }
        pc += 5;
        continue;
      }
      case Op.F64x2Sqrt:
        for (let k = 0; k < 4; k += 2) {
          const p = Math.sqrt(D[(a + k) >> 1]!);
          D[(d + k) >> 1] = p;
          if (p !== p) canonicalF64(I, d + k);
        }
        pc += 3;
        continue;
      case Op.F64x2Min:
        for (let k = 0; k < 4; k += 2) {
          const p = Math.min(D[(a + k) >> 1]!, D[(b + k) >> 1]!);
          D[(d + k) >> 1] = p;
          if (p !== p) canonicalF64(I, d + k);
        }
        pc += 4;
        continue;
      case Op.F64x2Max:
        for (let k = 0; k < 4; k += 2) {
          const p = Math.max(D[(a + k) >> 1]!, D[(b + k) >> 1]!);
          D[(d + k) >> 1] = p;
          if (p !== p) canonicalF64(I, d + k);
        }
        pc += 4;
        continue;
      case Op.F64x2Pmin:
        for (let k = 0; k < 4; k += 2) {
          const from = D[(b + k) >> 1]! < D[(a + k) >> 1]! ? b : a;
          I[d + k] = I[from + k]!;
          I[d + k + 1] = I[from + k + 1]!;
        }
        pc += 4;
        continue;
      case Op.F64x2Pmax:
        for (let k = 0; k < 4; k += 2) {
          const from = D[(a + k) >> 1]! < D[(b + k) >> 1]! ? b : a;
          I[d + k] = I[from + k]!;
          I[d + k + 1] = I[from + k + 1]!;
        }
        pc += 4;
        continue;
      case Op.F64x2Abs:
      case Op.F64x2Neg: {
        const kept = op === Op.F64x2Abs ? 0x7fff_ffff : -1;
        const flip = op === Op.F64x2Neg ? -0x8000_0000 : 0;
        for (let k = 0; k < 4; k += 2) {
          I[d + k] = I[a + k]!;
          I[d + k + 1] = (I[a + k + 1]! & kept) ^ flip;
        }
        pc += 3;
        continue;
      }
      case Op.F64x2Eq:
        for (let k = 0; k < 4; k += 2) {
          const mask = D[(a + k) >> 1]! === D[(b + k) >> 1]! ? -1 : 0;
          I[d + k] = mask;
          I[d + k + 1] = mask;
        }
        pc += 4;
        continue;
      case Op.F64x2Ne:
        for (let k = 0; k < 4; k += 2) {
          const mask = D[(a + k) >> 1]! !== D[(b + k) >> 1]! ? -1 : 0;
          I[d + k] = mask;
          I[d + k + 1] = mask;
        }
        pc += 4;
        continue;
      case Op.F64x2Lt:
        for (let k = 0; k < 4; k += 2) {
          const mask = D[(a + k) >> 1]! < D[(b + k) >> 1]! ? -1 : 0;
          I[d + k] = mask;
          I[d + k + 1] = mask;
        }
        pc += 4;
        continue;
      case Op.F64x2Le:
        for (let k = 0; k < 4; k += 2) {
          const mask = D[(a + k) >> 1]! <= D[(b + k) >> 1]! ? -1 : 0;
          I[d + k] = mask;
          I[d + k + 1] = mask;
        }
        pc += 4;
        continue;
      case Op.F64x2Ceil:
      case Op.F64x2Floor:
      case Op.F64x2Trunc:
      case Op.F64x2Nearest:
        for (let k = 0; k < 4; k += 2) {
          const p = rounded(op, D[(a + k) >> 1]!);
          D[(d + k) >> 1] = p;
          if (p !== p) canonicalF64(I, d + k);
        }
        pc += 3;
        continue;

      case Op.I8x16Popcnt:
        lanewise(x, op, d, a, a);
        pc += 3;
        continue;
      case Op.I8x16AddSatS:
      case Op.I8x16SubSatS:
      case Op.I16x8AddSatS:
      case Op.I16x8SubSatS:
      case Op.I16x8Q15mulrSatS:
        lanewise(x, op, d, a, b);
        pc += 4;
        continue;
      default:
        pc += changeLanes(x, op, d, a, b, fp + code[pc + 4]!);
    }
  }
}

function fourBytes(bytes: Uint8Array, base: number, code: Int32Array, at: number): number {
  return (
    bytes[base + code[at]!]! |
    (bytes[base + code[at + 1]!]! << 8) |
    (bytes[base + code[at + 2]!]! << 16) |
    (bytes[base + code[at + 3]!]! << 24)
  );
}

/** Four bytes of the vector at `at`, by the four indices in a word; an index beyond it gives 0. */
function swizzled(bytes: Uint8Array, at: number, indices: number): number {
  let word = 0;
  for (let shift = 0; shift < 32; shift += 8) {
    const index = (indices >>> shift) & 0xff;
    if (index < 16) word |= bytes[at + index]! << shift;
  }
  return word;
}

function rounded(op: number, value: number): number {
  switch (op) {
    case Op.F64x2Ceil:
      return Math.ceil(value);
    case Op.F64x2Floor:
      return Math.floor(value);
    case Op.F64x2Trunc:
      return Math.trunc(value);
    default:
      return numeric.floatNearest(value);
  }
}
