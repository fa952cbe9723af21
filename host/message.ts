/**
 * Messages: data with a tag and resources, and the notices that links and monitors send. Those that guests build and
 * read are used again and again, as the chunks are in which their bytes lie.
 */

import { Termination, type Memory } from "../vm/index.ts";
import { tell } from "./callbacks.ts";
import { giveChunk, NO_CHUNK, takeChunk, type Chunk } from "./chunks.ts";
import { Account, type Group } from "./group.ts";
import type { TagQueue } from "./mailbox.ts";
import { checkMessage } from "./options.ts";
import { Stock } from "./stock.ts";

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

/** Resources in one message: all are closed in one step when it is dropped. */
export const MAX_MESSAGE_RESOURCES = 4_096;
/** Bytes that count in the bound of a mailbox: of a message besides its data, and of each resource in it. */
export const MESSAGE_OVERHEAD = 64;
/** What a resource costs the payer. */
const MESSAGE_RESOURCE_BYTES = 128;
/** What a message of data costs its payer besides a large chunk: measured are 200 for it and 260 for a small chunk. */
const MESSAGE_BYTES = 512;
/** A larger capacity is not believed. */
const MAX_BELIEVED_CAPACITY = 65_536;
/** A chunk grows up to this; what is longer has more chunks of the size, since copying would take too long for one step. */
const SEGMENT_BYTES = 1_048_576;
/** A chunk up to this is in the price of the message. */
const SMALL_BYTES = 64;

/** Dropped messages that will be others. */
const idle = new Stock<DataMessage>(MESSAGE_BYTES);

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
  /** Of its tag, once a selective receive has passed over it. */
  queue: TagQueue | null = null;
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

  /** What dropping it takes: 1, and 1 for each of its resources. */
  get partCount(): number {
    return 1;
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

  /** It will not be read: what it holds is freed. By whoever alone has it, since it may become another message. */
  drop(): void {
    if (this.paidBytes > 0) this.payer?.release(Account.Memory, this.paidBytes);
    this.payer = null;
    this.paidBytes = 0;
  }
}

export class DataMessage extends Message {
  readonly kind = MessageKind.Data;
  #chunk: Chunk = NO_CHUNK;
  /** What follows the first {@link SEGMENT_BYTES}. */
  #more: Chunk[] | null = null;
  /** Bytes written. */
  byteLength = 0;
  /** Where reading goes on. May lie beyond the end. */
  cursor = 0;
  #resources: (Resource | null)[] | null = null;
  /** Whether it becomes another one when it is dropped: not those that the embedder or a native process has made and may still have. */
  #isReused = false;

  /** `capacity` is a hint. Throws `Termination` when the payer refuses. */
  constructor(tag: bigint, capacity = 0, payer: Group | null = null) {
    super(tag);
    this.#begin(capacity, payer);
  }

  /**
   * As the constructor, for one that becomes another one when it is dropped: most processes go on and on building and
   * reading messages, and those that wait in a mailbox are old when they are read, which makes new ones dear for V8.
   */
  static begin(tag: bigint, capacity: number, payer: Group): DataMessage {
    const former = idle.take();
    const message = former ?? new DataMessage(tag, capacity, payer);
    if (former !== undefined) {
      former.tag = tag;
      former.#begin(capacity, payer);
    }
    message.#isReused = true;
    return message;
  }

  #begin(capacity: number, payer: Group | null): void {
    const chunk = capacity === 0 ? NO_CHUNK : takeChunk(Math.min(capacity, MAX_BELIEVED_CAPACITY));
    this.payer = payer;
    if (!this.pay(MESSAGE_BYTES + (chunk.length > SMALL_BYTES ? chunk.length : 0))) {
      giveChunk(chunk);
      throw new Termination("memory limit", "a message");
    }
    this.#chunk = chunk;
  }

  /**
   * A message with a copy of these bytes. Throws `Termination` when the payer refuses, `TypeError` or `RangeError` for what is
   * no data, or no tag.
   */
  static of(bytes: Uint8Array, tag = 0n, payer: Group | null = null): DataMessage {
    checkMessage(bytes, tag);
    const message = new DataMessage(BigInt.asIntN(64, tag), bytes.length, payer);
    try {
      message.append(bytes);
    } catch (error) {
      message.drop();
      throw error;
    }
    return message;
  }

  override get countedBytes(): number {
    return MESSAGE_OVERHEAD * (1 + (this.#resources?.length ?? 0)) + this.byteLength;
  }

  override get partCount(): number {
    return 1 + this.resourceCount;
  }

  append(bytes: Uint8Array): void {
    const start = this.byteLength;
    this.#makeRoom(start + bytes.length);
    this.#eachPart(start, bytes.length, (chunk, at, done, length) => {
      chunk.bytes.set(bytes.subarray(done, done + length), at);
    });
    this.byteLength += bytes.length;
  }

  /** Room for so many bytes in all. Throws `Termination` when the payer refuses. */
  #makeRoom(needed: number): void {
    if (needed <= this.#chunk.length) return;
    if (this.#chunk.length < SEGMENT_BYTES) this.#growChunk(Math.min(needed, SEGMENT_BYTES));
    const former = this.#more?.length ?? 0;
    const count = Math.ceil(needed / SEGMENT_BYTES) - 1;
    if (count <= former) return;
    if (!this.pay((count - former) * SEGMENT_BYTES))
      throw new Termination("memory limit", `${needed} bytes of a message`);
    this.#more ??= [];
    while (this.#more.length < count) this.#more.push(takeChunk(SEGMENT_BYTES));
  }

  #growChunk(needed: number): void {
    const former = this.#chunk;
    const chunk = takeChunk(Math.max(needed, Math.min(former.length * 2, SEGMENT_BYTES)));
    if (chunk.length > SMALL_BYTES && !this.pay(chunk.length - former.length)) {
      giveChunk(chunk);
      throw new Termination("memory limit", `${needed} bytes of a message`);
    }
    if (this.byteLength > 0) {
      chunk.bytes.set(former.bytes.subarray(former.at, former.at + this.byteLength), chunk.at);
    }
    giveChunk(former);
    this.#chunk = chunk;
  }

  /** Calls `use` for each chunk's part of so many bytes from `start` on, with its place in it and how many came before. */
  #eachPart(
    start: number,
    byteLength: number,
    use: (chunk: Chunk, at: number, done: number, length: number) => void,
  ): void {
    for (let done = 0; done < byteLength; ) {
      const index = Math.floor((start + done) / SEGMENT_BYTES);
      const offset = start + done - index * SEGMENT_BYTES;
      const length = Math.min(byteLength - done, SEGMENT_BYTES - offset);
      const chunk = index === 0 ? this.#chunk : this.#more![index - 1]!;
      use(chunk, chunk.at + offset, done, length);
      done += length;
    }
  }

  /** As {@link append}, from guest memory. Throws `Trap` out of bounds. */
  appendFrom(memory: Pick<Memory, "readInto">, address: number, byteLength: number): void {
    const start = this.byteLength;
    this.#makeRoom(start + byteLength);
    const chunk = this.#chunk;
    if (start + byteLength <= chunk.length) memory.readInto(address, chunk, chunk.at + start, byteLength);
    else {
      this.#eachPart(start, byteLength, (part, at, done, length) => memory.readInto(address + done, part, at, length));
    }
    this.byteLength += byteLength;
  }

  /** Moves so many bytes, which are there, from the cursor on to guest memory. Throws `Trap` out of bounds. */
  takeInto(memory: Pick<Memory, "writeFrom">, address: number, byteLength: number): void {
    const { cursor } = this;
    const chunk = this.#chunk;
    if (cursor + byteLength <= chunk.length) memory.writeFrom(address, chunk, chunk.at + cursor, byteLength);
    else {
      this.#eachPart(cursor, byteLength, (part, at, done, length) =>
        memory.writeFrom(address + done, part, at, length),
      );
    }
    this.cursor += byteLength;
  }

  /** A copy of all bytes. */
  get bytes(): Uint8Array {
    const bytes = new Uint8Array(this.byteLength);
    this.eachBytes(0, bytes.length, (part, done) => bytes.set(part, done));
    return bytes;
  }

  /** Calls `use` for so many bytes from `start` on, which are there, in parts: views for the time of the call, and how many came before. */
  eachBytes(start: number, byteLength: number, use: (part: Uint8Array, done: number) => void): void {
    this.#eachPart(start, byteLength, ({ bytes }, at, done, length) => use(bytes.subarray(at, at + length), done));
  }

  /** Its index in the message. Throws `Termination` when the payer refuses. */
  pushResource(resource: Resource): number {
    this.#resources ??= [];
    if (!this.pay(MESSAGE_RESOURCE_BYTES)) throw new Termination("memory limit", "resources of a message");
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
    this.#chunk = NO_CHUNK;
    if (this.#more !== null) {
      for (const chunk of this.#more) giveChunk(chunk);
      this.#more = null;
    }
    this.byteLength = 0;
    this.cursor = 0;
    const resources = this.#resources;
    this.#resources = null;
    if (this.#isReused) {
      // Once only: it is somebody else's then.
      this.#isReused = false;
      idle.give(this);
    }
    if (resources === null) return;
    for (const resource of resources) if (resource !== null) tell((it) => it.close(), resource);
  }
}

/** A linked process failed. It has the tag of the link, and does not say who. */
export class LinkDied extends Message {
  readonly kind = MessageKind.LinkDied;
}

/** A monitored process ended. It has no tag. */
export class ProcessDied extends Message {
  readonly kind = MessageKind.ProcessDied;
  /** The number that was monitored: of 64 bits, unsigned, whether a process ever had it or not. */
  readonly id: bigint;

  constructor(id: bigint) {
    super(0n);
    this.id = id;
  }

  /** The same; rounded from 2^53 on, which no process has. */
  get pid(): number {
    return Number(this.id);
  }
}
