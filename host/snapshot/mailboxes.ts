/**
 * Mailboxes in snapshots, and the message in the slot before them: bytes that are written and read some messages at a time, or a
 * part of a large one, so that full ones hold nobody up.
 */

import { SNAPSHOT_STEP_BYTES } from "../../vm/internal.ts";
import type { Group } from "../group.ts";
import type { Mailbox } from "../mailbox.ts";
import { DataMessage, type Message } from "../message.ts";
import { ByteSink, ByteSource } from "./byte-stream.ts";
import { invalid } from "./fields.ts";
import { beginMessage, type Modules, readBeginning } from "./messages.ts";

/** What a message and a resource cost of a step, besides bytes: about as many are looked at as a slice has time for. */
const MESSAGE_COST = 1_024;
const RESOURCE_COST = 256;

/** Writes a mailbox whose owner stands still: messages may come meanwhile, or be withdrawn by whoever sent them. */
export class MailboxWriter {
  readonly #mailbox: Mailbox;
  readonly #scratch: Message | null;
  #sink = new ByteSink();
  #isScratchWritten = false;
  /** The last one of the mailbox that is written. */
  #last: Message | null = null;
  /** Bytes of the message behind it that have been written; null before its beginning. */
  #done: number | null = null;
  #withdrawn: number;
  #count = 0;
  #seen = 0;

  constructor(mailbox: Mailbox, scratch: Message | null) {
    this.#mailbox = mailbox;
    this.#scratch = scratch;
    this.#withdrawn = mailbox.withdrawn;
  }

  /** True when all has been written that is there now. Throws `SnapshotError` for a message with a resource that is no module. */
  step(): boolean {
    let left = SNAPSHOT_STEP_BYTES;
    if (this.#withdrawn !== this.#mailbox.withdrawn) {
      // Seldom, and nobody may keep a mailbox from being saved by that: all at once.
      this.#withdrawn = this.#mailbox.withdrawn;
      this.#sink = new ByteSink();
      this.#isScratchWritten = false;
      this.#last = null;
      this.#done = null;
      this.#count = 0;
      this.#seen = 0;
      left = Number.POSITIVE_INFINITY;
    }
    for (;;) {
      const message = this.#next;
      if (message === null) return true;
      if (left <= 0) return false;
      left -= this.#write(message, left);
    }
  }

  get #next(): Message | null {
    if (this.#scratch !== null && !this.#isScratchWritten) return this.#scratch;
    return this.#last === null ? this.#mailbox.first : this.#last.next;
  }

  /** What it cost. */
  #write(message: Message, left: number): number {
    let cost = 0;
    if (this.#done === null) {
      cost = MESSAGE_COST + message.partCount * RESOURCE_COST;
      const what = () =>
        message === this.#scratch ? "the message in the slot" : `message ${this.#count + 1} of the mailbox`;
      beginMessage(this.#sink, message, what);
      this.#done = 0;
    }
    if (message instanceof DataMessage && this.#done < message.byteLength) {
      const length = Math.min(message.byteLength - this.#done, Math.max(left, MESSAGE_COST));
      message.eachBytes(this.#done, length, (bytes) => this.#sink.raw(bytes));
      this.#done += length;
      cost += length;
      if (this.#done < message.byteLength) return cost;
    }
    this.#done = null;
    if (message === this.#scratch) {
      this.#isScratchWritten = true;
      return cost;
    }
    this.#last = message;
    this.#count++;
    if (this.#mailbox.isSeen(message)) this.#seen = this.#count;
    return cost;
  }

  /** What has been written, after a step that was the last. */
  get state(): { readonly pieces: readonly Uint8Array[]; readonly hasScratch: boolean; readonly seen: number } {
    return { pieces: this.#sink.pieces, hasScratch: this.#scratch !== null, seen: this.#seen };
  }
}

/** Whose messages are read. */
export interface MailboxTarget {
  readonly mailbox: Mailbox;
  readonly group: Group;
  readonly messages: { scratch: Message | null };
}

/** Gives a process that nobody sees yet its messages. */
export class MailboxReader {
  readonly #source: ByteSource;
  readonly #modules: Modules;
  readonly #seen: number;
  /** Whether the next message is the one in the slot. */
  #isScratch: boolean;
  #count = 0;
  #looked = 0;
  /** The one of which bytes are missing, and how many. */
  #partial: DataMessage | null = null;
  #missing = 0;

  constructor(pieces: readonly Uint8Array[], hasScratch: boolean, seen: number, modules: Modules) {
    this.#isScratch = hasScratch;
    this.#source = new ByteSource(pieces);
    this.#seen = seen;
    this.#modules = modules;
  }

  /** True when all is there. Throws `SnapshotError`, and `Termination` when the group refuses. */
  step(target: MailboxTarget): boolean {
    let left = SNAPSHOT_STEP_BYTES;
    while (this.#partial !== null || !this.#source.isAtEnd) {
      if (left <= 0) return false;
      left -= this.#read(target, left);
    }
    if (this.#isScratch) throw invalid("no message in the slot");
    if (this.#seen > this.#count) throw invalid(`${this.#seen} of ${this.#count} messages have been seen`);
    // They have been paid for.
    const looks = Math.min(this.#seen - this.#looked, Math.max(0, Math.ceil(left / MESSAGE_COST)));
    target.mailbox.see(looks);
    this.#looked += looks;
    return this.#looked === this.#seen;
  }

  /** There will be no more steps. */
  discard(): void {
    this.#partial?.drop();
    this.#partial = null;
  }

  /** What it cost. */
  #read(target: MailboxTarget, left: number): number {
    let cost = 0;
    if (this.#partial === null) {
      const { message, missing } = readBeginning(this.#source, this.#modules, target.group);
      cost = MESSAGE_COST + message.partCount * RESOURCE_COST;
      if (!(message instanceof DataMessage) || missing === 0) {
        this.#give(target, message);
        return cost;
      }
      this.#partial = message;
      this.#missing = missing;
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
    this.#give(target, message);
    return cost;
  }

  #give({ mailbox, messages }: MailboxTarget, message: Message): void {
    if (this.#isScratch) {
      this.#isScratch = false;
      messages.scratch = message;
      return;
    }
    mailbox.push(message);
    this.#count++;
  }
}
