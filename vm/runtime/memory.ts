/**
 * A linear memory (spec: syntax-meminst): a window of a buffer whose capacity may exceed its
 * length, so that growth is amortised. Host functions copy in and out through it.
 */

import { InternalError, Termination, Trap } from "../errors.ts";
import { BULK_BLOCK_BYTES, MAX_MEMORY_PAGES, PAGE_BYTES } from "../limits.ts";
import { Num, pageBytesOf, type MemType } from "../types.ts";
import type { MemoryBlock } from "./resources.ts";
import type { Store } from "./store.ts";
import { WaiterQueue } from "./waiters.ts";

const GROWTH = 1.5;
/** Up to so many bytes are copied word by word: making a view costs more. */
const SHORT_COPY_BYTES = 160;
/** Less is filled and copied sooner as bytes, in any buffer. */
const LANES_FROM_BYTES = 512;
const LANE_BYTES = 8;
/** Bytes on their way to or from a shared buffer. */
const PASSING = new Uint8Array(BULK_BLOCK_BYTES + LANE_BYTES);
/** Of a memory that was given back. */
const NO_BYTES = new Uint8Array(0);
const NO_VIEW = new DataView(NO_BYTES.buffer);
const NO_BLOCK: MemoryBlock = { buffer: NO_BYTES.buffer, base: 0, capacity: 0 };
/** Of all memories without a page, which no allocator is asked for: there may be many. */
const EMPTY_BLOCK: MemoryBlock = {
  buffer: NO_BYTES.buffer,
  base: 0,
  capacity: 0,
  bytes: new Uint8Array(NO_BYTES.buffer),
  view: NO_VIEW,
};

/** Bytes copied at once when a memory moves: a millisecond of first touches. */
const MOVE_STEP_BYTES = 524_288;

/** All of one buffer, under two views. */
export interface BufferViews {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/** A larger block that contents are being copied to, and how many bytes are there. */
interface Move {
  readonly block: MemoryBlock;
  readonly bytes: Uint8Array;
  copied: number;
}

/** A linear memory. Addresses and lengths are bytes, and checked: `Trap` "out of bounds memory access". (spec: syntax-meminst) */
export class Memory {
  readonly kind = "memory";
  /** The store that made it: its accountant and allocator serve the memory wherever it is used. */
  readonly store: Store;
  /** The stores that use it, if they are or were several; null: {@link store} alone. */
  #users: Set<Store> | null = null;
  readonly #type: MemType;
  /** Pages that growth may reach: the declared maximum and the engine's. */
  readonly #maxPages: number;
  #block: MemoryBlock;
  #move: Move | null = null;
  /**
   * The engine's view of the whole buffer, in which other memories lie too; addresses in it start at {@link base}. It never
   * leaves `vm`: others get copies.
   * @internal
   */
  view: DataView;
  /** @internal */
  bytes: Uint8Array;
  /** @internal */
  base: number;
  byteLength: number;
  readonly pageBytes: number;

  /** Of the minimum, or of so many pages. Throws `Termination` when the accountant or the host cannot give them. */
  constructor(store: Store, type: MemType, min = type.limits.min) {
    this.store = store;
    this.#type = type;
    const { max } = type.limits;
    this.pageBytes = pageBytesOf(type);
    const mostPages = Math.floor((MAX_MEMORY_PAGES * PAGE_BYTES) / this.pageBytes);
    if (min > BigInt(mostPages)) {
      throw new Termination("memory limit", `a memory of ${pagesText(min)}, at most ${mostPages}`);
    }
    // A size has to fit in an address, with all bits set for failure.
    const addressed = type.address === Num.I32 && this.pageBytes === 1 ? mostPages - 1 : mostPages;
    this.#maxPages = max === null ? addressed : Math.min(Number(max), addressed);
    const byteLength = Number(min) * this.pageBytes;
    if (!store.accountant.reserve("memory", byteLength)) {
      throw new Termination("memory limit", `a memory of ${pagesText(min)}`);
    }
    const block = byteLength === 0 ? EMPTY_BLOCK : store.allocator.allocate(byteLength);
    if (block === null) {
      store.accountant.release("memory", byteLength);
      throw new Termination("host out of memory", `a memory of ${pagesText(min)}`);
    }
    this.#block = block;
    this.view = block.view ?? new DataView(block.buffer);
    this.bytes = block.bytes ?? new Uint8Array(block.buffer);
    this.base = block.base;
    this.byteLength = byteLength;
    store.addMemory(this);
  }

  /** Another store uses the memory, which is shared. False if it did before. */
  addUser(store: Store): boolean {
    if (store === this.store || this.#users?.has(store) === true) return false;
    this.#users ??= new Set([this.store]);
    this.#users.add(store);
    store.addMemory(this);
    return true;
  }

  /** Takes {@link addUser} back. */
  removeUser(store: Store): void {
    store.removeMemory(this);
    this.dispose(store);
  }

  /** A store uses it no more. The last one gives the bytes back: every later access is out of bounds. */
  dispose(user: Store = this.store): void {
    if (this.bytes === NO_BYTES) return;
    if (this.#users !== null && (!this.#users.delete(user) || this.#users.size > 0)) return;
    this.#abandonMove();
    this.#giveBack(this.byteLength);
  }

  #giveBack(usedBytes: number): void {
    const block = this.#block;
    // Whoever still has the memory does not keep its buffer.
    this.#block = NO_BLOCK;
    this.byteLength = 0;
    this.base = 0;
    this.bytes = NO_BYTES;
    this.view = NO_VIEW;
    if (block !== EMPTY_BLOCK) this.store.allocator.free(block, usedBytes);
  }

  /** The type with its present size as minimum (spec: syntax-meminst). */
  get type(): MemType {
    return { ...this.#type, limits: { min: BigInt(this.pages), max: this.#type.limits.max } };
  }

  /** Gives its bytes back, which nobody has written to: for a memory that no instance has got. */
  discard(): void {
    this.store.accountant.release("memory", this.byteLength);
    this.store.removeMemory(this);
    this.#giveBack(0);
  }

  /** Whether several stores use it. */
  get isUsedElsewhere(): boolean {
    return this.#users !== null && this.#users.size > 1;
  }

  /** Whether its addresses have 64 bits. */
  get isAddressed64(): boolean {
    return this.#type.address === Num.I64;
  }

  /** Whether instances of several stores may share it (spec: threads, syntax-memtype). */
  get isShared(): boolean {
    return this.#type.shared;
  }

  #waiters: WaiterQueue | null = null;

  /** The invocations that wait at its addresses. */
  get waiters(): WaiterQueue {
    this.#waiters ??= new WaiterQueue();
    return this.#waiters;
  }

  /** Its size in pages. (spec: embed-mem-size) */
  get pages(): number {
    return this.byteLength / this.pageBytes;
  }

  /** Whether `grow` by so many pages is within the declared and the engine's maximum. */
  mayGrow(deltaPages: number): boolean {
    if (this.bytes === NO_BYTES) return false;
    return deltaPages <= this.#maxPages - this.pages;
  }

  /**
   * Grows by `deltaPages` and returns the former size in pages, or -1 when the maximum would be
   * exceeded or the accountant refuses; the memory is then unchanged. (spec: exec-memory-grow)
   * Throws `Termination` when the host cannot provide what the limits allow, `RangeError` for
   * anything but a whole number from 0.
   */
  grow(deltaPages: number): number {
    if (!Number.isInteger(deltaPages) || deltaPages < 0) throw new RangeError(`cannot grow by ${deltaPages} pages`);
    const pages = this.pages;
    if (!this.mayGrow(deltaPages)) return -1;
    const added = deltaPages * this.pageBytes;
    if (!this.store.accountant.reserve("memory", added)) {
      this.#abandonMove();
      return -1;
    }
    try {
      this.#advanceMove(this.byteLength + added);
    } catch (error) {
      this.store.accountant.release("memory", added);
      throw error;
    }
    this.finishMove();
    this.byteLength += added;
    return pages;
  }

  /**
   * Does a part of what {@link grow} by so many pages takes, copying to a larger block; true when
   * nothing but `grow` itself is left, which may be refused. Contents and length stay as they are.
   * Throws `Termination` when the host cannot provide what the limits allow.
   */
  prepareGrowth(deltaPages: number): boolean {
    const added = deltaPages * this.pageBytes;
    if (this.#move === null && this.byteLength + added > this.#block.capacity) {
      // No block is taken from the host for what the accountant refuses.
      const { accountant } = this.store;
      if (!accountant.reserve("memory", added)) return true;
      accountant.release("memory", added);
    }
    return this.#advanceMove(this.byteLength + added);
  }

  #advanceMove(needed: number): boolean {
    if (this.#move !== null && this.#move.block.capacity < needed) this.finishMove();
    if (needed <= this.#block.capacity || this.#extend(needed)) return true;
    this.#move ??= this.#beginMove(needed);
    const move = this.#move;
    const end = Math.min(this.byteLength, move.copied + MOVE_STEP_BYTES);
    move.bytes.set(this.bytes.subarray(this.base + move.copied, this.base + end), move.block.base + move.copied);
    move.copied = end;
    if (end < this.byteLength) {
      this.#setMoving(this);
      return false;
    }
    this.finishMove();
    return true;
  }

  /** Grows in place, if the block can. */
  #extend(needed: number): boolean {
    if (this.#move !== null || this.#block === EMPTY_BLOCK) return false;
    if (this.store.allocator.extend?.(this.#block, needed) !== true) return false;
    this.#use(this.#block);
    return true;
  }

  #use(block: MemoryBlock): void {
    this.#block = block;
    this.view = block.view ?? new DataView(block.buffer);
    this.bytes = block.bytes ?? new Uint8Array(block.buffer);
    this.base = block.base;
  }

  /** Tells all users that the memory moves; one moves at a time, so another one is done with at once. */
  #setMoving(moving: Memory | null): void {
    for (const store of this.#users ?? [this.store]) {
      if (store.moving !== this && moving !== null) store.moving?.finishMove();
      if (store.moving === this || moving !== null) store.moving = moving;
    }
  }

  #beginMove(needed: number): Move {
    const { allocator } = this.store;
    const ceiling = this.#maxPages * this.pageBytes;
    const comfortable = Math.min(ceiling, Math.ceil((this.byteLength * GROWTH) / PAGE_BYTES) * PAGE_BYTES);
    const block = allocator.allocate(Math.max(needed, comfortable)) ?? allocator.allocate(needed);
    if (block === null) throw new Termination("host out of memory", `a memory of ${needed} bytes`);
    return { block, bytes: block.bytes ?? new Uint8Array(block.buffer), copied: 0 };
  }

  /** The old block has all contents still. */
  #abandonMove(): void {
    const move = this.#move;
    if (move === null) return;
    this.#move = null;
    this.#setMoving(null);
    this.store.allocator.free(move.block, move.copied);
  }

  /** Copies the rest at once: whoever reads or writes the memory while it moves must call this first. */
  finishMove(): void {
    const move = this.#move;
    if (move === null) return;
    this.#move = null;
    this.#setMoving(null);
    const rest = this.bytes.subarray(this.base + move.copied, this.base + this.byteLength);
    move.bytes.set(rest, move.block.base + move.copied);
    if (this.#block !== EMPTY_BLOCK) this.store.allocator.free(this.#block, this.byteLength);
    this.#use(move.block);
  }

  get #hasLanes(): boolean {
    return this.#block.lanes != null;
  }

  /** The place in the buffer of `[address, address + length)`. Throws `Trap` when it is not all inside. */
  #at(address: number, length: number): number {
    if (this.#move !== null) this.finishMove();
    if (!(address >= 0 && length >= 0 && address + length <= this.byteLength)) throw outOfBounds(address, length);
    return this.base + address;
  }

  /** A copy of `length` bytes. Throws `Trap` out of bounds. */
  read(address: number, length: number): Uint8Array {
    const at = this.#at(address, length);
    return this.bytes.slice(at, at + length);
  }

  /** Throws `Trap` out of bounds; nothing is then written. */
  write(address: number, bytes: Uint8Array): void {
    const at = this.#at(address, bytes.length);
    if (passes(bytes.length) && this.#hasLanes) pass(bytes, this.bytes, at);
    else this.bytes.set(bytes, at);
  }

  /** Copies `length` bytes to a buffer, from its index `at` on. Throws `Trap` out of bounds. */
  readInto(address: number, target: BufferViews, at: number, length: number): void {
    copy(this, this.#at(address, length), target, at, length);
  }

  /** Writes `length` bytes of a buffer from its index `at` on. Throws `Trap` out of bounds; nothing is then written. */
  writeFrom(address: number, source: BufferViews, at: number, length: number): void {
    copy(source, at, this, this.#at(address, length), length);
  }

  /** Sets `length` bytes to `value`. Throws `Trap` out of bounds. */
  fill(address: number, value: number, length: number): void {
    const at = this.#at(address, length);
    const lanes = length < LANES_FROM_BYTES ? null : this.#block.lanes;
    if (lanes == null) {
      this.bytes.fill(value, at, at + length);
      return;
    }
    const first = Math.ceil(at / 4);
    const last = Math.floor((at + length) / 4);
    this.bytes.fill(value, at, first * 4);
    lanes.fill((value & 0xff) * 0x01010101, first, last);
    this.bytes.fill(value, last * 4, at + length);
  }

  /** Copies inside this memory or from another one; ranges may overlap. Throws `Trap` out of bounds. */
  copyFrom(source: Memory, address: number, from: number, length: number): void {
    const at = this.#at(address, length);
    const start = source.#at(from, length);
    if (passes(length) && (at - start) % LANE_BYTES !== 0 && (this.#hasLanes || source.#hasLanes)) {
      passUnaligned(source.bytes, start, this.bytes, at, length);
    } else if (source === this) this.bytes.copyWithin(at, start, start + length);
    else this.bytes.set(source.bytes.subarray(start, start + length), at);
  }

  /** An unsigned number of 8 bits, little-endian. Throws `Trap` out of bounds. (spec: embed-mem-read) */
  readU8(address: number): number {
    return this.view.getUint8(this.#at(address, 1));
  }

  /** An unsigned number of 16 bits, little-endian. Throws `Trap` out of bounds. (spec: embed-mem-read) */
  readU16(address: number): number {
    return this.view.getUint16(this.#at(address, 2), true);
  }

  /** An unsigned number of 32 bits, little-endian. Throws `Trap` out of bounds. (spec: embed-mem-read) */
  readU32(address: number): number {
    return this.view.getUint32(this.#at(address, 4), true);
  }

  /** An unsigned bigint of 64 bits, little-endian. Throws `Trap` out of bounds. (spec: embed-mem-read) */
  readU64(address: number): bigint {
    return this.view.getBigUint64(this.#at(address, 8), true);
  }

  /** Writes the low 8 bits, little-endian. Throws `Trap` out of bounds. (spec: embed-mem-write) */
  writeU8(address: number, value: number): void {
    this.view.setUint8(this.#at(address, 1), value);
  }

  /** Writes the low 16 bits, little-endian. Throws `Trap` out of bounds. (spec: embed-mem-write) */
  writeU16(address: number, value: number): void {
    this.view.setUint16(this.#at(address, 2), value, true);
  }

  /** Writes the low 32 bits, little-endian. Throws `Trap` out of bounds. (spec: embed-mem-write) */
  writeU32(address: number, value: number): void {
    this.view.setUint32(this.#at(address, 4), value, true);
  }

  /** Writes the low 64 bits, little-endian. Throws `Trap` out of bounds. (spec: embed-mem-write) */
  writeU64(address: number, value: bigint): void {
    this.view.setBigUint64(this.#at(address, 8), value, true);
  }
}

function pagesText(count: bigint): string {
  return `${count} ${count === 1n ? "page" : "pages"}`;
}

/**
 * From and to shared buffers V8 copies byte by byte, unless both lie at the same place of a word. So what does not passes through
 * an ordinary one, which takes a third of the time.
 */
function passes(byteLength: number): boolean {
  return byteLength >= LANES_FROM_BYTES && byteLength <= BULK_BLOCK_BYTES;
}

function pass(source: Uint8Array, target: Uint8Array, at: number): void {
  const place = at % LANE_BYTES;
  PASSING.set(source, place);
  target.set(PASSING.subarray(place, place + source.length), at);
}

function passUnaligned(source: Uint8Array, start: number, target: Uint8Array, at: number, length: number): void {
  const place = start % LANE_BYTES;
  PASSING.set(source.subarray(start, start + length), place);
  PASSING.copyWithin(at % LANE_BYTES, place, place + length);
  target.set(PASSING.subarray(at % LANE_BYTES, (at % LANE_BYTES) + length), at);
}

function outOfBounds(address: number, length: number): Trap {
  if (Number.isNaN(address) || Number.isNaN(length)) throw new InternalError("address is not a number");
  return new Trap("out of bounds memory access", `${length} bytes at address ${address}`);
}

function copy(source: BufferViews, from: number, target: BufferViews, to: number, length: number): void {
  if (length > SHORT_COPY_BYTES) {
    target.bytes.set(source.bytes.subarray(from, from + length), to);
    return;
  }
  const input = source.view;
  const output = target.view;
  const end = from + length;
  for (; from + 4 <= end; from += 4, to += 4) output.setInt32(to, input.getInt32(from, true), true);
  for (; from < end; from++, to++) output.setUint8(to, input.getUint8(from));
}
