/**
 * Messages that wait for their time. A timer is counted in its creator's group and outlives its
 * creator, but not its group; a message that finds no room at its receiver stays counted until there is room, so no
 * guest can fill a mailbox with timers, and goes with the group too.
 */

import type { BasicProcess } from "./basic-process.ts";
import type { Environment } from "./environment.ts";
import { Account, type Group, type Pending } from "./group.ts";
import type { Message, SuspendedSender } from "./message.ts";
import type { Process } from "./process.ts";
import { RESOURCE_BYTES, type ResourceTable } from "./resources.ts";
import { reasonOf, type Pid } from "./signal.ts";
import { Timer } from "./timers.ts";

/** Bytes of a timer besides its message. */
const TIMER_BYTES = 192;

/** A message on its way: what a timer's number means until it has fired. */
export class PendingMessage implements SuspendedSender, Pending {
  earlier: Pending | null = null;
  later: Pending | null = null;
  readonly #group: Group;
  /** Who made it. */
  readonly #from: Pid;
  readonly #message: Message;
  readonly #environment: Environment;
  /** Null if there was nobody when it was made. An ended process is not kept until then. */
  readonly #target: Pid | null;
  readonly #runtime: Process["runtime"];
  readonly #timer: Timer;
  #forget: () => void;
  #isSent = false;
  #isOver = false;

  constructor(process: Process, target: BasicProcess | null, message: Message, forget: () => void) {
    this.#group = process.group;
    this.#from = process.pid;
    this.#runtime = process.runtime;
    this.#environment = process.environment;
    this.#target = target?.pid ?? null;
    this.#message = message;
    this.#forget = forget;
    this.#timer = new Timer(
      () => this.#fire(),
      this.#group.share,
      (error) => this.#receiver?.kill(reasonOf(error)),
    );
  }

  get #receiver(): BasicProcess | null {
    return this.#target === null ? null : (this.#environment.get(this.#target) ?? null);
  }

  /** What is to be sent, to whom, and when: milliseconds from now. */
  get plan(): { readonly message: Message; readonly target: BasicProcess | null; readonly leftMs: number } {
    const leftMs = this.#runtime.executor.leftMs(this.#timer) ?? Number.POSITIVE_INFINITY;
    return { message: this.#message, target: this.#receiver, leftMs };
  }

  start(delayMs: number): void {
    this.#group.pending.add(this);
    if (delayMs !== Number.POSITIVE_INFINITY) this.#runtime.executor.arm(this.#timer, delayMs);
  }

  /** Its maker has ended, and is not kept. */
  orphan(): void {
    this.#forget = () => {};
  }

  /** Drops the message, also one that has been sent and finds no room. */
  cancel(): void {
    if (this.#isOver) return;
    if (this.#isSent) {
      this.#receiver?.mailbox.withdraw(this.#message);
      this.#end();
      return;
    }
    this.#forget();
    this.#runtime.executor.disarm(this.#timer);
    this.#message.drop();
    this.#runtime.counts.timersCanceled++;
    this.#end();
  }

  #fire(): void {
    this.#forget();
    this.#isSent = true;
    this.#runtime.counts.timersCompleted++;
    this.#runtime.counts.sent(this.#message);
    const receiver = this.#receiver;
    if (receiver === null) this.#message.drop();
    else if (!receiver.deliverFor(this.#message, this.#from, this)) return;
    this.#end();
  }

  /** Its message, which had no room, has got it, or was taken or dropped. */
  endSend(): void {
    this.#end();
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#group.pending.delete(this);
    this.#group.release(Account.Timers, 1);
    this.#group.release(Account.Memory, TIMER_BYTES);
  }
}

/** Sends `message` after the delay. The timer's number, or null when the process or its group may not have more. */
export function sendAfter(process: Process, pid: Pid, message: Message, delayMs: number): number | null {
  return addPending(process, process.environment.get(pid) ?? null, message, delayMs, (timers, pending) =>
    timers.add(pending),
  );
}

/** As {@link sendAfter}, under a number that is not below the next one. False when it is refused. */
export function restorePending(
  process: Process,
  target: BasicProcess | null,
  message: Message,
  delayMs: number,
  id: number,
): boolean {
  const add = (timers: ResourceTable<PendingMessage>, pending: PendingMessage): number | null =>
    timers.restore(id, pending, RESOURCE_BYTES) ? id : null;
  return addPending(process, target, message, delayMs, add) !== null;
}

function addPending(
  process: Process,
  target: BasicProcess | null,
  message: Message,
  delayMs: number,
  add: (timers: ResourceTable<PendingMessage>, pending: PendingMessage) => number | null,
): number | null {
  const { group } = process;
  if (!group.reserve(Account.Timers, 1)) return null;
  if (!group.reserve(Account.Memory, TIMER_BYTES)) {
    group.release(Account.Timers, 1);
    return null;
  }
  const { timers } = process.resources;
  let id: number | null = null;
  const pending = new PendingMessage(process, target, message, () => {
    if (id !== null) timers.take(id);
  });
  id = add(timers, pending);
  if (id === null) {
    group.release(Account.Timers, 1);
    group.release(Account.Memory, TIMER_BYTES);
    return null;
  }
  process.runtime.counts.timersStarted++;
  message.payBy(group);
  pending.start(delayMs);
  return id;
}
