/**
 * Messages in the order they arrived, found by their tags, and the senders that wait for room. An
 * index by tag is made only for messages that a selective receive had to pass over, so each is
 * looked at once, whatever is received and however many wait. Passing over many takes several calls.
 *
 * A message over the bound is in the mailbox all the same, so that a receive that asks for its tag
 * finds it; it is its sender that waits. So a mailbox exceeds its bound by one message for each
 * process that sends to it at most. A sender that ends meanwhile takes its message with it.
 */

import { MessageKind, type Message, type SuspendedSender } from "./message.ts";
import { TagEntry, TagHash, TagSet, TagTable } from "./tag-table.ts";

export interface MailboxLimits {
  /** Data messages that may wait. */
  readonly maxMessages: number;
  /** Their bytes, each with its overhead. A single message always has room. */
  readonly maxBytes: number;
}

export const DEFAULT_MAILBOX: MailboxLimits = { maxMessages: 65_536, maxBytes: 16 * 1_048_576 };

/** Senders go on when there is room for so many messages: waking one for each that is taken would cost more than sending. */
const MAX_SLACK = 1_024;

/** Senders that go on at once when there is room: others have their turns before the rest. */
const ADMITTED_AT_ONCE = 256;

/** Messages that a selective receive passes over in one step: each is put into an index, which takes about a microsecond. */
export const SEEN_PER_STEP = 1_024;

/** Messages of one tag in their order. */
export class TagQueue extends TagEntry {
  first: Message;
  last: Message;

  constructor(message: Message) {
    super(message.tag);
    this.first = message;
    this.last = message;
  }
}

export interface MailboxOwner {
  /** {@link Mailbox.admit} is to be called in turns, until the mailbox is no more admitting. */
  admitLater(): void;
}

export class Mailbox {
  readonly limits: MailboxLimits;
  readonly #owner: MailboxOwner | null;
  #first: Message | null = null;
  #last: Message | null = null;
  /** The first message that no selective receive has passed over; nor has it those behind it. */
  #fresh: Message | null = null;
  #byTag: TagTable<TagQueue> | null = null;
  readonly #hash: TagHash;
  /** Messages that the last {@link take} has passed over. */
  passed = 0;
  #size = 0;
  #sequence = 0;
  #dataCount = 0;
  #dataBytes = 0;
  /** Messages whose senders wait, in their order, and what they count. */
  #firstSent: Message | null = null;
  #lastSent: Message | null = null;
  #sentCount = 0;
  #sentBytes = 0;
  /** Messages that their senders have taken back. */
  withdrawn = 0;
  /** Whether there is room for senders that have not gone on yet. */
  isAdmitting = false;
  #isClosed = false;

  constructor(limits: MailboxLimits = DEFAULT_MAILBOX, owner: MailboxOwner | null = null, hash = TagHash.shared) {
    this.limits = limits;
    this.#owner = owner;
    this.#hash = hash;
  }

  /** Messages of all kinds. */
  get size(): number {
    return this.#size;
  }

  /** Counted bytes of data messages. */
  get byteLength(): number {
    return this.#dataBytes;
  }

  /** Entries of the index that look-ups have compared. */
  get probes(): number {
    return this.#byTag?.probes ?? 0;
  }

  /** Senders that wait for room. */
  get waitingSenders(): number {
    return this.#sentCount;
  }

  /** Whether enough has been taken for senders to go on. */
  get #hasSlack(): boolean {
    const { maxMessages, maxBytes } = this.limits;
    const count = this.#dataCount - this.#sentCount;
    if (count === 0) return true;
    const bytes = this.#dataBytes - this.#sentBytes;
    return count <= maxMessages - Math.min(maxMessages / 2, MAX_SLACK) && bytes <= maxBytes - maxBytes / 8;
  }

  /** Whether there is room for a message that counts so many bytes. */
  hasRoom(countedBytes: number): boolean {
    const count = this.#dataCount - this.#sentCount;
    const bytes = this.#dataBytes - this.#sentBytes;
    const { maxMessages, maxBytes } = this.limits;
    return count < maxMessages && (count === 0 || bytes + countedBytes <= maxBytes);
  }

  /** `sender`, if given, waits until there is room for the message or it is taken. */
  push(message: Message, sender: SuspendedSender | null = null): void {
    message.sequence = this.#sequence++;
    this.#size++;
    if (message.kind === MessageKind.Data) {
      this.#dataCount++;
      this.#dataBytes += message.countedBytes;
    }
    const last = this.#last;
    message.previous = last;
    message.next = null;
    if (last === null) this.#first = message;
    else last.next = message;
    this.#last = message;
    if (this.#fresh === null) this.#fresh = message;
    if (sender !== null) this.#addSender(message, sender);
  }

  /** The oldest message; each knows the next one. */
  get first(): Message | null {
    return this.#first;
  }

  /** Takes the oldest message. */
  shift(): Message | null {
    const message = this.#first;
    if (message !== null) this.#remove(message);
    return message;
  }

  /**
   * Takes the oldest message that has one of these tags. Messages without a tag never match. Null when there is none, or
   * none among those passed over before and `limit` others: then it {@link hasUnseen}.
   */
  take(tags: TagSet, limit = Number.POSITIVE_INFINITY): Message | null {
    this.passed = 0;
    // What is in the index is older than what is not.
    const message = this.#oldestIndexed(tags) ?? this.#firstFresh(tags, limit);
    if (message !== null) this.#remove(message);
    return message;
  }

  /** Whether there are messages that no selective receive has passed over. */
  get hasUnseen(): boolean {
    return this.#fresh !== null;
  }

  /** Whether selective receives have passed over a message, which is in the mailbox. */
  isSeen(message: Message): boolean {
    return this.#fresh === null || message.sequence < this.#fresh.sequence;
  }

  /** As if a selective receive had passed over `count` more messages, the oldest. There are so many. */
  see(count: number): void {
    this.passed = 0;
    this.#firstFresh(new TagSet([]), count);
  }

  /** The sender of this message, which waits, waits no more: the message, which had no room, is dropped. */
  withdraw(message: Message): void {
    if (message.sender === null) return;
    this.#removeSender(message);
    this.#remove(message);
    this.withdrawn++;
    message.drop();
  }

  #oldestIndexed(tags: TagSet): Message | null {
    if (this.#byTag === null || this.#byTag.size === 0) return null;
    let oldest: Message | null = null;
    tags.forEachIn(this.#byTag, ({ first }) => {
      if (oldest === null || first.sequence < oldest.sequence) oldest = first;
    });
    return oldest;
  }

  /** Passes over what does not match, indexing it, up to the first that does. */
  #firstFresh(tags: TagSet, limit: number): Message | null {
    let found = false;
    for (let message = this.#fresh; message !== null && this.passed < limit; this.passed++) {
      const { tag } = message;
      if (tag !== 0n) {
        found = tags.has(tag);
        if (found) break;
        this.#index(message);
      }
      message = message.next;
      this.#fresh = message;
    }
    return found ? this.#fresh : null;
  }

  #index(message: Message): void {
    this.#byTag ??= new TagTable(this.#hash);
    const queue = this.#byTag.get(message.tag);
    message.nextOfTag = null;
    if (queue === null) {
      message.previousOfTag = null;
      message.queue = new TagQueue(message);
      this.#byTag.add(message.queue);
      return;
    }
    message.queue = queue;
    message.previousOfTag = queue.last;
    queue.last.nextOfTag = message;
    queue.last = message;
  }

  #remove(message: Message): void {
    this.#size--;
    if (message.kind === MessageKind.Data) {
      this.#dataCount--;
      this.#dataBytes -= message.countedBytes;
    }
    const { previous, next } = message;
    if (this.#fresh === message) this.#fresh = next;
    if (previous === null) this.#first = next;
    else previous.next = next;
    if (next === null) this.#last = previous;
    else next.previous = previous;
    message.previous = null;
    message.next = null;
    if (message.queue !== null) this.#unindex(message, message.queue);
    if (this.#sentCount > 0) this.#senderOf(message);
  }

  #unindex(message: Message, queue: TagQueue): void {
    const { previousOfTag, nextOfTag } = message;
    message.queue = null;
    message.previousOfTag = null;
    message.nextOfTag = null;
    if (previousOfTag === null && nextOfTag === null) {
      this.#byTag!.delete(queue);
      return;
    }
    if (previousOfTag === null) queue.first = nextOfTag!;
    else previousOfTag.nextOfTag = nextOfTag;
    if (nextOfTag === null) queue.last = previousOfTag!;
    else nextOfTag.previousOfTag = previousOfTag;
  }

  #addSender(message: Message, sender: SuspendedSender): void {
    message.sender = sender;
    const last = this.#lastSent;
    message.previousSent = last;
    message.nextSent = null;
    if (last === null) this.#firstSent = message;
    else last.nextSent = message;
    this.#lastSent = message;
    this.#sentCount++;
    this.#sentBytes += message.countedBytes;
  }

  #removeSender(message: Message): void {
    const { previousSent, nextSent } = message;
    if (previousSent === null) this.#firstSent = nextSent;
    else previousSent.nextSent = nextSent;
    if (nextSent === null) this.#lastSent = previousSent;
    else nextSent.previousSent = previousSent;
    message.sender = null;
    message.previousSent = null;
    message.nextSent = null;
    this.#sentCount--;
    this.#sentBytes -= message.countedBytes;
  }

  /** From now on nobody is let go on but the senders of messages that are taken: all of them will be. */
  close(): void {
    this.#isClosed = true;
    this.isAdmitting = false;
  }

  /** Lets the sender of a message that was taken go on, and others for which there is room now. */
  #senderOf(taken: Message): void {
    const { sender } = taken;
    if (sender !== null) {
      this.#removeSender(taken);
      sender.endSend();
    }
    if (this.isAdmitting || this.#isClosed || !this.#hasSlack) return;
    this.isAdmitting = true;
    this.admit(this.#owner === null ? Number.POSITIVE_INFINITY : ADMITTED_AT_ONCE);
    if (this.isAdmitting) this.#owner?.admitLater();
  }

  /** Lets senders go on for which there is room, so many at most. Returns how many. */
  admit(limit: number): number {
    for (let count = 0; count < limit; count++) {
      const message = this.#firstSent;
      if (!this.isAdmitting || message === null || !this.hasRoom(message.countedBytes)) {
        this.isAdmitting = false;
        return count;
      }
      const next = message.sender!;
      this.#removeSender(message);
      next.endSend();
    }
    return limit;
  }
}
