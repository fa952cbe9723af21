/**
 * Where large linear memories lie: each in a buffer that reserves more address space than it needs, so that growth moves
 * nothing, and that is used again. V8 counts every new `ArrayBuffer` as memory in use, touched or not, and has to collect
 * where processes make one each. What a memory leaves is cleaned by the end of its process, a part in each turn; nobody
 * is given a region before all of it is zero.
 */

import { SEPARATE_BUFFERS, type MemoryBlock } from "../vm/index.ts";
import { ASKED_FROM_BYTES, hasAbundance, hasAddressSpace, MAPPED_BYTES, MAPPED_FROM_BYTES } from "./address-space.ts";
import { cleanBytes, SYSTEM_PAGE_BYTES } from "./cleaning.ts";

const MIB = 1_048_576;
/** Address space of one. Larger memories have buffers of their own. */
const REGION_BYTES = 64 * MIB;
/** Live, free and not yet collected ones: a system has 65,530 mappings for a program, and 16 GiB are a small part of 128 TiB. */
const MAX_REGIONS = 256;
/** Bytes of free regions that may be resident: those beyond it are dropped. */
const MAX_FREE_BYTES = 128 * MIB;
/** The same of dropped ones that V8 has not collected: beyond it new buffers are ordinary ones, which make V8 collect. */
const MAX_UNCOLLECTED_BYTES = 64 * MIB;
/** Bytes that may be resident because a memory lies where a larger one has been, above some times its own. */
const MAX_EXCESS_BYTES = 64 * MIB;
const FREE_EXCESS = 4;
/** Who finds no clean region cleans so much of one that is not. */
const HELP_BYTES = 524_288;

export interface RegionOptions {
  readonly regionBytes?: number;
  readonly maxRegions?: number;
  /** Makes a buffer of zeros whose pages take no memory before they are touched, or null. Default: the platform's. */
  readonly make?: (byteLength: number, isShared: boolean) => ArrayBufferLike | null;
}

class Region implements MemoryBlock {
  readonly buffer: ArrayBufferLike;
  readonly base = 0;
  readonly capacity: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly words: Int32Array;
  readonly lanes: Int32Array | null;
  readonly doubles: Float64Array;
  /** What all its owners have used: no more of it is resident. */
  touchedBytes = 0;
  /** Of them, what is held against {@link MAX_EXCESS_BYTES}. */
  excessBytes = 0;
  /** Outside of these it is zero. */
  dirtyStart = 0;
  dirtyEnd = 0;
  /** Nobody has used it since somebody looked. */
  wasFree = false;

  constructor(buffer: ArrayBufferLike) {
    this.buffer = buffer;
    this.capacity = buffer.byteLength;
    this.bytes = new Uint8Array(buffer);
    this.view = new DataView(buffer);
    this.words = new Int32Array(buffer);
    this.lanes = buffer instanceof ArrayBuffer ? null : this.words;
    this.doubles = new Float64Array(buffer);
  }

  get isShared(): boolean {
    return this.lanes !== null;
  }
}

export class RegionPool {
  readonly #regionBytes: number;
  readonly #maxRegions: number;
  readonly #make: (byteLength: number, isShared: boolean) => ArrayBufferLike | null;
  /** Free ones, the one that was used last at the end. */
  readonly #clean: Region[] = [];
  readonly #dirty: Region[] = [];
  #count = 0;
  /** Bulk operations on ordinary buffers are faster, and most programs need one: the first is not shared. */
  #hasOrdinary = false;
  #freeBytes = 0;
  #dirtyBytes = 0;
  #excessBytes = 0;
  #uncollectedBytes = 0;
  readonly #uncollected = new FinalizationRegistry<number>((touchedBytes) => {
    this.#count--;
    this.#uncollectedBytes -= touchedBytes;
  });

  constructor({ regionBytes = REGION_BYTES, maxRegions = MAX_REGIONS, make = makeBuffer }: RegionOptions = {}) {
    this.#regionBytes = regionBytes;
    this.#maxRegions = maxRegions;
    this.#make = make;
  }

  /** Live, free and not yet collected regions. */
  get count(): number {
    return this.#count;
  }

  /** Bytes that are not clean yet. */
  get dirtyBytes(): number {
    return this.#dirtyBytes;
  }

  /** Whether there are regions that nobody uses. */
  get hasFree(): boolean {
    return this.#clean.length + this.#dirty.length > 0;
  }

  /** A region of at least so many bytes, or null: then the memory needs a buffer of its own. */
  allocate(byteLength: number): MemoryBlock | null {
    const region = this.#take(byteLength) ?? this.#add(byteLength);
    if (region === null) return null;
    region.excessBytes = excessOf(region, byteLength);
    this.#excessBytes += region.excessBytes;
    return region;
  }

  /** Of those that fit the one that was used last, since its pages are there. */
  #take(byteLength: number): Region | null {
    if (this.#clean.length === 0) this.cleanSome(HELP_BYTES);
    for (let at = this.#clean.length - 1; at >= 0; at--) {
      const region = this.#clean[at]!;
      if (region.capacity < byteLength) continue;
      if (this.#excessBytes + excessOf(region, byteLength) > MAX_EXCESS_BYTES) continue;
      this.#clean.splice(at, 1);
      this.#freeBytes -= region.touchedBytes;
      return region;
    }
    return null;
  }

  #add(byteLength: number): Region | null {
    if (this.#count >= this.#maxRegions || this.#uncollectedBytes > MAX_UNCOLLECTED_BYTES) return null;
    const ordinaryBytes = Math.min(MAPPED_BYTES, this.#regionBytes);
    const isShared = this.#hasOrdinary || byteLength > ordinaryBytes;
    const reserved = isShared ? this.#regionBytes : ordinaryBytes;
    if (byteLength > reserved) return null;
    const buffer = this.#make(reserved, isShared);
    if (buffer === null) return null;
    this.#count++;
    if (!isShared) this.#hasOrdinary = true;
    return new Region(buffer);
  }

  /** The region's owner, who wrote to its first `usedBytes` at most, needs it no more. False for what is no region. */
  free(block: MemoryBlock, usedBytes: number): boolean {
    if (!(block instanceof Region)) return false;
    this.#excessBytes -= block.excessBytes;
    block.excessBytes = 0;
    block.wasFree = false;
    block.dirtyStart = 0;
    block.dirtyEnd = Math.min(block.capacity, Math.ceil(usedBytes / SYSTEM_PAGE_BYTES) * SYSTEM_PAGE_BYTES);
    block.touchedBytes = Math.max(block.touchedBytes, block.dirtyEnd);
    if (this.#freeBytes + block.touchedBytes > MAX_FREE_BYTES) {
      this.#drop(block);
      return true;
    }
    this.#freeBytes += block.touchedBytes;
    this.#dirtyBytes += block.dirtyEnd;
    (block.dirtyEnd > 0 ? this.#dirty : this.#clean).push(block);
    return true;
  }

  /** Cleans about so many bytes, of those first that have waited longest. */
  cleanSome(byteLength: number): void {
    while (byteLength > 0) {
      const region = this.#dirty[0];
      if (region === undefined) return;
      const { dirtyStart: start } = region;
      const end = Math.min(region.dirtyEnd, start + Math.ceil(byteLength / SYSTEM_PAGE_BYTES) * SYSTEM_PAGE_BYTES);
      cleanBytes(region.words, region.doubles, start, end);
      region.dirtyStart = end;
      this.#dirtyBytes -= end - start;
      byteLength -= end - start;
      if (end < region.dirtyEnd) return;
      this.#dirty.shift();
      this.#clean.push(region);
    }
  }

  /** Drops what nobody has used since the last call. True when there are free ones left. */
  dropFree(): boolean {
    for (const list of [this.#clean, this.#dirty]) {
      const free = list.splice(0);
      for (const region of free) {
        if (region.wasFree) {
          this.#freeBytes -= region.touchedBytes;
          this.#dirtyBytes -= region.dirtyEnd - region.dirtyStart;
          this.#drop(region);
        } else {
          region.wasFree = true;
          list.push(region);
        }
      }
    }
    return this.hasFree;
  }

  /** Nothing tells V8 to collect shared buffers, so what they may take is counted until it has. */
  #drop(region: Region): void {
    if (!region.isShared) {
      this.#count--;
      this.#hasOrdinary = false;
      return;
    }
    this.#uncollectedBytes += region.touchedBytes;
    this.#uncollected.register(region.buffer, region.touchedBytes);
  }
}

/** What may be resident of a region besides a memory, beyond what such a memory may waste. */
function excessOf({ touchedBytes }: Region, byteLength: number): number {
  return touchedBytes > FREE_EXCESS * byteLength ? touchedBytes - byteLength : 0;
}

function makeBuffer(byteLength: number, isShared: boolean): ArrayBufferLike | null {
  if ((isShared && typeof SharedArrayBuffer === "undefined") || !hasAbundance(byteLength)) return null;
  try {
    return isShared ? new SharedArrayBuffer(byteLength) : new ArrayBuffer(byteLength);
  } catch {
    return null;
  }
}

/** A buffer for one memory, which V8 collects. */
export function allocateAlone(byteLength: number): MemoryBlock | null {
  const reserved = byteLength < MAPPED_FROM_BYTES ? byteLength : Math.max(byteLength, MAPPED_BYTES);
  if (reserved < ASKED_FROM_BYTES || hasAddressSpace(reserved)) {
    const block = SEPARATE_BUFFERS.allocate(reserved);
    if (block !== null) return block;
  }
  return reserved > byteLength && hasAddressSpace(byteLength) ? SEPARATE_BUFFERS.allocate(byteLength) : null;
}
