/**
 * Messages: data with a tag and resources, and the notices that links and monitors send. Their
 * bytes lie in chunks that are used again and again, since making an array for each would cost more
 * than delivering it.
 */

import { Termination, type Memory } from "../vm/index.ts";
import { Account, type Group } from "./group.ts";

/** The result of `receive` for each kind. */
export const enum MessageKind {
  Data,
  LinkDied,
  ProcessDied,
}

/** Something that can travel in a message: a module, a socket. */
export interface Resource {
  /** "module", "tcp-stream", … */
  readonly kind: string;
  /** Gives up this handle on it. Called when its message is dropped unread, or its owner ends. */
  close(): void;
}

/** Counted bytes of a message besides its data, and of each resource in it. */
export const MESSAGE_OVERHEAD = 64;
/** What a message of data costs its payer besides a large chunk: measured are 200 for it and 260 for a small chunk. */
const MESSAGE_BYTES = 512;
/** A larger capacity is not believed. */
const MAX_BELIEVED_CAPACITY = 65_536;
const SMALL_BYTES = 64;
/** Chunks of 128 B to 64 KiB by their power of two; the rest have arrays of their own. */
const MIN_CLASS = 7;
const MAX_CLASS = 16;
const POOLED_BYTES_PER_CLASS = 4_194_304;

const pools: Uint8Array[][] = Array.from({ length: MAX_CLASS + 1 }, () => []);
const EMPTY = new Uint8Array(0);

function takeChunk(byteLength: number): Uint8Array {
  if (byteLength <= SMALL_BYTES) return new Uint8Array(SMALL_BYTES);
  const size = Math.max(MIN_CLASS, 32 - Math.clz32(byteLength - 1));
  return pools[size]?.pop() ?? new Uint8Array(size > MAX_CLASS ? byteLength : 1 << size);
}

function giveChunk(chunk: Uint8Array): void {
  const { length } = chunk;
  if (length <= SMALL_BYTES || length > 1 << MAX_CLASS) return;
  const size = 31 - Math.clz32(length);
  const pool = pools[size]!;
  if (1 << size === length && pool.length << size < POOLED_BYTES_PER_CLASS) pool.push(chunk);
}

/** Whoever waits for room in a mailbox. */
export interface SuspendedSender {
  /** There is room, or the receiver has ended. */
  endSend(): void;
}

/** Anything in a mailbox. */
export abstract class Message {
  abstract readonly kind: MessageKind;
  /** As the guest gave it, signed; 0 for none. */
  tag: bigint;
  // The mailbox's.
  sequence = 0;
  previous: Message | null = null;
  next: Message | null = null;
  isIndexed = false;
  previousOfTag: Message | null = null;
  nextOfTag: Message | null = null;
  /** Who is suspended in `send` until there is room for it. */
  sender: SuspendedSender | null = null;
  /** The next message with a suspended sender. */
  previousSent: Message | null = null;
  nextSent: Message | null = null;
  /** The group that pays for its bytes: its writer's until it is taken, its reader's then. */
  payer: Group | null = null;
  /** Bytes that the payer is charged. */
  paidBytes = 0;

  constructor(tag: bigint) {
    this.tag = tag;
  }

  /** Bytes that count in the bound of a mailbox. Notices count nothing. */
  get countedBytes(): number {
    return 0;
  }

  /** Charges the payer for more. False when it refuses. */
  protected pay(byteLength: number): boolean {
    if (this.payer?.reserve(Account.Memory, byteLength) === false) return false;
    this.paidBytes += byteLength;
    return true;
  }

  /** Takes over bytes that `group` has been charged already: room that was reserved for it. */
  takeOver(group: Group, byteLength: number): void {
    this.payer = group;
    this.paidBytes = byteLength;
  }

  /** From now on `group` pays; it is not asked. */
  payBy(group: Group): void {
    if (this.payer === group) return;
    if (this.paidBytes > 0) {
      this.payer?.release(Account.Memory, this.paidBytes);
      group.charge(Account.Memory, this.paidBytes);
    }
    this.payer = group;
  }

  /** It will not be read: what it holds is freed. */
  drop(): void {
    if (this.paidBytes > 0) this.payer?.release(Account.Memory, this.paidBytes);
    this.payer = null;
    this.paidBytes = 0;
  }
}

export class DataMessage extends Message {
  readonly kind = MessageKind.Data;
  #chunk: Uint8Array;
  /** Bytes written. */
  byteLength = 0;
  /** Where reading goes on. May lie beyond the end. */
  cursor = 0;
  #resources: (Resource | null)[] | null = null;

  /** `capacity` is a hint. Throws `Termination` when the payer refuses. */
  constructor(tag: bigint, capacity = 0, payer: Group | null = null) {
    super(tag);
    this.payer = payer;
    this.#chunk = EMPTY;
    if (!this.pay(MESSAGE_BYTES)) throw new Termination("memory limit", "a message");
    if (capacity === 0) return;
    try {
      this.room(Math.min(capacity, MAX_BELIEVED_CAPACITY));
    } catch (error) {
      this.drop();
      throw error;
    }
  }

  /** A message with a copy of these bytes. */
  static of(bytes: Uint8Array, tag = 0n): DataMessage {
    const message = new DataMessage(tag, bytes.length);
    message.append(bytes);
    return message;
  }

  override get countedBytes(): number {
    return MESSAGE_OVERHEAD * (1 + (this.#resources?.length ?? 0)) + this.byteLength;
  }

  append(bytes: Uint8Array): void {
    this.room(bytes.length).set(bytes, this.byteLength);
    this.byteLength += bytes.length;
  }

  /**
   * The chunk, with room for so many bytes behind {@link byteLength}, which its writer then adds to
   * it. Not to be kept: chunks go from message to message. Throws `Termination` when the payer
   * refuses.
   */
  room(byteLength: number): Uint8Array {
    const needed = this.byteLength + byteLength;
    if (needed <= this.#chunk.length) return this.#chunk;
    const chunk = takeChunk(Math.max(needed, Math.min(this.#chunk.length * 2, needed + 0x100_0000)));
    const added = chunk.length - this.#chunk.length;
    if (chunk.length > SMALL_BYTES && !this.pay(added)) {
      giveChunk(chunk);
      throw new Termination("memory limit", `${needed} bytes of a message`);
    }
    chunk.set(this.#chunk.subarray(0, this.byteLength));
    giveChunk(this.#chunk);
    this.#chunk = chunk;
    return chunk;
  }

  /** Takes at most `maxLength` bytes from the cursor on and moves it: a view that is valid until the message changes. */
  take(maxLength: number): Uint8Array {
    const start = Math.min(this.cursor, this.byteLength);
    const end = Math.min(start + maxLength, this.byteLength);
    this.cursor = Math.max(this.cursor, end);
    return this.#chunk.subarray(start, end);
  }

  /** As {@link append}, from guest memory. Throws `Trap` out of bounds. */
  appendFrom(memory: Pick<Memory, "readInto">, address: number, byteLength: number): void {
    memory.readInto(address, this.room(byteLength), this.byteLength, byteLength);
    this.byteLength += byteLength;
  }

  /** As {@link take}, of so many bytes that are there, to guest memory. Throws `Trap` out of bounds. */
  takeInto(memory: Pick<Memory, "writeFrom">, address: number, byteLength: number): void {
    memory.writeFrom(address, this.#chunk, this.cursor, byteLength);
    this.cursor += byteLength;
  }

  /** A copy of all bytes. */
  get bytes(): Uint8Array {
    return this.#chunk.slice(0, this.byteLength);
  }

  /** Its index in the message. Throws `Termination` when the payer refuses. */
  pushResource(resource: Resource): number {
    this.#resources ??= [];
    if (!this.pay(MESSAGE_OVERHEAD)) throw new Termination("memory limit", "resources of a message");
    return this.#resources.push(resource) - 1;
  }

  /** The resource at an index, which stays. Null when there is none or it was taken. */
  resource(index: number): Resource | null {
    return this.#resources?.[index] ?? null;
  }

  /** Takes a resource out; the other indices stay. */
  takeResource(index: number): Resource | null {
    const resource = this.resource(index);
    if (resource !== null) this.#resources![index] = null;
    return resource;
  }

  /** How many resources were ever pushed. */
  get resourceCount(): number {
    return this.#resources?.length ?? 0;
  }

  override drop(): void {
    super.drop();
    giveChunk(this.#chunk);
    this.#chunk = EMPTY;
    this.byteLength = 0;
    if (this.#resources === null) return;
    for (const resource of this.#resources) resource?.close();
    this.#resources = null;
  }
}

/** A linked process failed. It has the tag of the link, and does not say who. */
export class LinkDied extends Message {
  readonly kind = MessageKind.LinkDied;
}

/** A monitored process ended. It has no tag. */
export class ProcessDied extends Message {
  readonly kind = MessageKind.ProcessDied;
  readonly pid: number;

  constructor(pid: number) {
    super(0n);
    this.pid = pid;
  }
}
