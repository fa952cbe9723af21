/**
 * The descriptors of one guest: what a number stands for, and which number comes next. As in
 * POSIX a new descriptor gets the lowest free number.
 */

import { SharedDirectory } from "../shared-directories.ts";
import type { Directory, InputStream, OpenFile, OutputStream } from "../system.ts";
import { SystemError } from "../system.ts";
import type { Listing } from "./listing.ts";

export interface InputDescriptor {
  readonly kind: "input";
  readonly stream: InputStream;
  flags: number;
  rights: bigint;
}

export interface OutputDescriptor {
  readonly kind: "output";
  readonly stream: OutputStream;
  flags: number;
  rights: bigint;
}

export interface FileDescriptor {
  readonly kind: "file";
  readonly file: OpenFile;
  position: bigint;
  flags: number;
  rights: bigint;
}

export interface DirectoryDescriptor {
  readonly kind: "directory";
  readonly directory: Directory;
  /** Nothing below it may be changed through it. */
  readonly readOnly: boolean;
  /** The guest's name of a preopened directory, else null. */
  readonly preopenName: string | null;
  /** The same as UTF-8. */
  readonly preopenBytes: Uint8Array | null;
  /** What fd_readdir goes through, from its first call on. */
  listing: Listing | null;
  flags: number;
  rights: bigint;
  /** What its descendants may be given. */
  inheritingRights: bigint;
  /** Walks that began in it go no further. */
  isClosed: boolean;
}

export type Descriptor = InputDescriptor | OutputDescriptor | FileDescriptor | DirectoryDescriptor;

/** Open descriptors of one guest: each may hold one of the host's, which are some thousand as a rule. */
export const DEFAULT_MAX_DESCRIPTORS = 1_024;

/** One for all: guests look for open descriptors at every start, and making an error costs microseconds. */
const NOT_OPEN = new SystemError("EBADF");

/** Who counts what the guest holds of the host: files and directories, and bytes that the host keeps for it. */
export interface DescriptorAccount {
  /** False when there may be no more. */
  reserve(): boolean;
  release(): void;
  reserveBytes(byteLength: number): boolean;
  releaseBytes(byteLength: number): void;
}

/** Whether the guest has opened it: streams and preopened directories are the business of whoever passed them in. */
function isOpened(descriptor: Descriptor): boolean {
  return descriptor.kind === "file" || (descriptor.kind === "directory" && descriptor.preopenName === null);
}

export class DescriptorTable {
  #entries: (Descriptor | null)[] = [];
  readonly #limit: number;
  readonly #account: DescriptorAccount | null;
  /** No number below it is free. */
  #firstFree = 0;
  #isOver = false;

  constructor(limit: number, account: DescriptorAccount | null = null) {
    this.#limit = limit;
    this.#account = account;
  }

  /** Throws EBADF for a number that is not open. */
  get(fd: number): Descriptor {
    const descriptor = this.#entries[fd];
    if (descriptor == null) throw NOT_OPEN;
    return descriptor;
  }

  /** As {@link get}, null for a number that is not open. */
  find(fd: number): Descriptor | null {
    return this.#entries[fd] ?? null;
  }

  directory(fd: number): DirectoryDescriptor {
    const descriptor = this.get(fd);
    if (descriptor.kind !== "directory") throw new SystemError("ENOTDIR");
    return descriptor;
  }

  /** Throws EMFILE when no number is left; callers ask before they open anything. */
  checkRoom(): void {
    if (this.#lowestFree() >= this.#limit) throw new SystemError("EMFILE");
  }

  /** With streams and preopened directories, from number 0 on: in a list that has no room for more, since most guests open nothing. */
  begin(descriptors: readonly Descriptor[]): void {
    if (descriptors.length > this.#limit) throw new SystemError("EMFILE");
    this.#entries = descriptors.slice();
    this.#firstFree = descriptors.length;
  }

  /** Throws ECANCELED after {@link removeAll}: nobody would close it. */
  add(descriptor: Descriptor): number {
    if (this.#isOver) throw new SystemError("ECANCELED");
    this.checkRoom();
    if (this.#account !== null && isOpened(descriptor) && !this.#account.reserve()) throw new SystemError("ENFILE");
    const fd = this.#lowestFree();
    this.#entries[fd] = descriptor;
    this.#firstFree = fd + 1;
    return fd;
  }

  /** As {@link add}, under a number of the caller's choice. Throws a RangeError for one that is open or too large. */
  put(fd: number, descriptor: Descriptor): void {
    if (!(fd >= 0 && fd < this.#limit) || this.#entries[fd] != null) throw new RangeError(`descriptor ${fd}`);
    if (this.#account !== null && isOpened(descriptor) && !this.#account.reserve()) throw new SystemError("ENFILE");
    while (this.#entries.length < fd) this.#entries.push(null);
    this.#entries[fd] = descriptor;
  }

  /** Takes the number out and leaves closing to the caller. */
  remove(fd: number): Descriptor {
    const descriptor = this.get(fd);
    this.#free(fd);
    this.#release(descriptor);
    return descriptor;
  }

  /** Counts what a call has open besides the descriptors, until {@link letGo}. False when there may be no more. */
  hold(): boolean {
    return this.#account === null || this.#account.reserve();
  }

  letGo(): void {
    this.#account?.release();
  }

  #free(fd: number): void {
    this.#entries[fd] = null;
    if (fd < this.#firstFree) this.#firstFree = fd;
  }

  #release(descriptor: Descriptor): void {
    if (isOpened(descriptor)) this.#account?.release();
    if (descriptor.kind === "directory") this.#dropListing(descriptor);
  }

  /** Keeps what fd_readdir goes through, whose bytes are counted. Throws ECANCELED for a descriptor that is closed. */
  keepListing(descriptor: DirectoryDescriptor, listing: Listing): void {
    if (this.#isOver || descriptor.isClosed) throw new SystemError("ECANCELED");
    this.#dropListing(descriptor);
    descriptor.listing = listing;
  }

  #dropListing(descriptor: DirectoryDescriptor): void {
    if (descriptor.listing !== null) this.#account?.releaseBytes(descriptor.listing.byteLength);
    descriptor.listing = null;
  }

  /** Gives the descriptor `from` the number `to`, and returns what `to` stood for. Both must be open. */
  renumber(from: number, to: number): Descriptor | null {
    const replaced = this.get(to);
    const moved = this.get(from);
    if (from === to) return null;
    this.#entries[to] = moved;
    this.#free(from);
    this.#release(replaced);
    return replaced;
  }

  /** Takes out everything, for good. */
  removeAll(): Descriptor[] {
    this.#isOver = true;
    const open = this.#entries.filter((descriptor) => descriptor !== null);
    for (const descriptor of open) this.#release(descriptor);
    this.#entries.length = 0;
    this.#firstFree = 0;
    return open;
  }

  /** Each number that is open, with what it stands for. */
  *entries(): Generator<readonly [number, Descriptor], void> {
    for (const [fd, descriptor] of this.#entries.entries()) if (descriptor !== null) yield [fd, descriptor];
  }

  #lowestFree(): number {
    let fd = this.#firstFree;
    while (fd < this.#entries.length && this.#entries[fd] !== null) fd++;
    this.#firstFree = fd;
    return fd;
  }
}

/** Closes what the descriptor holds of the host; null when there is nothing to wait for. Streams belong to whoever passed them in. */
export function closeDescriptor(descriptor: Descriptor): Promise<void> | null {
  if (descriptor.kind === "file") return descriptor.file.close();
  if (descriptor.kind !== "directory") return null;
  descriptor.isClosed = true;
  const { directory } = descriptor;
  return directory instanceof SharedDirectory ? directory.release() : directory.close();
}
