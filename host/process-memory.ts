/**
 * The bytes that a process has: those of its store and those that host functions take for it. Its group pays for all of them;
 * linear memory has a limit of its own.
 */

import type { Accountant, ResourceKind, Store } from "../vm/index.ts";
import { Account, type Group } from "./group.ts";
import type { RegionPool } from "./regions.ts";
import type { ByteAccount } from "./resources.ts";

/** Bytes of all kinds that a process may have beyond its limit of linear memory. */
const OTHER_MEMORY = 1_048_576;

/** What is cleaned in one turn. */
const CLEANED_PER_TURN = 524_288;

/** What lies in buffers, outside of the host's own heap. */
function isOutside(kind: ResourceKind): boolean {
  return kind === "memory" || kind === "table" || kind === "frames" || kind === "heap";
}

export class ProcessMemory implements Accountant, ByteAccount {
  readonly #group: Group;
  /** Of linear memory. */
  readonly #maxBytes: number;
  /** Where large memories lie. */
  readonly #regions: RegionPool | null;
  #linearBytes = 0;
  /** What it has left in regions, and has not cleaned yet. */
  #uncleanBytes = 0;
  /** Outside of the host's own heap. */
  #outsideBytes = 0;
  #byteLength = 0;
  /** Of them those that are not its store's. */
  #ownBytes = 0;

  constructor(group: Group, maxBytes: number, regions: RegionPool | null) {
    this.#group = group;
    this.#maxBytes = maxBytes;
    this.#regions = regions;
  }

  /** Bytes of all kinds. */
  get byteLength(): number {
    return this.#byteLength;
  }

  /** Of all bytes those of the store. */
  get storeBytes(): number {
    return this.#byteLength - this.#ownBytes;
  }

  get linearBytes(): number {
    return this.#linearBytes;
  }

  /** Its group pays for what processes share. */
  reserve(kind: ResourceKind, byteLength: number): boolean {
    if (kind === "module" || kind === "code") return true;
    const isLinear = kind === "memory";
    if (isLinear && this.#linearBytes + byteLength > this.#maxBytes) return false;
    if (this.#byteLength + byteLength > this.#maxBytes + OTHER_MEMORY) return false;
    if (isOutside(kind)) {
      if (!this.#group.reserveOutside(byteLength)) return false;
      this.#outsideBytes += byteLength;
    } else if (!this.#group.reserve(Account.Memory, byteLength)) return false;
    this.#byteLength += byteLength;
    if (isLinear) this.#linearBytes += byteLength;
    return true;
  }

  release(kind: ResourceKind, byteLength: number): void {
    if (kind === "module" || kind === "code") return;
    this.#byteLength -= byteLength;
    if (kind === "memory") this.#linearBytes -= byteLength;
    if (isOutside(kind)) {
      this.#outsideBytes -= byteLength;
      this.#group.releaseOutside(byteLength);
    } else this.#group.release(Account.Memory, byteLength);
  }

  reserveBytes(byteLength: number): boolean {
    if (!this.reserve("externs", byteLength)) return false;
    this.#ownBytes += byteLength;
    return true;
  }

  releaseBytes(byteLength: number): void {
    this.#ownBytes -= byteLength;
    this.release("externs", byteLength);
  }

  /** Disposes of its store, and remembers what has to be cleaned of its memories. */
  leave(store: Store): void {
    const regions = this.#regions;
    const before = regions?.dirtyBytes ?? 0;
    store.dispose();
    this.#uncleanBytes += (regions?.dirtyBytes ?? 0) - before;
  }

  get isClean(): boolean {
    return this.#uncleanBytes === 0;
  }

  /** Cleans a part of what it has left, for others. Returns how many bytes. */
  cleanSome(): number {
    const byteLength = Math.min(CLEANED_PER_TURN, this.#uncleanBytes);
    if (byteLength > 0) this.#regions!.cleanSome(byteLength);
    this.#uncleanBytes -= byteLength;
    return byteLength;
  }

  /** In place of the store, which is gone, there are fewer bytes of its own: nobody is asked. */
  replaceStore(ownBytes: number): void {
    this.#group.release(Account.Outside, this.#outsideBytes);
    this.#group.release(Account.Memory, this.storeBytes - ownBytes);
    this.#ownBytes += ownBytes;
    this.#byteLength = this.#ownBytes;
    this.#outsideBytes = 0;
    this.#linearBytes = 0;
  }

  /** Gives all of it back. */
  releaseAll(): void {
    this.#group.release(Account.Memory, this.#byteLength);
    this.#group.release(Account.Outside, this.#outsideBytes);
    this.#byteLength = 0;
    this.#ownBytes = 0;
    this.#outsideBytes = 0;
    this.#linearBytes = 0;
  }
}
