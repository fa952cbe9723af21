/**
 * The messages of a guest: its scratch slot, what it sends and waits for room for, and what it receives. A call that sends and
 * receives is answered when both are done, whichever is first.
 */

import { DOUBLE_ZERO, SUSPEND, Termination, Trap, type Caller, type Value } from "../vm/internal.ts";
import type { BasicProcess } from "./basic-process.ts";
import type { Expiring, HostCall } from "./host-call.ts";
import { SEEN_PER_STEP } from "./mailbox.ts";
import { DataMessage, type Message, type SuspendedSender } from "./message.ts";
import type { Waiting } from "./process-run.ts";
import type { ByteAccount } from "./resources.ts";
import { type BlockedSend, breakCircle, LOOK_CHARGE, nextSuspension, NOBODY_MAKES_ROOM } from "./send-circle.ts";
import type { Pid } from "./signal.ts";
import { TagSet } from "./tag-table.ts";

/** What `receive` returns when the time is over. */
export const TIMED_OUT = 9027;

/** Bytes of a tag that is waited for. */
const TAG_BYTES = 128;
/** So many tags are in the price of a process. */
const FREE_TAGS = 8;

const KIND_RESULTS: readonly (readonly Value[])[] = [[0], [1], [2]];
const ARRIVED_RESULTS: readonly (readonly Value[])[] = [[0], [0], [0]];
const TIMED_OUT_RESULT: readonly Value[] = [TIMED_OUT];
const SENT_RESULT: readonly Value[] = [0];

/** A selective receive that has begun, and when by the executor's time. */
interface Search {
  readonly tags: TagSet;
  readonly sinceMs: number;
}

export class ProcessMessages implements Expiring, SuspendedSender {
  readonly #process: BasicProcess;
  readonly #account: ByteAccount;
  readonly #call: HostCall;
  /** The message being built or read. */
  scratch: Message | null = null;
  #isExpecting = false;
  /** What it expects; null for any message. */
  #tags: TagSet | null = null;
  /** Paid for while it waits for many. */
  #tagBytes = 0;
  /** The receive that has messages left to look at. */
  #searching: Search | null = null;
  /** What the call that waits returns for each kind of message. */
  #kindResults = KIND_RESULTS;
  /** The message that its receiver has no room for. */
  #sending: Message | null = null;
  #receiver: BasicProcess | null = null;
  /** Which of those that wait for room has waited longer. */
  sendsSince = DOUBLE_ZERO;
  #hasTimedOut = false;
  /** What the call that sends returns when there is room: an answer has come already. */
  #answered: readonly Value[] | null = null;

  constructor(process: BasicProcess, account: ByteAccount, call: HostCall) {
    this.#process = process;
    this.#account = account;
    this.#call = call;
  }

  /** Who has no room for what it sends; null while it does not wait for room. */
  get receiver(): BasicProcess | null {
    return this.#receiver;
  }

  /** Puts a new data message into the scratch slot. Throws `Termination` when the group refuses its bytes. */
  create(tag: bigint, capacity: number): void {
    const former = this.scratch;
    this.scratch = null;
    former?.drop();
    this.scratch = DataMessage.begin(tag, capacity, this.#process.group);
  }

  // Receiving.

  /** Takes the oldest message; waits if there is none. */
  receive(timeoutMs: number): number | typeof SUSPEND {
    const message = this.#process.mailbox.shift();
    return message === null ? this.#waitFor(null, timeoutMs) : this.#received(message);
  }

  /**
   * Takes the oldest message with one of the tags; waits if there is none. Null when it has passed over so many messages that
   * others have their turn first: then {@link searchOn} goes on.
   */
  search(tags: TagSet, timeoutMs: number, caller: Caller): number | typeof SUSPEND | null {
    const message = this.#look(tags, caller);
    if (message !== null) return this.#received(message);
    if (!this.#process.mailbox.hasUnseen) return this.#waitFor(tags, timeoutMs);
    this.#payForTags(tags);
    this.#searching = { tags, sinceMs: this.#process.runtime.executor.nowMs() };
    caller.giveWay();
    return null;
  }

  /** The search that gave null before; `list` says for what, if the process has been restored since. */
  searchOn(list: readonly bigint[], timeoutMs: number, caller: Caller): number | typeof SUSPEND | null {
    if (this.#searching === null) return this.search(new TagSet(list), timeoutMs, caller);
    const { mailbox, runtime } = this.#process;
    const { tags, sinceMs } = this.#searching;
    const message = this.#look(tags, caller);
    if (message === null && mailbox.hasUnseen) {
      caller.giveWay();
      return null;
    }
    this.#searching = null;
    if (message === null) return this.#waitFor(tags, timeoutMs - (runtime.executor.nowMs() - sinceMs));
    this.#forgetTags();
    return this.#received(message);
  }

  #look(tags: TagSet, caller: Caller): Message | null {
    const { mailbox } = this.#process;
    const message = mailbox.take(tags, SEEN_PER_STEP);
    caller.chargeFuel(mailbox.passed);
    return message;
  }

  #received(message: Message): number {
    this.#accept(message);
    return message.kind;
  }

  #waitFor(tags: TagSet | null, timeoutMs: number): number | typeof SUSPEND {
    if (timeoutMs > 0) {
      this.#expect(tags, timeoutMs, KIND_RESULTS);
      return SUSPEND;
    }
    this.#forgetTags();
    return TIMED_OUT;
  }

  #expect(tags: TagSet | null, timeoutMs: number, results: readonly (readonly Value[])[]): void {
    this.#kindResults = results;
    if (tags !== null) this.#payForTags(tags);
    this.#isExpecting = true;
    this.#tags = tags;
    if (timeoutMs !== Number.POSITIVE_INFINITY) this.#call.arm(timeoutMs, this);
  }

  /** Once, however long it searches and waits for them. */
  #payForTags({ size: count }: TagSet): void {
    if (count <= FREE_TAGS || this.#tagBytes > 0) return;
    const byteLength = count * TAG_BYTES;
    if (!this.#account.reserveBytes(byteLength)) throw new Termination("memory limit", `${count} tags`);
    this.#tagBytes = byteLength;
  }

  #forgetTags(): void {
    if (this.#tagBytes === 0) return;
    this.#tags = null;
    this.#account.releaseBytes(this.#tagBytes);
    this.#tagBytes = 0;
  }

  #endExpecting(): void {
    this.#isExpecting = false;
    this.#forgetTags();
    this.#call.disarm();
  }

  #accept(message: Message): void {
    message.payBy(this.#process.group);
    this.scratch?.drop();
    this.scratch = message;
  }

  /** Takes a message if it waits for one like it. */
  take(message: Message): boolean {
    if (!this.#isExpecting) return false;
    const { tag } = message;
    if (this.#tags !== null && (tag === 0n || !this.#tags.has(tag))) return false;
    this.#endExpecting();
    this.#accept(message);
    const results = this.#kindResults[message.kind]!;
    // What it sent is over the bound until there is room, whatever has come back.
    if (this.#sending === null) this.#call.answer(results);
    else this.#answered = results;
    return true;
  }

  timeOver(): void {
    this.#isExpecting = false;
    this.#forgetTags();
    if (this.#sending !== null) this.#hasTimedOut = true;
    else this.#call.answer(TIMED_OUT_RESULT);
  }

  // Sending.

  /** Sends the message in the scratch slot, which is not empty. The call may have to wait for room. */
  send(pid: Pid): 0 | typeof SUSPEND {
    const message = this.scratch!;
    this.scratch = null;
    return this.#sendTo(this.#process.environment.get(pid), message) ? 0 : SUSPEND;
  }

  /**
   * Sends the message in the scratch slot and waits for one that arrives later with exactly this
   * tag, or for any one if the tag is null. The call returns 0 for every kind of message.
   */
  sendReceive(pid: Pid, waitTag: bigint | null, timeoutMs: number): number | typeof SUSPEND {
    const message = this.scratch!;
    this.scratch = null;
    const process = this.#process;
    if (pid === process.pid && (waitTag === null || (message.tag === waitTag && waitTag !== 0n))) {
      this.#accept(message);
      return 0;
    }
    const receiver = process.environment.get(pid);
    if (timeoutMs === 0) {
      if (this.#sendTo(receiver, message)) return TIMED_OUT;
      this.#hasTimedOut = true;
      return SUSPEND;
    }
    this.#expect(waitTag === null ? null : new TagSet(waitTag === 0n ? [] : [waitTag]), timeoutMs, ARRIVED_RESULTS);
    try {
      this.#sendTo(receiver, message);
    } catch (error) {
      // The guest may go on after a trap: nothing of this call may be left to answer.
      this.#endExpecting();
      throw error;
    }
    return SUSPEND;
  }

  /** False when the call has to wait for room. Messages to nobody are dropped. */
  #sendTo(receiver: BasicProcess | undefined, message: Message): boolean {
    const process = this.#process;
    process.runtime.counts.sent(message);
    if (receiver === undefined || receiver.hasEnded) {
      message.drop();
      return true;
    }
    message.payBy(process.group);
    receiver.traceMessage(process.pid, message);
    if (receiver !== process && receiver.takeDirectly(message)) return true;
    const { mailbox } = receiver;
    if (mailbox.hasRoom(message.countedBytes)) {
      mailbox.push(message);
      return true;
    }
    if (receiver === process && process.config.onFullMailbox === "suspend") {
      message.drop();
      throw new Trap("host function trapped", "mailbox full");
    }
    if (receiver.overfill(message, this)) return true;
    this.#sending = message;
    this.#receiver = receiver;
    this.sendsSince = nextSuspension();
    process.turnCharge += breakCircle(process) * LOOK_CHARGE;
    return false;
  }

  /** There is room for the message, or it was taken. */
  endSend(): void {
    this.#sending = null;
    this.#receiver = null;
    if (this.#isExpecting) return;
    const result = this.#answered ?? (this.#hasTimedOut ? TIMED_OUT_RESULT : SENT_RESULT);
    this.#answered = null;
    this.#hasTimedOut = false;
    this.#call.answer(result);
  }

  /** Its send that waits for room: it waits for nothing else. */
  get blockedSends(): readonly BlockedSend[] | null {
    const target = this.#receiver;
    return target === null ? null : [{ target }];
  }

  /** Nobody will make room: the call traps. */
  failSend(): void {
    this.#withdraw();
    this.#endExpecting();
    this.#call.fail(new Trap("host function trapped", NOBODY_MAKES_ROOM));
  }

  /** Takes back the message that has no room. */
  #withdraw(): void {
    if (this.#sending === null) return;
    this.#receiver!.mailbox.withdraw(this.#sending);
    this.#sending = null;
    this.#receiver = null;
    this.#answered = null;
    this.#hasTimedOut = false;
  }

  // Between its turns, and at its end.

  /** What the call that waits is waiting for, as snapshots have it; null when that is no message. */
  get waiting(): Waiting | null {
    if (!this.#isExpecting) return null;
    const answersZero = this.#kindResults === ARRIVED_RESULTS;
    return { kind: "message", tags: this.#tags?.tags ?? null, answersZero, leftMs: this.#call.leftMs };
  }

  /** Waits again as {@link waiting} says. */
  wait({ tags, answersZero, leftMs }: Waiting): void {
    const results = answersZero ? ARRIVED_RESULTS : KIND_RESULTS;
    this.#expect(tags === null ? null : new TagSet(tags), leftMs ?? Number.POSITIVE_INFINITY, results);
  }

  close(): void {
    this.#isExpecting = false;
    this.#forgetTags();
    this.#searching = null;
    this.#withdraw();
    this.scratch?.drop();
    this.scratch = null;
  }
}
