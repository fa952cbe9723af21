/**
 * What guest processes and native ones have in common: an identity, a mailbox, the signals that come to them, and the order of
 * their end. What they run is the business of process.ts and native.ts, links and monitors that of process-relations.ts.
 *
 *     phase          event                  next
 *     initialising   ready                  running (visible to others)
 *     initialising   failed, killed         closing
 *     running        ended by any cause     closing (invisible to others; drops what it has, some at a time)
 *     closing        all closed and clean   telling (links, then monitors, some at a time)
 *     telling        all are told           exited
 */

import { Termination } from "../vm/index.ts";
import { Admission } from "./admission.ts";
import { tell, throwLater } from "./callbacks.ts";
import type { Config } from "./config.ts";
import type { Environment } from "./environment.ts";
import { Account, type Group } from "./group.ts";
import { Mailbox, type MailboxOwner } from "./mailbox.ts";
import { DataMessage, MessageKind, type Message, type SuspendedSender } from "./message.ts";
import { ProcessRelations } from "./process-relations.ts";
import type { RuntimeCore } from "./runtime-core.ts";
import { Task, TurnEnd } from "./task.ts";
import type { BlockedSend } from "./send-circle.ts";
import { reasonOf, type ExitReason, type Pid, type Signal } from "./signal.ts";

export const enum Phase {
  Initialising,
  Running,
  Closing,
  Telling,
  Exited,
}

/** What a process costs besides all that is counted one by one: it takes 2 to 3 KB of V8's heap. */
export const PROCESS_BYTES = 3_072;
/** Messages and resources dropped, links and monitors told in one turn: as much as a slice. */
const DROPPED_PER_TURN = 1_024;
const TOLD_PER_TURN = 256;
const DROP_CHARGE = 300;
const TELL_CHARGE = 200;
/** Charge of an end. */
const END_CHARGE = 500;

export interface BasicProcessOptions {
  readonly environment: Environment;
  readonly group: Group;
  readonly config: Config;
  readonly name?: string;
  /** Default: a number that no process of the environment has had. */
  readonly pid?: Pid;
}

/** Charges a group for a process that is to be made: nothing is made of one that it refuses, for which this is false. */
export function enterGroup(group: Group): boolean {
  if (group.isClosed || !group.reserve(Account.Processes, 1)) return false;
  if (group.reserve(Account.Memory, PROCESS_BYTES)) return true;
  group.release(Account.Processes, 1);
  return false;
}

export abstract class BasicProcess extends Task implements MailboxOwner {
  readonly runtime: RuntimeCore;
  readonly environment: Environment;
  readonly group: Group;
  readonly config: Config;
  readonly pid: Pid;
  /** For people: what the process was started with. */
  readonly name: string;
  readonly mailbox: Mailbox;
  phase = Phase.Initialising;
  /** Whether the failure of a link ends this process too, in place of a message. */
  diesWithLinks = true;
  /** Why it ended, once it has. */
  exitReason: ExitReason | null = null;
  /** Why it is to end at its next turn. */
  protected killReason: ExitReason | null = null;
  #relations: ProcessRelations | null = null;
  #exitListeners: ((reason: ExitReason) => void)[] | null = null;
  #readyListeners: ((isReady: boolean) => void)[] | null = null;
  /** Neighbours among the living of the runtime. */
  earlier: BasicProcess | null = null;
  later: BasicProcess | null = null;
  /** What has to be closed before anybody hears of the end. */
  #closing = 0;
  #hasFailedInEnd = false;
  /** Turns it had. */
  turns = 0;
  /** Paused by the embedder, until it resumes it. */
  protected isStopped = false;

  constructor(runtime: RuntimeCore, options: BasicProcessOptions) {
    super();
    this.runtime = runtime;
    this.environment = options.environment;
    this.group = options.group;
    this.config = options.config;
    this.name = options.name ?? "";
    this.pid = options.pid ?? options.environment.takePid();
    this.mailbox = new Mailbox(options.config.mailbox, this);
  }

  /** Whether it has begun to end. */
  get hasEnded(): boolean {
    return this.phase >= Phase.Closing;
  }

  /** Whether others can see it, or could until it ended. */
  get isVisible(): boolean {
    return this.phase !== Phase.Initialising;
  }

  /** From here on others see it. */
  protected becomeVisible(): void {
    this.phase = Phase.Running;
    this.environment.add(this);
    this.#tellReady(true);
  }

  /** Calls `listener` when the process can be seen, or with false when it has ended before. */
  onReady(listener: (isReady: boolean) => void): void {
    if (this.isVisible) listener(!this.hasEnded);
    else (this.#readyListeners ??= []).push(listener);
  }

  #tellReady(isReady: boolean): void {
    const listeners = this.#readyListeners;
    if (listeners === null) return;
    this.#readyListeners = null;
    for (const listener of listeners) tell(listener, isReady);
  }

  /** Whether it may kill, link and monitor this one. */
  sees(other: BasicProcess): boolean {
    return this.seesGroup(other.group);
  }

  /** Whether it may do so to processes of this group, and change its names. */
  seesGroup(group: Group): boolean {
    switch (this.config.visibility) {
      case "all":
        return true;
      case "own":
        return group === this.group;
      default:
        return group.isWithin(this.group);
    }
  }

  /** The process with this number, if it exists for this one. */
  visible(pid: Pid): BasicProcess | null {
    const process = this.find(pid);
    return process !== undefined && this.sees(process) ? process : null;
  }

  /** Guests see nobody that is not ready. */
  protected find(pid: Pid): BasicProcess | undefined {
    return this.environment.get(pid);
  }

  /** Its links and monitors. */
  get relations(): ProcessRelations {
    return (this.#relations ??= new ProcessRelations(this));
  }

  get linkCount(): number {
    return this.#relations?.linkCount ?? 0;
  }

  /** Kills a process, if it exists. */
  killProcess(pid: Pid): void {
    this.visible(pid)?.kill({ kind: "killed", by: this.pid });
  }

  // Signals. All of them take effect at once; none is dropped or waits.

  /** Ends the process at its next turn, which comes before everybody else's. The first reason counts. */
  kill(reason: ExitReason): void {
    if (this.hasEnded) return;
    this.runtime.counts.signals++;
    if (reason.kind === "killed" && this.runtime.trace !== null) this.traceSignal(reason.by, { kind: "kill" });
    this.killReason ??= reason;
    this.runtime.scheduler.hurry(this);
  }

  /** Takes a message, or puts it into the mailbox. For messages whose sender never waits. */
  deliver(message: Message): void {
    if (this.hasEnded) message.drop();
    else if (!this.takeDirectly(message)) this.mailbox.push(message);
  }

  /**
   * As {@link deliver}, for senders that can wait. False when `sender` waits: for room, or until its message is taken or
   * dropped.
   */
  deliverFor(message: Message, from: Pid | null, sender: SuspendedSender): boolean {
    if (this.hasEnded) {
      message.drop();
      return true;
    }
    this.traceMessage(from, message);
    if (this.takeDirectly(message)) return true;
    if (message.kind !== MessageKind.Data || this.mailbox.hasRoom(message.countedBytes)) {
      this.mailbox.push(message);
      return true;
    }
    return this.overfill(message, sender);
  }

  /** A message comes to a mailbox without room: its configuration says what happens. False when the sender waits. */
  overfill(message: Message, sender: SuspendedSender): boolean {
    switch (this.config.onFullMailbox) {
      case "drop-newest":
        message.drop();
        return true;
      case "end-receiver": {
        message.drop();
        const error = new Termination("memory limit", "the mailbox is full");
        this.kill({ kind: "limit", limit: "memory limit", error });
        return true;
      }
      default:
        this.mailbox.push(message, sender);
        return false;
    }
  }

  /** Takes a message if the process waits for one like it. */
  abstract takeDirectly(message: Message): boolean;

  admitLater(): void {
    this.#closing++;
    const admission = new Admission(this.mailbox, () => this.#closed());
    this.runtime.scheduler.start(admission, this.group.share, this);
  }

  /** Its sends that wait for room, the oldest first, when it waits for nothing else; null when it can go on otherwise. */
  abstract get blockedSends(): Iterable<BlockedSend> | null;

  /** When the oldest of them began, by {@link nextSuspension}. */
  abstract get sendsSince(): number;

  /** Nobody will make room: the oldest of its sends that wait fails. */
  abstract failSend(): void;

  // What is traced.

  /** Tells of data that comes to it. */
  traceMessage(from: Pid | null, message: Message): void {
    if (this.runtime.trace === null) return;
    const byteLength = message instanceof DataMessage ? message.byteLength : 0;
    this.traceSignal(from, { kind: "message", tag: message.tag, byteLength });
  }

  /** Tells of a turn, and returns how it ended. */
  protected traceTurn(end: TurnEnd): TurnEnd {
    this.runtime.trace?.({ kind: "turn", pid: this.pid, environment: this.environment.id, fuel: this.turnFuel });
    return end;
  }

  /** Tells of what comes to it. */
  traceSignal(from: Pid | null, signal: Signal): void {
    this.runtime.trace?.({ kind: "signal", from, to: this.pid, environment: this.environment.id, signal });
  }

  // What the embedder may do.

  /** By the embedder, or for want of fuel. */
  get isPaused(): boolean {
    return this.isStopped;
  }

  /** It gets no turn but for its end until {@link resume}. Whoever is to end at its next turn has that turn. */
  pause(): void {
    if (this.hasEnded || this.isStopped || this.killReason !== null) return;
    this.isStopped = true;
    this.runtime.scheduler.suspend(this);
  }

  resume(): void {
    if (!this.isStopped) return;
    this.isStopped = false;
    this.runtime.scheduler.release(this);
  }

  /** Charges it for work outside of its turns, whose fuel it pays in the next one: there it takes no time. */
  chargeTime(nanoseconds: number): void {
    const { executor, scheduler } = this.runtime;
    if (!executor.isDeterministic) scheduler.chargeLate(this, nanoseconds);
  }

  // The end.

  /** What fails outside of the guest's code ends the process all the same, and the end goes on: its links and monitors are told. */
  override failed(error: unknown): TurnEnd {
    throwLater(error);
    if (!this.hasEnded) {
      try {
        return this.end(this.killReason ?? reasonOf(error));
      } catch (another) {
        throwLater(another);
      }
    }
    if (this.phase === Phase.Exited || this.#hasFailedInEnd) return TurnEnd.Ended;
    this.#hasFailedInEnd = true;
    return TurnEnd.Runnable;
  }

  /** Calls `listener` when the process has ended and links and monitors know; at once if it has. */
  onExit(listener: (reason: ExitReason) => void): void {
    if (this.phase === Phase.Exited) listener(this.exitReason!);
    else (this.#exitListeners ??= []).push(listener);
  }

  /** The end goes on when `closing` has settled: nobody hears of it while a port is still taken. */
  waitForClosing(closing: Promise<unknown>): void {
    this.#closing++;
    this.runtime.executor.hold();
    const closed = (): void => {
      this.runtime.executor.unhold();
      this.#closed();
    };
    closing.then(closed, closed);
  }

  #closed(): void {
    this.#closing--;
    if (this.#closing === 0 && this.phase === Phase.Closing) this.runtime.scheduler.hurry(this);
  }

  /** Called once, when the process is out of the table: stops what it does and closes what it holds. */
  protected abstract close(): void;

  /** Closes what there may be many of, `limit` at most, and returns how much; less than the limit when nothing is left. */
  protected abstract dropHeld(limit: number): number;

  /**
   * Called when everything is closed, until it returns true: cleans a part of its memory for others. Its group has the bytes only
   * after that, so nobody dirties faster than is cleaned; and nobody hears of the end before, who would want to use them again.
   */
  protected clean(): boolean {
    return true;
  }

  /** Called last: gives the memory back. */
  protected abstract free(): void;

  /** Begins the end, inside a turn of the process. */
  protected end(reason: ExitReason): TurnEnd {
    this.exitReason = reason;
    this.environment.remove(this);
    this.mailbox.close();
    this.phase = Phase.Closing;
    this.#tellReady(false);
    try {
      this.close();
    } catch (error) {
      throwLater(error);
    }
    this.turnCharge += END_CHARGE;
    return this.goOnEnding();
  }

  /** A turn of a process that has begun to end. */
  protected goOnEnding(): TurnEnd {
    let left = TOLD_PER_TURN;
    if (this.phase === Phase.Closing) {
      left -= this.#drop(DROPPED_PER_TURN) * (TOLD_PER_TURN / DROPPED_PER_TURN);
      if (left <= 0) return TurnEnd.Ending;
      if (this.#closing > 0) return TurnEnd.Waiting;
      if (!this.clean()) return TurnEnd.Ending;
      this.phase = Phase.Telling;
    }
    const told = this.#relations?.tellSome(left, this.exitReason!) ?? 0;
    this.turnCharge += told * TELL_CHARGE;
    if (told >= left || !this.clean()) return TurnEnd.Ending;
    this.#exited();
    return TurnEnd.Ended;
  }

  /** Drops what it has, some more than `limit` at most. Returns how much; less than the limit when nothing is left. */
  #drop(limit: number): number {
    let dropped = this.#dropMessages(limit);
    if (dropped < limit) dropped += this.#relations?.unwatchSome(limit - dropped) ?? 0;
    if (dropped < limit) dropped += this.dropHeld(limit - dropped);
    this.turnCharge += dropped * DROP_CHARGE;
    return dropped;
  }

  #dropMessages(limit: number): number {
    let dropped = 0;
    while (dropped < limit) {
      const message = this.mailbox.shift();
      if (message === null) break;
      dropped += message.partCount;
      try {
        message.drop();
      } catch (error) {
        throwLater(error);
      }
    }
    return dropped;
  }

  #exited(): void {
    const reason = this.exitReason!;
    this.phase = Phase.Exited;
    this.group.release(Account.Processes, 1);
    this.group.release(Account.Memory, PROCESS_BYTES);
    this.runtime.exited(this, reason);
    const listeners = this.#exitListeners;
    this.#exitListeners = null;
    this.free();
    if (listeners === null) return;
    for (const listener of listeners) tell(listener, reason);
  }
}
