/**
 * Mailboxes in snapshots: bytes that are written and read some messages at a time, or a part of a large one, so that full ones
 * hold nobody up. Records of plain data took four microseconds for each message, all in one step.
 *
 *     message    kind (u8), tag (i64), and
 *     notice     the number of the process that it tells of (f64)
 *     data       the cursor (f64), bytes and resources (u32 each), resources, bytes
 *     resource   0, or 1 and the SHA-256 of a module
 */

import { moduleHash, SNAPSHOT_STEP_BYTES } from "../../vm/index.ts";
import type { Group } from "../group.ts";
import type { Mailbox } from "../mailbox.ts";
import { DataMessage, MAX_MESSAGE_RESOURCES, type Message, MessageKind } from "../message.ts";
import { ModuleHandle } from "../modules.ts";
import { ByteSink, ByteSource } from "./byte-stream.ts";
import { invalid } from "./fields.ts";
import { hexOf, idOf, type Modules, moduleOf, notice, pushResource } from "./messages.ts";

/** What a message and a resource cost of a step, besides bytes: about as many are looked at as a slice has time for. */
const MESSAGE_COST = 1_024;
const RESOURCE_COST = 256;
const HASH_BYTES = 32;

/** Writes a mailbox whose owner stands still: messages may come meanwhile, or be withdrawn by whoever sent them. */
export class MailboxWriter {
  readonly #mailbox: Mailbox;
  #sink = new ByteSink();
  #last: Message | null = null;
  /** Bytes of the message behind it that have been written; null before its beginning. */
  #done: number | null = null;
  #withdrawn: number;
  #count = 0;
  #seen = 0;

  constructor(mailbox: Mailbox) {
    this.#mailbox = mailbox;
    this.#withdrawn = mailbox.withdrawn;
  }

  /** True when all has been written that is there now. Throws `SnapshotError` for a message with a resource that is no module. */
  step(): boolean {
    let left = SNAPSHOT_STEP_BYTES;
    if (this.#withdrawn !== this.#mailbox.withdrawn) {
      // Seldom, and nobody may keep a mailbox from being saved by that: all at once.
      this.#withdrawn = this.#mailbox.withdrawn;
      this.#sink = new ByteSink();
      this.#last = null;
      this.#done = null;
      this.#count = 0;
      this.#seen = 0;
      left = Number.POSITIVE_INFINITY;
    }
    for (;;) {
      const message = this.#last === null ? this.#mailbox.first : this.#last.next;
      if (message === null) return true;
      if (left <= 0) return false;
      left -= this.#write(message, left);
    }
  }

  /** What it cost. */
  #write(message: Message, left: number): number {
    let cost = 0;
    if (this.#done === null) {
      cost = MESSAGE_COST + message.partCount * RESOURCE_COST;
      this.#begin(message);
      this.#done = 0;
    }
    if (message instanceof DataMessage && this.#done < message.byteLength) {
      const length = Math.min(message.byteLength - this.#done, Math.max(left, MESSAGE_COST));
      message.eachBytes(this.#done, length, (bytes) => this.#sink.raw(bytes));
      this.#done += length;
      cost += length;
      if (this.#done < message.byteLength) return cost;
    }
    this.#last = message;
    this.#done = null;
    this.#count++;
    if (this.#mailbox.isSeen(message)) this.#seen = this.#count;
    return cost;
  }

  #begin(message: Message): void {
    const sink = this.#sink;
    sink.u8(message.kind);
    sink.i64(message.tag);
    if (!(message instanceof DataMessage)) {
      sink.i64(BigInt.asIntN(64, idOf(message)));
      return;
    }
    sink.f64(message.cursor);
    sink.u32(message.byteLength);
    sink.u32(message.resourceCount);
    for (let i = 0; i < message.resourceCount; i++) {
      const module = moduleOf(message.resource(i), () => `resource ${i} of message ${this.#count + 1} of the mailbox`);
      sink.u8(module === null ? 0 : 1);
      if (module !== null) sink.raw(moduleHash(module));
    }
  }

  /** What has been written, after a step that was the last. */
  get state(): { readonly pieces: readonly Uint8Array[]; readonly seen: number } {
    return { pieces: this.#sink.pieces, seen: this.#seen };
  }
}

/** Gives a process that nobody sees yet its mailbox. */
export class MailboxReader {
  readonly #source: ByteSource;
  readonly #modules: Modules;
  readonly #seen: number;
  #count = 0;
  #looked = 0;
  /** The one of which bytes are missing, and how many. */
  #partial: DataMessage | null = null;
  #missing = 0;

  constructor(pieces: readonly Uint8Array[], seen: number, modules: Modules) {
    this.#source = new ByteSource(pieces);
    this.#seen = seen;
    this.#modules = modules;
  }

  /** True when all is there. Throws `SnapshotError`, and `Termination` when the group refuses. */
  step(mailbox: Mailbox, group: Group): boolean {
    let left = SNAPSHOT_STEP_BYTES;
    while (this.#partial !== null || !this.#source.isAtEnd) {
      if (left <= 0) return false;
      left -= this.#read(mailbox, group, left);
    }
    if (this.#seen > this.#count) throw invalid(`${this.#seen} of ${this.#count} messages have been seen`);
    // They have been paid for.
    const looks = Math.min(this.#seen - this.#looked, Math.max(0, Math.ceil(left / MESSAGE_COST)));
    mailbox.see(looks);
    this.#looked += looks;
    return this.#looked === this.#seen;
  }

  /** There will be no more steps. */
  discard(): void {
    this.#partial?.drop();
    this.#partial = null;
  }

  /** What it cost. */
  #read(mailbox: Mailbox, group: Group, left: number): number {
    let cost = 0;
    if (this.#partial === null) {
      const message = this.#begin(group);
      cost = MESSAGE_COST + message.partCount * RESOURCE_COST;
      if (!(message instanceof DataMessage)) {
        this.#push(mailbox, message);
        return cost;
      }
      this.#partial = message;
    }
    while (this.#missing > 0 && cost < left) {
      const bytes = this.#source.some(Math.min(this.#missing, Math.max(left - cost, MESSAGE_COST)));
      this.#partial.append(bytes);
      this.#missing -= bytes.length;
      cost += bytes.length;
    }
    if (this.#missing > 0) return cost;
    const message = this.#partial;
    this.#partial = null;
    this.#push(mailbox, message);
    return cost;
  }

  #push(mailbox: Mailbox, message: Message): void {
    mailbox.push(message);
    this.#count++;
  }

  #begin(group: Group): Message {
    const source = this.#source;
    const kind = source.u8() as MessageKind;
    const tag = source.i64();
    if (kind !== MessageKind.Data) return notice(kind, tag, source.i64(), group);
    const cursor = source.count();
    this.#missing = source.u32();
    const resources = source.u32();
    if (resources > MAX_MESSAGE_RESOURCES) throw invalid(`${resources} resources of a message`);
    const message = new DataMessage(tag, 0, group);
    try {
      message.cursor = cursor;
      for (let i = 0; i < resources; i++) pushResource(message, this.#handle(group));
    } catch (error) {
      message.drop();
      throw error;
    }
    return message;
  }

  #handle(group: Group): ModuleHandle | null {
    const source = this.#source;
    const flag = source.u8();
    if (flag > 1) throw invalid("a resource of a message");
    if (flag === 0) return null;
    const hash = new Uint8Array(HASH_BYTES);
    for (let done = 0; done < HASH_BYTES; ) {
      const bytes = source.some(HASH_BYTES - done);
      hash.set(bytes, done);
      done += bytes.length;
    }
    return this.#modules.open(hexOf(hash), group);
  }
}
