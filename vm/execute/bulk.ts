/**
 * Bulk operations and growth (spec: exec-memory-copy and its like). Their operands stand in slots;
 * what is done is taken off there, so a pause in the middle is nothing but the same position again.
 * Fuel is paid per block counted from the start, so the total does not depend on pauses. The whole
 * range is checked first, which holds until the end, since memories and tables never shrink.
 * Each function returns false when it paused.
 */

import { Trap } from "../errors.ts";
import { BULK_BLOCK_BYTES, PAGE_BYTES } from "../limits.ts";
import type { Memory } from "../runtime/memory.ts";
import type { Table } from "../runtime/table.ts";
import type { Machine } from "./machine.ts";

/** Bytes that one fuel moves. */
const BYTES_PER_FUEL = 64;
/** Elements that one fuel moves, and those of one block. */
const ELEMENTS_PER_FUEL = 8;
const BLOCK_ELEMENTS = BULK_BLOCK_BYTES / 8;
/** Bytes and elements that growth pays for at once, so that debts stay small. */
const GROWTH_BLOCK_BYTES = 64 * PAGE_BYTES;
const GROWTH_BLOCK_ELEMENTS = 65_536;

/** An unsigned address from a slot: of 64 bits as a double, which rounds only where it is out of bounds anyway. */
export function addressAt(x: Machine, at: number, is64: boolean): number {
  const low = x.words[at]! >>> 0;
  return is64 ? (x.words[at + 1]! >>> 0) * 0x1_0000_0000 + low : low;
}

export function setAddress(x: Machine, at: number, value: number, is64: boolean): void {
  x.words[at] = value;
  if (is64) x.words[at + 1] = Math.floor(value / 0x1_0000_0000);
}

/** Pays for a block; true if there is fuel to go on. The operation's fixed price is paid when it is done. */
export function pay(x: Machine, fuel: number, position: number): boolean {
  x.fuel = (x.fuel - fuel) | 0;
  x.position = position;
  return x.fuel > position;
}

function setCount(x: Machine, at: number, value: number, is64: boolean): void {
  x.words[at] = value;
  if (is64) x.words[at + 1] = 0;
}

function checkRange(memory: Memory, address: number, length: number): void {
  if (address + length > memory.byteLength) {
    throw new Trap("out of bounds memory access", `${length} bytes at address ${address}`);
  }
}

export function memoryFill(x: Machine, at: number, memory: Memory, position: number): boolean {
  const { isAddressed64 } = memory;
  let address = addressAt(x, at, isAddressed64);
  let length = addressAt(x, at + 4, isAddressed64);
  const value = x.words[at + 2]!;
  checkRange(memory, address, length);
  while (length > 0) {
    const block = Math.min(length, BULK_BLOCK_BYTES);
    memory.fill(address, value, block);
    address += block;
    length -= block;
    if (!pay(x, Math.ceil(block / BYTES_PER_FUEL), position) && length > 0) {
      setCount(x, at, address, isAddressed64);
      setCount(x, at + 4, length, isAddressed64);
      return false;
    }
  }
  return true;
}

export function memoryCopy(x: Machine, at: number, target: Memory, source: Memory, position: number): boolean {
  const is64 = target.isAddressed64 && source.isAddressed64;
  let to = addressAt(x, at, target.isAddressed64);
  let from = addressAt(x, at + 2, source.isAddressed64);
  let length = addressAt(x, at + 4, is64);
  checkRange(target, to, length);
  checkRange(source, from, length);
  // Overlapping ranges are copied from the end that is not overwritten first.
  const backwards = target === source && from < to;
  while (length > 0) {
    const block = Math.min(length, BULK_BLOCK_BYTES);
    const skip = backwards ? length - block : 0;
    target.copyFrom(source, to + skip, from + skip, block);
    if (!backwards) {
      to += block;
      from += block;
    }
    length -= block;
    if (!pay(x, Math.ceil(block / BYTES_PER_FUEL), position) && length > 0) {
      setCount(x, at, to, target.isAddressed64);
      setCount(x, at + 2, from, source.isAddressed64);
      setCount(x, at + 4, length, is64);
      return false;
    }
  }
  return true;
}

export function memoryInit(x: Machine, at: number, segment: number, memory: Memory, position: number): boolean {
  const instance = x.instance!;
  const { data } = instance.module;
  const { start } = data.data[segment]!;
  let to = addressAt(x, at, memory.isAddressed64);
  let from = x.words[at + 2]! >>> 0;
  let length = x.words[at + 4]! >>> 0;
  checkRange(memory, to, length);
  if (from + length > instance.segments.dataByteLength(segment))
    throw new Trap("out of bounds memory access", `${length} bytes of data segment ${segment}`);
  while (length > 0) {
    const block = Math.min(length, BULK_BLOCK_BYTES);
    memory.write(to, data.bytes.subarray(start + from, start + from + block));
    to += block;
    from += block;
    length -= block;
    if (!pay(x, Math.ceil(block / BYTES_PER_FUEL), position) && length > 0) {
      setCount(x, at, to, memory.isAddressed64);
      x.words[at + 2] = from;
      x.words[at + 4] = length;
      return false;
    }
  }
  return true;
}

export function memoryGrow(x: Machine, at: number, memory: Memory, position: number): boolean {
  const { pageBytes, isAddressed64 } = memory;
  // Bytes have to be zeroed, now or when they are touched.
  const isDone = growth(x, at, isAddressed64, position, GROWTH_BLOCK_BYTES / pageBytes, pageBytes / BYTES_PER_FUEL, {
    mayGrow: (count) => memory.mayGrow(count),
    prepare: (count) => memory.prepareGrowth(count),
    grow: (count) => memory.grow(count),
  });
  // Refused, while it moves for another growth: guest code goes on.
  if (isDone) memory.finishMove();
  x.growing = isDone ? null : memory;
  return isDone;
}

export function tableGrow(x: Machine, at: number, table: Table, position: number): boolean {
  const handle = x.words[at]!;
  const countAt = at + 2;
  const finished = growth(x, countAt, table.isAddressed64, position, GROWTH_BLOCK_ELEMENTS, 1 / ELEMENTS_PER_FUEL, {
    mayGrow: (count) => table.mayGrow(count),
    prepare(count) {
      const growth = table.prepareGrowth(count, handle, x.tableGrowth);
      x.tableGrowth = growth;
      return growth === null || growth.filled >= table.length + count;
    },
    grow: (count) => table.growHandles(count, handle, x.tableGrowth),
  });
  if (finished) {
    x.dropGrowth();
    x.words[at] = x.words[countAt]!;
    x.words[at + 1] = x.words[countAt + 1]!;
  }
  return finished;
}

interface Growable {
  mayGrow(count: number): boolean;
  /** Does a part of the work; false while there is more. It costs no fuel: how much it is depends on the host. */
  prepare(count: number): boolean;
  grow(count: number): number;
}

/**
 * Pays for growth block by block and then grows; the result replaces the count. While it is paused,
 * what has been paid for stands in the count's high word; a count of more than 32 bits cannot succeed.
 */
function growth(
  x: Machine,
  at: number,
  is64: boolean,
  position: number,
  block: number,
  price: number,
  target: Growable,
): boolean {
  const { words } = x;
  const count = words[at]! >>> 0;
  const high = words[at + 1]!;
  let paid = x.isInsideBulk ? high >>> 0 : 0;
  const isTooLarge = is64 && !x.isInsideBulk && high !== 0;
  x.isInsideBulk = false;
  if (isTooLarge || !target.mayGrow(count)) {
    setAddress(x, at, -1, is64);
    return true;
  }
  while (paid < count) {
    const part = Math.min(count - paid, block);
    paid += part;
    if (!pay(x, Math.ceil(part * price), position) && paid < count) {
      words[at + 1] = paid;
      x.isInsideBulk = true;
      return false;
    }
  }
  x.position = position;
  if (!target.prepare(count)) {
    words[at + 1] = paid;
    x.isInsideBulk = true;
    return false;
  }
  setAddress(x, at, target.grow(count), is64);
  return true;
}

export function tableFill(x: Machine, at: number, table: Table, position: number): boolean {
  const { isAddressed64 } = table;
  let index = addressAt(x, at, isAddressed64);
  const handle = x.words[at + 2]!;
  let count = addressAt(x, at + 4, isAddressed64);
  table.check(index, count);
  while (count > 0) {
    table.own();
    const block = Math.min(count, BLOCK_ELEMENTS);
    table.items.fill(handle, index, index + block);
    index += block;
    count -= block;
    if (!pay(x, Math.ceil(block / ELEMENTS_PER_FUEL), position) && count > 0) {
      setCount(x, at, index, isAddressed64);
      setCount(x, at + 4, count, isAddressed64);
      return false;
    }
  }
  return true;
}

export function tableCopy(x: Machine, at: number, target: Table, source: Table, position: number): boolean {
  const is64 = target.isAddressed64 && source.isAddressed64;
  let to = addressAt(x, at, target.isAddressed64);
  let from = addressAt(x, at + 2, source.isAddressed64);
  let count = addressAt(x, at + 4, is64);
  target.check(to, count);
  source.check(from, count);
  const backwards = target === source && from < to;
  while (count > 0) {
    target.own();
    source.own();
    const block = Math.min(count, BLOCK_ELEMENTS);
    const skip = backwards ? count - block : 0;
    if (target === source) target.items.copyWithin(to + skip, from + skip, from + skip + block);
    else target.items.set(source.items.subarray(from + skip, from + skip + block), to + skip);
    if (!backwards) {
      to += block;
      from += block;
    }
    count -= block;
    if (!pay(x, Math.ceil(block / ELEMENTS_PER_FUEL), position) && count > 0) {
      setCount(x, at, to, target.isAddressed64);
      setCount(x, at + 2, from, source.isAddressed64);
      setCount(x, at + 4, count, is64);
      return false;
    }
  }
  return true;
}

export function tableInit(x: Machine, at: number, segment: number, table: Table, position: number): boolean {
  const instance = x.instance!;
  let to = addressAt(x, at, table.isAddressed64);
  let from = x.words[at + 2]! >>> 0;
  let count = x.words[at + 4]! >>> 0;
  const { items } = instance.module.data.elements[segment]!;
  const size = instance.segments.elementCount(segment);
  table.check(to, count);
  if (from + count > size) throw new Trap("out of bounds table access", `${count} elements of segment ${segment}`);
  while (count > 0) {
    table.own();
    const block = Math.min(count, BLOCK_ELEMENTS);
    if (items.kind === "funcs") {
      for (let i = 0; i < block; i++) table.items[to + i] = instance.funcAddress(items.indices[from + i]!);
    } else table.items.set(instance.segments.itemsOf(segment)!.subarray(from, from + block), to);
    to += block;
    from += block;
    count -= block;
    if (!pay(x, Math.ceil(block / ELEMENTS_PER_FUEL), position) && count > 0) {
      setCount(x, at, to, table.isAddressed64);
      x.words[at + 2] = from;
      x.words[at + 4] = count;
      return false;
    }
  }
  return true;
}
