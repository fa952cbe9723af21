/** Arithmetic of 8 and 16 bit lanes, one lane after the other, that the vector loop does not do in words. */

import { InternalError } from "../errors.ts";
import { Op } from "../opcodes.ts";
import type { Machine } from "./machine.ts";

/** `d`, `a` and `b` are word positions in the machine's frames; `d` may be an operand. */
export function lanewise(x: Machine, op: number, d: number, a: number, b: number): void {
  const { i8, i16 } = x.lanes;
  const d8 = d << 2;
  const a8 = a << 2;
  const b8 = b << 2;
  const d16 = d << 1;
  const a16 = a << 1;
  const b16 = b << 1;
  switch (op) {
    case Op.I8x16Popcnt:
      for (let k = d; k < d + 4; k++) {
        let v = x.words[a + k - d]!;
        v -= (v >>> 1) & 0x5555_5555;
        v = (v & 0x3333_3333) + ((v >>> 2) & 0x3333_3333);
        x.words[k] = (v + (v >>> 4)) & 0x0f0f_0f0f;
      }
      return;
    case Op.I8x16AddSatS:
      for (let k = 0; k < 16; k++) i8[d8 + k] = saturated8S(i8[a8 + k]! + i8[b8 + k]!);
      return;
    case Op.I8x16SubSatS:
      for (let k = 0; k < 16; k++) i8[d8 + k] = saturated8S(i8[a8 + k]! - i8[b8 + k]!);
      return;
    case Op.I16x8AddSatS:
      for (let k = 0; k < 8; k++) i16[d16 + k] = saturated16S(i16[a16 + k]! + i16[b16 + k]!);
      return;
    case Op.I16x8SubSatS:
      for (let k = 0; k < 8; k++) i16[d16 + k] = saturated16S(i16[a16 + k]! - i16[b16 + k]!);
      return;
    case Op.I16x8Q15mulrSatS:
      for (let k = 0; k < 8; k++) i16[d16 + k] = saturated16S((i16[a16 + k]! * i16[b16 + k]! + 0x4000) >> 15);
      return;
    default:
      throw new InternalError(`no instruction on lanes 0x${op.toString(16)}`);
  }
}

function saturated8S(value: number): number {
  return Math.max(Math.min(value, 0x7f), -0x80);
}

function saturated16S(value: number): number {
  return Math.max(Math.min(value, 0x7fff), -0x8000);
}
