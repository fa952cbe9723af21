/** Memory accesses of vectors that the vector loop has not written out itself; bounds are checked before. */

import { InternalError } from "../errors.ts";
import { INSTRUCTION_BY_NUMBER, Op } from "../opcodes.ts";

/** Bytes that each access touches, by instruction. */
export const VECTOR_WIDTHS = Uint8Array.from(INSTRUCTION_BY_NUMBER, (instruction) => instruction?.width ?? 0);

/**
 * Loads to the vector at word `d`, or stores the one at word `a`. `at` is the place in the view. A
 * load into a lane takes the other lanes from the vector at `a`.
 */
export function accessVector(
  words: Int32Array,
  op: number,
  view: DataView,
  at: number,
  d: number,
  a: number,
  lane: number,
): void {
  switch (op) {
    case Op.V128Load:
      set(words, d, word(view, at), word(view, at + 4), word(view, at + 8), word(view, at + 12));
      return;
    case Op.V128Load8x8S: {
      const low = word(view, at);
      const high = word(view, at + 4);
      set(words, d, extend8S(low), extend8S(low >> 16), extend8S(high), extend8S(high >> 16));
      return;
    }
    case Op.V128Load8x8U: {
      const low = word(view, at);
      const high = word(view, at + 4);
      set(words, d, extend8U(low), extend8U(low >>> 16), extend8U(high), extend8U(high >>> 16));
      return;
    }
    case Op.V128Load16x4S: {
      const low = word(view, at);
      const high = word(view, at + 4);
      set(words, d, (low << 16) >> 16, low >> 16, (high << 16) >> 16, high >> 16);
      return;
    }
    case Op.V128Load16x4U: {
      const low = word(view, at);
      const high = word(view, at + 4);
      set(words, d, low & 0xffff, low >>> 16, high & 0xffff, high >>> 16);
      return;
    }
    case Op.V128Load32x2S: {
      const low = word(view, at);
      const high = word(view, at + 4);
      set(words, d, low, low >> 31, high, high >> 31);
      return;
    }
    case Op.V128Load32x2U:
      set(words, d, word(view, at), 0, word(view, at + 4), 0);
      return;
    case Op.V128Load8Splat: {
      const v = Math.imul(view.getUint8(at), 0x0101_0101);
      set(words, d, v, v, v, v);
      return;
    }
    case Op.V128Load16Splat: {
      const v = Math.imul(view.getUint16(at, true), 0x0001_0001);
      set(words, d, v, v, v, v);
      return;
    }
    case Op.V128Load32Splat: {
      const v = word(view, at);
      set(words, d, v, v, v, v);
      return;
    }
    case Op.V128Load64Splat: {
      const low = word(view, at);
      const high = word(view, at + 4);
      set(words, d, low, high, low, high);
      return;
    }
    case Op.V128Load32Zero:
      set(words, d, word(view, at), 0, 0, 0);
      return;
    case Op.V128Load64Zero:
      set(words, d, word(view, at), word(view, at + 4), 0, 0);
      return;
    case Op.V128Load8Lane:
    case Op.V128Load16Lane:
    case Op.V128Load32Lane:
    case Op.V128Load64Lane:
      loadLane(words, op, view, at, d, a, lane);
      return;
    case Op.V128Store:
      for (let k = 0; k < 4; k++) view.setInt32(at + 4 * k, words[a + k]!, true);
      return;
    case Op.V128Store8Lane:
      view.setInt8(at, words[a + (lane >> 2)]! >> ((lane & 3) << 3));
      return;
    case Op.V128Store16Lane:
      view.setInt16(at, words[a + (lane >> 1)]! >> ((lane & 1) << 4), true);
      return;
    case Op.V128Store32Lane:
      view.setInt32(at, words[a + lane]!, true);
      return;
    case Op.V128Store64Lane:
      view.setInt32(at, words[a + 2 * lane]!, true);
      view.setInt32(at + 4, words[a + 2 * lane + 1]!, true);
      return;
    default:
      throw new InternalError(`no vector access 0x${op.toString(16)}`);
  }
}

/** The address stands below the vector, so the destination overlaps with it in part. */
function loadLane(words: Int32Array, op: number, view: DataView, at: number, d: number, a: number, lane: number): void {
  words.copyWithin(d, a, a + 4);
  switch (op) {
    case Op.V128Load8Lane:
      setPart(words, d + (lane >> 2), (lane & 3) << 3, 0xff, view.getUint8(at));
      return;
    case Op.V128Load16Lane:
      setPart(words, d + (lane >> 1), (lane & 1) << 4, 0xffff, view.getUint16(at, true));
      return;
    case Op.V128Load32Lane:
      words[d + lane] = word(view, at);
      return;
    default:
      words[d + 2 * lane] = word(view, at);
      words[d + 2 * lane + 1] = word(view, at + 4);
  }
}

function setPart(words: Int32Array, at: number, shift: number, mask: number, value: number): void {
  words[at] = (words[at]! & ~(mask << shift)) | (value << shift);
}

function word(view: DataView, at: number): number {
  return view.getInt32(at, true);
}

function set(words: Int32Array, d: number, p: number, q: number, r: number, s: number): void {
  words[d] = p;
  words[d + 1] = q;
  words[d + 2] = r;
  words[d + 3] = s;
}

/** The two lowest bytes of a word as two half words. */
export function extend8S(value: number): number {
  return (((value << 24) >> 24) & 0xffff) | (((value << 16) >> 24) << 16);
}

export function extend8U(value: number): number {
  return (value & 0xff) | ((value & 0xff00) << 8);
}
