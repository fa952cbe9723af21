/**
 * What guest processes and native ones have in common: an identity, a mailbox, links, monitors, and
 * the order of their end. What they run is the business of process.ts and native.ts.
 *
 *     phase          event                  next
 *     initialising   ready                  running (visible to others)
 *     initialising   failed, killed         closing
 *     running        ended by any cause     closing (invisible to others; drops what it has, some at a time)
 *     closing        everything is closed   telling (links, then monitors, some at a time)
 *     telling        all are told           exited, once its memory is clean
 */

import { Termination } from "../vm/index.ts";
import { Admission } from "./admission.ts";
import { tell, throwLater } from "./callbacks.ts";
import type { Config } from "./config.ts";
import type { Environment } from "./environment.ts";
import { Account, type Group } from "./group.ts";
import { Mailbox, type MailboxOwner } from "./mailbox.ts";
import { DataMessage, LinkDied, MessageKind, ProcessDied, type Message, type SuspendedSender } from "./message.ts";
import { Task, TurnEnd } from "./scheduler.ts";
import type { BlockedSend } from "./send-circle.ts";
import { isFailure, NO_PROCESS, reasonOf, reasonOfLink, type ExitReason, type Pid, type Signal } from "./signal.ts";
import { NumberTable } from "./number-table.ts";
import type { RuntimeCore } from "./runtime-core.ts";

export const enum Phase {
  Initialising,
  Running,
  Closing,
  Telling,
  Exited,
}

interface Link {
  readonly process: BasicProcess;
  /** What the other side is told when this one ends. */
  tag: bigint;
}

/** Charged to the group of whoever hears of the end: the entry, and room for the one notice. */
export const WATCH_BYTES = 256;
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
  #links: NumberTable<Link> | null = null;
  #watchers: NumberTable<BasicProcess> | null = null;
  #watching: NumberTable<BasicProcess> | null = null;
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

  /** Charges the group for the process. False when it refuses. */
  protected enter(): boolean {
    const { group } = this;
    if (group.isClosed || !group.reserve(Account.Processes, 1)) return false;
    if (group.reserve(Account.Memory, PROCESS_BYTES)) return true;
    group.release(Account.Processes, 1);
    return false;
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

  /** Kills a process, if it exists. */
  killProcess(pid: Pid): void {
    this.visible(pid)?.kill({ kind: "killed", by: this.pid });
  }

  // Signals. All of them take effect at once; none is dropped or waits.

  /** Ends the process at its next turn, which comes before everybody else's. The first reason counts. */
  kill(reason: ExitReason): void {
    if (this.hasEnded) return;
    this.runtime.counts.signals++;
    if (reason.kind === "killed" && this.runtime.trace !== null) this.trace(reason.by, { kind: "kill" });
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

  /** Takes a message if the process waits for one like it. */
  abstract takeDirectly(message: Message): boolean;

  /**
   * Links both ways: each side is told with `tag` when the other fails; with `partnerTag` the
   * other side is told with another one. One that has ended has failed already. False when a group refuses to pay.
   */
  link(other: BasicProcess, tag: bigint, partnerTag = tag): boolean {
    if (other === this) return true;
    if (other.hasEnded) return this.#linkToNobody(other.pid, tag);
    if (this.hasEnded) return other.#linkToNobody(this.pid, partnerTag);
    this.runtime.counts.signals++;
    if (!this.#addLink(other, partnerTag)) return false;
    if (!other.#addLink(this, tag)) {
      this.#removeLink(other.pid);
      return false;
    }
    if (this.runtime.trace !== null) other.trace(this.pid, { kind: "link", tag: partnerTag });
    return true;
  }

  #addLink(process: BasicProcess, tag: bigint): boolean {
    this.#links ??= new NumberTable();
    const known = this.#links.get(process.pid);
    if (known !== undefined) {
      known.tag = tag;
      return true;
    }
    if (!this.group.reserve(Account.Memory, WATCH_BYTES)) return false;
    this.#links.set(process.pid, { process, tag });
    return true;
  }

  #removeLink(pid: Pid): boolean {
    if (this.#links?.delete(pid) === undefined) return false;
    this.group.release(Account.Memory, WATCH_BYTES);
    return true;
  }

  /** As {@link link}; one that does not exist has failed already. False when a group refuses to pay. */
  linkTo(pid: Pid, tag: bigint): boolean {
    const other = this.visible(pid);
    return other === null ? this.#linkToNobody(pid, tag) : this.link(other, tag);
  }

  #linkToNobody(pid: Pid, tag: bigint): boolean {
    if (this.hasEnded) return true;
    if (!this.group.reserve(Account.Memory, WATCH_BYTES)) return false;
    this.#hearOf(pid, tag, NO_PROCESS);
    return true;
  }

  unlink(other: BasicProcess): void {
    this.runtime.counts.signals++;
    if (this.runtime.trace !== null) other.trace(this.pid, { kind: "unlink" });
    this.#removeLink(other.pid);
    other.#removeLink(this.pid);
  }

  /** Its links: what it is told when the other fails, and what the other is told. */
  *links(): Generator<{ readonly process: BasicProcess; readonly tag: bigint; readonly partnerTag: bigint }> {
    for (const { process, tag } of this.#links?.values() ?? []) {
      yield { process, tag: process.#links?.get(this.pid)?.tag ?? 0n, partnerTag: tag };
    }
  }

  /** Whom it monitors. */
  watching(): Iterable<BasicProcess> {
    return this.#watching?.values() ?? [];
  }

  get linkCount(): number {
    return this.#links?.size ?? 0;
  }

  /** A linked process has ended. The room that was reserved for the notice is the notice's until it is read. */
  linkDied(pid: Pid, tag: bigint, reason: ExitReason): void {
    if (this.#links?.delete(pid) === undefined) return;
    if (!this.hasEnded && isFailure(reason)) this.#hearOf(pid, tag, reason);
    else this.group.release(Account.Memory, WATCH_BYTES);
  }

  #hearOf(pid: Pid, tag: bigint, reason: ExitReason): void {
    this.trace(pid, { kind: "link-died", tag, reason });
    this.runtime.counts.signals++;
    this.runtime.counts.linksDied++;
    if (this.diesWithLinks) {
      this.group.release(Account.Memory, WATCH_BYTES);
      this.kill(reasonOfLink(pid, reason));
      return;
    }
    const notice = new LinkDied(tag);
    notice.takeOver(this.group, WATCH_BYTES);
    this.deliver(notice);
  }

  /** Hears of the end of `other`, whatever its cause; at once if it has ended. False when the group refuses to pay. */
  monitor(other: BasicProcess): boolean {
    if (this.hasEnded) return true;
    if (other.hasEnded) return this.#monitorNobody(other.pid);
    this.#watching ??= new NumberTable();
    if (this.#watching.get(other.pid) !== undefined) return true;
    this.runtime.counts.signals++;
    if (!this.group.reserve(Account.Memory, WATCH_BYTES)) return false;
    this.#watching.set(other.pid, other);
    other.#watchers ??= new NumberTable();
    other.#watchers.set(this.pid, this);
    if (this.runtime.trace !== null) other.trace(this.pid, { kind: "monitor" });
    return true;
  }

  /** As {@link monitor}; one that does not exist has ended already. False when the group refuses to pay. */
  monitorPid(pid: Pid): boolean {
    const other = this.visible(pid);
    return other === null ? this.#monitorNobody(pid) : this.monitor(other);
  }

  #monitorNobody(pid: Pid): boolean {
    if (!this.group.reserve(Account.Memory, WATCH_BYTES)) return false;
    this.#hearOfEnd(pid);
    return true;
  }

  /** A monitored process has ended. */
  #hearOfEnd(pid: Pid): void {
    this.trace(pid, { kind: "process-died" });
    this.runtime.counts.signals++;
    const notice = new ProcessDied(pid);
    notice.takeOver(this.group, WATCH_BYTES);
    this.deliver(notice);
  }

  stopMonitoring(other: BasicProcess): void {
    if (!this.#unwatch(other)) return;
    this.runtime.counts.signals++;
    if (this.runtime.trace !== null) other.trace(this.pid, { kind: "stop-monitoring" });
  }

  #unwatch(other: BasicProcess): boolean {
    if (this.#watching?.delete(other.pid) === undefined) return false;
    this.group.release(Account.Memory, WATCH_BYTES);
    other.#watchers?.delete(this.pid);
    return true;
  }

  /** Tells of data that comes to it. */
  traceMessage(from: Pid | null, message: Message): void {
    if (this.runtime.trace === null) return;
    const byteLength = message instanceof DataMessage ? message.byteLength : 0;
    this.trace(from, { kind: "message", tag: message.tag, byteLength });
  }

  /** Tells of a turn, and returns how it ended. */
  protected traceTurn(end: TurnEnd): TurnEnd {
    this.runtime.trace?.({ kind: "turn", pid: this.pid, environment: this.environment.id, fuel: this.turnFuel });
    return end;
  }

  protected trace(from: Pid | null, signal: Signal): void {
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
   * Called when all are told, until it returns true: cleans a part of its memory for others. Its group has the bytes only after
   * that, so nobody dirties faster than is cleaned.
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
      this.phase = Phase.Telling;
    }
    left -= this.#tellLinks(left);
    left -= this.#tellWatchers(left);
    if (left <= 0 || !this.clean()) return TurnEnd.Ending;
    this.#exited();
    return TurnEnd.Ended;
  }

  /** Drops what it has, some more than `limit` at most. Returns how much; less than the limit when nothing is left. */
  #drop(limit: number): number {
    let dropped = this.#dropMessages(limit);
    for (let other = this.#watching?.oldest; other != null && dropped < limit; other = this.#watching!.oldest) {
      this.#unwatch(other.value);
      dropped++;
    }
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

  #tellLinks(limit: number): number {
    let told = 0;
    for (let link = this.#links?.oldest; link != null && told < limit; link = this.#links!.oldest) {
      const { process, tag } = link.value;
      this.#removeLink(link.number);
      process.linkDied(this.pid, tag, this.exitReason!);
      told++;
    }
    this.turnCharge += told * TELL_CHARGE;
    return told;
  }

  #tellWatchers(limit: number): number {
    let told = 0;
    for (let entry = this.#watchers?.oldest; entry != null && told < limit; entry = this.#watchers!.oldest) {
      const { number, value: watcher } = entry;
      this.#watchers!.delete(number);
      watcher.#watching?.delete(this.pid);
      watcher.#hearOfEnd(this.pid);
      told++;
    }
    this.turnCharge += told * TELL_CHARGE;
    return told;
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
