/** Addresses of memory accesses that the hot loop leaves to slow.ts: any memory, 64 bits, exact bounds. */

import { Trap } from "../errors.ts";
import type { Memory } from "../runtime/memory.ts";
import { addressAt } from "./bulk.ts";
import type { Machine } from "./machine.ts";

/** The address at the operand plus the offset: a double, which rounds only where it is out of bounds anyway. */
export function effectiveAddress(
  x: Machine,
  operand: number,
  offsetLow: number,
  offsetHigh: number,
  memory: Memory,
): number {
  const base = addressAt(x, x.fp + operand, memory.isAddressed64);
  return base + (offsetHigh >>> 0) * 0x1_0000_0000 + (offsetLow >>> 0);
}

/** The place of `width` bytes in the memory's view. Throws `Trap` out of bounds. */
export function within(memory: Memory, address: number, width: number): number {
  if (address > memory.byteLength - width) throw new Trap("out of bounds memory access", `address ${address}`);
  return memory.base + address;
}
