/**
 * Where small linear memories lie: windows of large buffers whose pages the system provides when
 * they are first touched, so a process costs what it has touched. What a process leaves is cleaned
 * before anybody else gets it, without touching pages that it has not touched.
 */

import type { MemoryAllocator, MemoryBlock } from "../vm/index.ts";
import { ASKED_FROM_BYTES, hasAddressSpace, MAPPED_BYTES } from "./address-space.ts";
import { cleanBytes } from "./cleaning.ts";
import { DroppedBuffers } from "./dropped-buffers.ts";
import type { Executor } from "./executor.ts";
import { checkSlabs } from "./options.ts";
import { allocateAlone, RegionPool } from "./regions.ts";
import { GroupShare } from "./group-share.ts";
import { Task, TurnEnd } from "./task.ts";
import { Timer } from "./timers.ts";

export interface SlabOptions {
  /** Sizes of the first slab for a number of pages, the second, and all later ones, in bytes. Default 1, 33 and 256 MiB. */
  readonly slabBytes?: readonly number[];
  /** Memories of more pages have regions or buffers of their own. Default 32. */
  readonly maxPages?: number;
  /**
   * Whoever gives the turns in which slots are cleaned. Without it they are cleaned when they are needed, and large memories have
   * buffers of their own.
   */
  readonly executor?: Executor;
}

const PAGE_BYTES = 65_536;
const MIB = 1_048_576;
/** Slots that are used again at once are overwritten whole: up to so many bytes for each size. */
const HOT_BYTES = 4 * MIB;
const MAX_HOT = 64;
/** How often it was used again by then: overwriting touches all of it, which pays only where it goes on. */
const HOT_REUSES = 3;
/** Bytes compared in one step of cleaning, and for one unit of charge. */
const BYTES_PER_CHARGE = 16;
/** A large slab that nobody has used for so long is dropped, between once and twice. */
const KEPT_MS = 1_000;
/** Slabs from this size on are shared buffers; from {@link MAPPED_BYTES} on all but one are. */
const SHARED_FROM_BYTES = 64 * MIB;

class Slab {
  readonly buffer: ArrayBufferLike;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly words: Int32Array;
  readonly lanes: Int32Array | null;
  /** For filling: shared buffers are written lane by lane. */
  readonly doubles: Float64Array;
  readonly size: SizeClass;
  readonly slots: number;
  /** Slots from here on have never been used. */
  fresh = 0;
  /** Slots that are used, or hot; and the latter. */
  live = 0;
  hot = 0;
  /** Nobody has used it since somebody looked. */
  wasEmpty = false;
  readonly clean: number[] = [];
  readonly dirty: number[] = [];
  /** Slots that were overwritten whole. */
  readonly overwritten = new Set<number>();

  constructor(buffer: ArrayBufferLike, size: SizeClass) {
    this.buffer = buffer;
    this.bytes = new Uint8Array(buffer);
    this.view = new DataView(buffer);
    this.words = new Int32Array(buffer);
    this.lanes = buffer instanceof ArrayBuffer ? null : this.words;
    this.doubles = new Float64Array(buffer);
    this.size = size;
    this.slots = Math.floor(buffer.byteLength / size.byteLength);
  }

  /** Whether it is not the least that is kept of its size, and nobody uses it. */
  get isSpare(): boolean {
    return this.live === this.hot && this.buffer.byteLength > Math.max(MIB, this.size.byteLength);
  }

  get hasRoom(): boolean {
    return this.clean.length > 0 || this.fresh < this.slots || this.dirty.length > 0;
  }
}

class Slot implements MemoryBlock {
  readonly slab: Slab;
  readonly index: number;
  /** How often it was taken again since somebody else's memory lay in between. */
  #reuses = 0;

  constructor(slab: Slab, index: number) {
    this.slab = slab;
    this.index = index;
  }

  get buffer(): ArrayBufferLike {
    return this.slab.buffer;
  }

  get bytes(): Uint8Array {
    return this.slab.bytes;
  }

  get view(): DataView {
    return this.slab.view;
  }

  get lanes(): Int32Array | null {
    return this.slab.lanes;
  }

  get base(): number {
    return this.index * this.slab.size.byteLength;
  }

  get capacity(): number {
    return this.slab.size.byteLength;
  }

  /** Overwrites all of it, which touches all: so those that are not touched yet only while few are. */
  zero(): void {
    const { base, capacity, slab, index } = this;
    const { size, overwritten } = slab;
    if (!overwritten.has(index)) {
      if (this.#reuses++ < HOT_REUSES || size.overwritten >= size.maxHot) {
        cleanSlot(slab, index);
        return;
      }
      size.overwritten++;
      overwritten.add(index);
    }
    slab.doubles.fill(0, base / 8, (base + capacity) / 8);
  }
}

/** All slabs for memories of one number of pages. */
class SizeClass {
  readonly byteLength: number;
  readonly slabs: Slab[] = [];
  /** Those that have room, the one to use last. */
  readonly roomy: Slab[] = [];
  /** Slots that were given back last, not cleaned. */
  hot: Slot[] = [];
  readonly maxHot: number;
  /** Slots of all slabs that were overwritten whole: at most {@link maxHot}. */
  overwritten = 0;

  constructor(pages: number) {
    this.byteLength = pages * PAGE_BYTES;
    this.maxHot = Math.max(1, Math.min(MAX_HOT, Math.floor(HOT_BYTES / this.byteLength)));
  }
}

export class SlabAllocator implements MemoryAllocator {
  readonly #slabBytes: readonly number[];
  readonly #classes: (SizeClass | null)[];
  readonly #cleaner: Cleaner | null;
  readonly #executor: Executor | null;
  /**
   * For memories of more pages. None with a seed: where somebody's regions are depends on when V8 collects, and how often a
   * memory moves, which takes turns, on that.
   */
  readonly regions: RegionPool | null;
  /** Armed while there are large slabs that nobody uses. */
  readonly #timer = new Timer(() => this.#dropSpare());
  /** Slabs with dirty slots, in the order they got them. */
  readonly #toClean = new Set<Slab>();
  /** Slabs that were refused since the last one was given or dropped. */
  #refusals = 0;
  /** The index of the largest slabs that the system may give. */
  #maxStep: number;
  /** Ordinary slabs of {@link MAPPED_BYTES} and more. */
  #ordinary = 0;
  readonly #dropped = new DroppedBuffers();

  /** Throws `TypeError` or `RangeError` for an option that is not what it has to be. */
  constructor(options: SlabOptions = {}) {
    checkSlabs(options);
    this.#slabBytes = options.slabBytes ?? [MIB, MAPPED_BYTES, 256 * MIB];
    this.#maxStep = this.#slabBytes.length - 1;
    this.#classes = new Array<SizeClass | null>((options.maxPages ?? 32) + 1).fill(null);
    this.#executor = options.executor ?? null;
    this.regions = options.executor?.isDeterministic === false ? new RegionPool({ dropped: this.#dropped }) : null;
    this.#cleaner = options.executor === undefined ? null : new Cleaner(this, options.executor);
  }

  /** Bytes of all slabs: address space, of which only what was touched is memory. */
  get reservedBytes(): number {
    let bytes = 0;
    for (const size of this.#classes) for (const slab of size?.slabs ?? []) bytes += slab.buffer.byteLength;
    return bytes;
  }

  allocate(byteLength: number): MemoryBlock | null {
    const pages = Math.ceil(byteLength / PAGE_BYTES);
    if (pages === 0 || pages >= this.#classes.length) {
      return this.regions?.allocate(byteLength) ?? allocateAlone(byteLength);
    }
    const size = (this.#classes[pages] ??= new SizeClass(pages));
    const hot = size.hot.pop();
    if (hot !== undefined) {
      hot.slab.hot--;
      hot.slab.wasEmpty = false;
      hot.zero();
      return hot;
    }
    const slab = size.roomy[size.roomy.length - 1] ?? this.#addSlab(size);
    if (slab === null) return null;
    let index = slab.clean.pop();
    if (index === undefined) {
      if (slab.fresh < slab.slots) index = slab.fresh++;
      else {
        index = slab.dirty.pop()!;
        cleanSlot(slab, index);
      }
    }
    slab.live++;
    slab.wasEmpty = false;
    if (!slab.hasRoom) size.roomy.pop();
    return new Slot(slab, index);
  }

  /** Regions grow in place; slots are as large as they are. */
  extend(block: MemoryBlock, byteLength: number): boolean {
    return this.regions?.extend(block, byteLength) ?? false;
  }

  free(block: MemoryBlock, usedBytes = block.capacity): void {
    if (block instanceof Slot) {
      const { slab } = block;
      const { hot, maxHot } = slab.size;
      hot.push(block);
      slab.hot++;
      if (hot.length > maxHot) this.#retire(hot.shift()!);
      if (!slab.isSpare) return;
    } else if (this.regions?.free(block, usedBytes) !== true) return;
    if (!this.#timer.isArmed) this.#executor?.armUnhurried(this.#timer, KEPT_MS);
  }

  /** Whether large slabs or regions that nobody uses are kept for a while. */
  get hasSpare(): boolean {
    return this.#timer.isArmed;
  }

  /** Drops large slabs and regions that nobody has used since the last look: until then who ends and begins in waves finds them. */
  #dropSpare(): void {
    let isLeft = this.regions?.dropFree() ?? false;
    for (const size of this.#classes) {
      for (const slab of size?.slabs.filter(({ isSpare }) => isSpare) ?? []) {
        if (slab.wasEmpty) this.#drop(slab);
        else isLeft = slab.wasEmpty = true;
      }
    }
    if (isLeft) this.#executor!.armUnhurried(this.#timer, KEPT_MS);
  }

  /** A slot that nobody is going to use soon. */
  #retire({ slab, index }: Slot): void {
    const { size } = slab;
    const hadRoom = slab.hasRoom;
    slab.live--;
    slab.hot--;
    slab.dirty.push(index);
    if (slab.live === 0 && size.slabs.length > 1) {
      this.#drop(slab);
      return;
    }
    // Behind the others, so that slabs that are hardly used become empty.
    if (!hadRoom) size.roomy.unshift(slab);
    this.#toClean.add(slab);
    this.#cleaner?.wake();
  }

  #drop(slab: Slab): void {
    const { slabs, roomy, hot } = slab.size;
    slab.size.hot = hot.filter((slot) => slot.slab !== slab);
    slab.size.overwritten -= slab.overwritten.size;
    this.#refusals = 0;
    this.#maxStep = this.#slabBytes.length - 1;
    slabs.splice(slabs.indexOf(slab), 1);
    const at = roomy.indexOf(slab);
    if (at >= 0) roomy.splice(at, 1);
    this.#toClean.delete(slab);
    if (slab.buffer instanceof ArrayBuffer) {
      if (slab.buffer.byteLength >= MAPPED_BYTES) this.#ordinary--;
      return;
    }
    // Its other slots have never been used.
    this.#dropped.add(slab.buffer, slab.fresh * slab.size.byteLength);
  }

  /** Throws when the system gives no more. */
  #newBuffer(byteLength: number): ArrayBufferLike {
    // V8 counts the bytes of buffers as if all of them were touched, and collects whenever 64 MiB were added: slabs of many
    // sizes would make it collect all the time. Shared ones it does not count.
    const isCounted = byteLength < MAPPED_BYTES || (byteLength < SHARED_FROM_BYTES && this.#ordinary === 0);
    if (!isCounted && typeof SharedArrayBuffer !== "undefined" && this.#dropped.mayShare(byteLength)) {
      return new SharedArrayBuffer(byteLength);
    }
    const buffer = new ArrayBuffer(byteLength);
    if (byteLength >= MAPPED_BYTES) this.#ordinary++;
    return buffer;
  }

  /** Null when the system gives no more, or would have too little left. */
  #addSlab(size: SizeClass): Slab | null {
    // Asked at the first refusal, the second, fourth, eighth …: V8 collects before it gives up, which takes long.
    const refusals = this.#refusals++;
    if ((refusals & (refusals - 1)) !== 0) return null;
    const { reservedBytes } = this;
    for (let step = Math.min(size.slabs.length, this.#maxStep); step >= 0; step--) {
      const byteLength = Math.max(this.#slabBytes[step] ?? MIB, size.byteLength);
      try {
        if (reservedBytes >= ASKED_FROM_BYTES && !hasAddressSpace(byteLength)) {
          // What does not fit is not tried again before a slab is dropped; the smallest would not change much.
          this.#maxStep = Math.max(1, step - 1);
          if (step <= 1) return null;
          continue;
        }
        const slab = new Slab(this.#newBuffer(byteLength), size);
        size.slabs.push(slab);
        size.roomy.push(slab);
        this.#refusals = 0;
        return slab;
      } catch {
        // A smaller one may fit.
      }
    }
    return null;
  }

  /** Whether there are slots to clean. */
  get isDirty(): boolean {
    return this.#toClean.size > 0;
  }

  /** Cleans dirty slots of about so many bytes. False when there are none left. */
  cleanSome(byteLength: number): boolean {
    for (const slab of this.#toClean) {
      for (let index = slab.dirty.pop(); index !== undefined; index = slab.dirty.pop()) {
        cleanSlot(slab, index);
        slab.clean.push(index);
        byteLength -= slab.size.byteLength;
        if (byteLength <= 0) return this.#toClean.size > 1 || slab.dirty.length > 0;
      }
      this.#toClean.delete(slab);
    }
    return false;
  }
}

function cleanSlot({ words, doubles, size }: Slab, index: number): void {
  cleanBytes(words, doubles, index * size.byteLength, (index + 1) * size.byteLength);
}

/**
 * Cleans while nobody else can run, a slice at a time: where many end together their slabs become
 * empty, and those are dropped as they are. Who needs a slot before that cleans it.
 */
class Cleaner extends Task {
  readonly #allocator: SlabAllocator;
  readonly #executor: Executor;

  constructor(allocator: SlabAllocator, executor: Executor) {
    super();
    this.#allocator = allocator;
    this.#executor = executor;
    const { scheduler } = executor;
    scheduler.adopt(this, new GroupShare(scheduler, scheduler.root), null);
    executor.onIdle(() => this.wake());
  }

  wake(): void {
    const { scheduler } = this.#executor;
    if (this.#allocator.isDirty && scheduler.isIdle) scheduler.wake(this);
  }

  override run(fuel: number): TurnEnd {
    this.turnFuel = 0;
    this.turnCharge = fuel;
    this.#allocator.cleanSome(fuel * BYTES_PER_CHARGE);
    return TurnEnd.Waiting;
  }
}

const allocators = new WeakMap<Executor, SlabAllocator>();

/** The one that all runtimes of an executor share. */
export function slabsOf(executor: Executor): SlabAllocator {
  let allocator = allocators.get(executor);
  if (allocator === undefined) {
    allocator = new SlabAllocator({ executor });
    allocators.set(executor, allocator);
  }
  return allocator;
}
