/**
 * Where large linear memories lie: each in a buffer that reserves more address space than it needs, so that growth moves
 * nothing, and that is used again. V8 counts every new `ArrayBuffer` as memory in use, touched or not, and has to collect
 * where processes make one each. What a memory leaves is cleaned by the end of its process, a part in each turn; nobody
 * is given a region before all of it is zero.
 */

import { SEPARATE_BUFFERS, type MemoryBlock } from "../vm/index.ts";
import {
  ASKED_FROM_BYTES,
  hasAbundance,
  hasAddressSpace,
  MAPPED_BYTES,
  MAPPED_FROM_BYTES,
  PLENTY_BYTES,
} from "./address-space.ts";
import { cleanBytes, SYSTEM_PAGE_BYTES } from "./cleaning.ts";
import { DroppedBuffers } from "./dropped-buffers.ts";

const MIB = 1_048_576;
/** Live, free and not yet collected ones: a terabyte of 128 of address space, and few of the 65,530 mappings of a program. */
const MAX_REGIONS = 256;
/** A region grows by so many bytes at least: views are made anew each time. */
const EXTENT_BYTES = 4 * MIB;
/** Bytes of clean regions that may be resident: what is beyond it is dropped. */
const MAX_FREE_BYTES = 128 * MIB;
/** Bytes that wait for being cleaned: what is beyond it is dropped. */
const MAX_DIRTY_BYTES = 256 * MIB;
/** Bytes that may be resident because a memory lies where a larger one has been, above some times its own. */
const MAX_EXCESS_BYTES = 64 * MIB;
const FREE_EXCESS = 4;
/** Who finds no clean region cleans so much of one that is not. */
const HELP_BYTES = 524_288;

/** A shared buffer that grows where it lies, up to what it has reserved: only that much takes memory, or may. */
interface GrowableBuffer extends SharedArrayBuffer {
  readonly growable?: boolean;
  grow(byteLength: number): void;
}

export interface RegionOptions {
  /** Address space of one. Larger memories have buffers of their own. */
  readonly reservedBytes?: number;
  readonly maxRegions?: number;
  /** Where the buffers go that are not needed any more. */
  readonly dropped?: DroppedBuffers;
  /** Makes an ordinary buffer of so many bytes, or a shared one of none that can grow so far, or null. Default: the platform's. */
  readonly make?: (byteLength: number, isShared: boolean) => ArrayBufferLike | null;
}

class Region implements MemoryBlock {
  readonly buffer: ArrayBufferLike;
  readonly base = 0;
  readonly reservedBytes: number;
  capacity = 0;
  bytes!: Uint8Array;
  view!: DataView;
  words!: Int32Array;
  doubles!: Float64Array;
  lanes: Int32Array | null = null;
  /** What its owners have used at most, and what was found touched of it when it was cleaned: so much may be resident. */
  usedBytes = 0;
  residentBytes = 0;
  /** Of them, what is held against {@link MAX_EXCESS_BYTES}. */
  excessBytes = 0;
  /** Outside of these it is zero. */
  dirtyStart = 0;
  dirtyEnd = 0;
  /** Nobody has used it since somebody looked. */
  wasFree = false;

  constructor(buffer: ArrayBufferLike, reservedBytes: number) {
    this.buffer = buffer;
    this.reservedBytes = reservedBytes;
    this.#look(buffer.byteLength);
  }

  get isShared(): boolean {
    return !(this.buffer instanceof ArrayBuffer);
  }

  /** False when it cannot have so many bytes. */
  extend(byteLength: number): boolean {
    if (byteLength <= this.capacity) return true;
    if (byteLength > this.reservedBytes) return false;
    const extent = Math.min(this.reservedBytes, Math.ceil(byteLength / EXTENT_BYTES) * EXTENT_BYTES);
    try {
      (this.buffer as GrowableBuffer).grow(extent);
      this.#look(extent);
      return true;
    } catch {
      return false;
    }
  }

  /** Views of fixed length are like those of any buffer for V8; those that follow a growable buffer are not. */
  #look(byteLength: number): void {
    const { buffer } = this;
    const bytes = new Uint8Array(buffer, 0, byteLength);
    this.view = new DataView(buffer, 0, byteLength);
    this.words = new Int32Array(buffer, 0, byteLength / 4);
    this.doubles = new Float64Array(buffer, 0, byteLength / 8);
    this.lanes = this.isShared ? this.words : null;
    this.bytes = bytes;
    this.capacity = byteLength;
  }
}

export class RegionPool {
  readonly #reservedBytes: number;
  readonly #maxRegions: number;
  readonly #make: (byteLength: number, isShared: boolean) => ArrayBufferLike | null;
  /** Free ones, the one that was used last at the end. */
  readonly #clean: Region[] = [];
  readonly #dirty: Region[] = [];
  #count = 0;
  /** Bulk operations on ordinary buffers are faster, and most programs need one: the first is not shared. */
  #hasOrdinary = false;
  /** Buffers that were refused since the last one was given. */
  #refusals = 0;
  #freeBytes = 0;
  #dirtyBytes = 0;
  #excessBytes = 0;
  readonly #dropped: DroppedBuffers;

  constructor(options: RegionOptions = {}) {
    const { reservedBytes = PLENTY_BYTES, maxRegions = MAX_REGIONS, make = makeBuffer } = options;
    this.#dropped = options.dropped ?? new DroppedBuffers();
    this.#reservedBytes = reservedBytes;
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
      if (this.#excessBytes + excessOf(region, byteLength) > MAX_EXCESS_BYTES || !region.extend(byteLength)) continue;
      this.#clean.splice(at, 1);
      this.#freeBytes -= region.residentBytes;
      return region;
    }
    return null;
  }

  #add(byteLength: number): Region | null {
    if (this.#count >= this.#maxRegions || !this.#dropped.mayShare(byteLength)) return null;
    const ordinaryBytes = Math.min(MAPPED_BYTES, this.#reservedBytes);
    const isShared = this.#hasOrdinary || byteLength > ordinaryBytes;
    const reservedBytes = isShared ? this.#reservedBytes : ordinaryBytes;
    if (byteLength > reservedBytes) return null;
    // Asked at the first refusal, the second, fourth, eighth …: V8 collects before it gives up, which takes long.
    const refusals = this.#refusals++;
    if ((refusals & (refusals - 1)) !== 0) return null;
    const buffer = this.#make(reservedBytes, isShared);
    if (buffer === null) return null;
    const region = new Region(buffer, reservedBytes);
    if (!region.extend(byteLength)) return null;
    this.#refusals = 0;
    this.#count++;
    if (!isShared) this.#hasOrdinary = true;
    return region;
  }

  /** Makes a region larger where it lies. False when it cannot, and for what is no region. */
  extend(block: MemoryBlock, byteLength: number): boolean {
    return block instanceof Region && block.extend(byteLength);
  }

  /** The region's owner, who wrote to its first `usedBytes` at most, needs it no more. False for what is no region. */
  free(block: MemoryBlock, usedBytes: number): boolean {
    if (!(block instanceof Region)) return false;
    this.#excessBytes -= block.excessBytes;
    block.excessBytes = 0;
    block.wasFree = false;
    block.dirtyStart = 0;
    block.dirtyEnd = Math.ceil(Math.min(block.capacity, usedBytes) / SYSTEM_PAGE_BYTES) * SYSTEM_PAGE_BYTES;
    block.usedBytes = Math.max(block.usedBytes, block.dirtyEnd);
    if (block.dirtyEnd === 0) this.#keep(block);
    else if (this.#dirtyBytes + block.dirtyEnd > MAX_DIRTY_BYTES) this.#drop(block);
    else {
      this.#dirtyBytes += block.dirtyEnd;
      this.#dirty.push(block);
    }
    return true;
  }

  #keep(region: Region): void {
    if (this.#freeBytes + region.residentBytes > MAX_FREE_BYTES) {
      this.#drop(region);
      return;
    }
    this.#freeBytes += region.residentBytes;
    this.#clean.push(region);
  }

  /** Cleans about so many bytes, of those first that have waited longest. */
  cleanSome(byteLength: number): void {
    while (byteLength > 0) {
      const region = this.#dirty[0];
      if (region === undefined) return;
      const { dirtyStart: start } = region;
      const end = Math.min(region.dirtyEnd, start + Math.ceil(byteLength / SYSTEM_PAGE_BYTES) * SYSTEM_PAGE_BYTES);
      const found = cleanBytes(region.words, region.doubles, start, end);
      region.residentBytes = Math.min(region.usedBytes, region.residentBytes + found);
      region.dirtyStart = end;
      this.#dirtyBytes -= end - start;
      byteLength -= end - start;
      if (end < region.dirtyEnd) return;
      this.#dirty.shift();
      this.#keep(region);
    }
  }

  /** Drops what nobody has used since the last call. True when there are free ones left. */
  dropFree(): boolean {
    for (const list of [this.#clean, this.#dirty]) {
      for (const region of list.splice(0)) {
        if (!region.wasFree) {
          region.wasFree = true;
          list.push(region);
          continue;
        }
        if (list === this.#clean) this.#freeBytes -= region.residentBytes;
        else this.#dirtyBytes -= region.dirtyEnd - region.dirtyStart;
        this.#drop(region);
      }
    }
    return this.hasFree;
  }

  #drop(region: Region): void {
    if (!region.isShared) {
      this.#count--;
      this.#hasOrdinary = false;
      return;
    }
    const byteLength = Math.min(region.usedBytes, region.residentBytes + region.dirtyEnd - region.dirtyStart);
    this.#dropped.add(region.buffer, byteLength, () => {
      this.#count--;
    });
  }
}

/** What may be resident of a region besides a memory, beyond what such a memory may waste. */
function excessOf({ residentBytes }: Region, byteLength: number): number {
  return residentBytes > FREE_EXCESS * byteLength ? residentBytes - byteLength : 0;
}

type Growable = new (byteLength: number, options: { readonly maxByteLength: number }) => SharedArrayBuffer;

function makeBuffer(byteLength: number, isShared: boolean): ArrayBufferLike | null {
  if ((isShared && typeof SharedArrayBuffer === "undefined") || !hasAbundance()) return null;
  try {
    if (!isShared) return new ArrayBuffer(byteLength);
    const buffer = new (SharedArrayBuffer as Growable)(0, { maxByteLength: byteLength }) as GrowableBuffer;
    // Platforms without growth make one of no bytes.
    return buffer.growable === true ? buffer : null;
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
