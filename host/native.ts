/**
 * Native processes: async functions with a mailbox, links and monitors like those of guests. What their function awaits of its
 * context settles in their turns, one promise in each, and what they compute after that is charged by the time it takes. What
 * it awaits besides, and a synchronous loop in it, is out of reach: that holds the event loop, and nothing can stop it.
 */

import { DOUBLE_ZERO } from "../vm/internal.ts";
import { BasicProcess, type BasicProcessOptions } from "./basic-process.ts";
import { DataMessage, MessageKind, type Message, type ProcessDied } from "./message.ts";
import { SEEN_PER_STEP } from "./mailbox.ts";
import { checkPid, checkReceive, checkSleep, checkTag } from "./options.ts";
import type { RuntimeCore } from "./runtime-core.ts";
import { TurnEnd } from "./task.ts";
import { type BlockedSend, breakCircle, nextSuspension, NOBODY_MAKES_ROOM } from "./send-circle.ts";
import { NORMAL, reasonOf, type ExitReason, type Pid } from "./signal.ts";
import type { Cancel } from "./system.ts";
import { TagSet } from "./tag-table.ts";
import { Timer } from "./timers.ts";

/** A message as TypeScript sees it. */
export type NativeMessage =
  | { readonly kind: "data"; readonly tag: bigint; readonly bytes: Uint8Array }
  | { readonly kind: "link-died"; readonly tag: bigint }
  | { readonly kind: "process-died"; readonly pid: Pid };

export interface ReceiveOptions {
  /** Only messages with one of these tags. */
  readonly tags?: readonly bigint[];
  /** Resolves to null when so much guest time has passed. */
  readonly timeoutMs?: number;
}

/** What a native process can do. After its end all of this throws, or rejects, with the signal's reason. */
export interface NativeContext {
  readonly pid: Pid;
  /** Aborted when the process is killed. */
  readonly signal: AbortSignal;
  receive(options?: ReceiveOptions & { readonly timeoutMs?: never }): Promise<NativeMessage>;
  /** Resolves to null when the time is over. */
  receive(options: ReceiveOptions): Promise<NativeMessage | null>;
  /**
   * Resolves when the receiver's mailbox has room. Messages to nobody are dropped. Rejects when nothing else is awaited, the receiver
   * waits for room too, and so on in a circle of native processes.
   */
  send(pid: Pid, data: Uint8Array, tag?: bigint): Promise<void>;
  /** Resolves after so much guest time. */
  sleep(delayMs: number): Promise<void>;
  link(pid: Pid, tag?: bigint): void;
  unlink(pid: Pid): void;
  monitor(pid: Pid): void;
  stopMonitoring(pid: Pid): void;
  kill(pid: Pid): void;
  /** Whether the failure of a link ends this process (as it does at first) or comes as a message. */
  dieWhenLinkDies(dies: boolean): void;
}

/**
 * It ends normally when its promise resolves, with reason `error` when it rejects. One that is killed ends at once; what its
 * function does then, in `catch` and `finally` too, is nothing that anybody waits for.
 */
export type NativeFunction = (self: NativeContext) => Promise<unknown>;

/** Charge of a turn besides the time that the function takes: too little for a measure of speed. */
const NATIVE_CHARGE = 1_000;
/** Bytes of messages, with their overhead, after which a send goes on in the next turn. */
const SENT_AT_ONCE = 16_384;

const NOTHING = (): void => {};
/** In place of what a promise settles with: it has to wait again, or has arranged that it goes on. */
const NOT_YET = Symbol("not yet");

/** Something that the function awaits. */
interface Wait {
  /** Lets it go on. False when that takes more turns. Null until it may. */
  settle: (() => boolean) | null;
  /** Stops waiting, or drops what has come. */
  giveUp: Cancel;
  readonly reject: (error: unknown) => void;
}

/** A send that waits for room. */
interface Sending extends BlockedSend {
  readonly since: number;
  fail(): void;
}

/** A receive that has not settled. */
interface Receiving {
  readonly tags: TagSet | null;
  arrived: Message | null;
  /** There are messages left to look at, in turns. */
  isSearching: boolean;
  /** Its time is over. */
  isLate: boolean;
  readonly goOn: () => void;
}

export class NativeProcess extends BasicProcess {
  readonly #run: NativeFunction;
  readonly #abort = new AbortController();
  #hasBegun = false;
  /** All that the function awaits of its context. When that is nothing it runs, or waits for something outside. */
  readonly #waits = new Set<Wait>();
  /** Of them those that go on in its next turns. */
  readonly #due: Wait[] = [];
  #receiving: Receiving | null = null;
  /** The oldest first. */
  readonly #sends = new Set<Sending>();
  /** Since its turn began. */
  #sentBytes = 0;
  #ended: ExitReason | null = null;
  #isAway = false;
  #touchedMs = DOUBLE_ZERO;

  constructor(runtime: RuntimeCore, options: BasicProcessOptions, run: NativeFunction) {
    super(runtime, options);
    this.#run = run;
  }

  /** Its group has let it in. */
  begin(): void {
    this.becomeVisible();
    this.runtime.scheduler.start(this, this.group.share, null);
  }

  /** It may have the handle of one that is being started. */
  protected override find(pid: Pid): BasicProcess | undefined {
    return this.environment.getStarted(pid);
  }

  override get yieldsToHost(): boolean {
    return true;
  }

  override run(): TurnEnd {
    this.turnFuel = 0;
    this.turnCharge = NATIVE_CHARGE;
    return this.traceTurn(this.#turn());
  }

  #turn(): TurnEnd {
    if (this.hasEnded) return this.goOnEnding();
    if (this.killReason !== null) return this.end(this.killReason);
    if (this.#ended !== null) return this.end(this.#ended);
    this.turns++;
    this.#sentBytes = 0;
    if (!this.#hasBegun) this.#begin();
    else if (this.#due.length > 0) this.#settle(this.#due.shift()!);
    return this.#due.length > 0 ? TurnEnd.Runnable : TurnEnd.Waiting;
  }

  #begin(): void {
    this.#hasBegun = true;
    const { pid, environment, runtime } = this;
    runtime.trace?.({ kind: "spawn", pid, environment: environment.id, creator: null, name: this.name });
    this.#goAway();
    // What the function throws before its first await rejects too.
    const running = (async () => this.#run(this.#context()))();
    running.then(
      () => this.#finish(NORMAL),
      (error: unknown) => this.#finish({ kind: "error", error }),
    );
  }

  override get touchedMs(): number {
    return this.#touchedMs;
  }

  /** What comes later may be the embedder's. */
  #touch(): void {
    this.#touchedMs = this.runtime.executor.nowMs();
  }

  #finish(reason: ExitReason): void {
    this.#touch();
    this.#comeBack();
    this.#ended = reason;
    if (!this.hasEnded) this.runtime.scheduler.wake(this);
  }

  /** Its function is running, or waits for something outside. */
  #goAway(): void {
    if (this.#isAway) return;
    this.#isAway = true;
    this.runtime.executor.hold();
  }

  #comeBack(): void {
    if (!this.#isAway) return;
    this.#isAway = false;
    this.runtime.executor.unhold();
  }

  #settle(wait: Wait): void {
    if (!wait.settle!()) return;
    this.#waits.delete(wait);
    if (this.#waits.size === 0) this.#goAway();
    else if (this.blockedSends !== null) this.#lookAround();
  }

  /** Its function goes on, and may wait for something else. If it does not, it may be in a circle of senders. */
  #lookAround(): void {
    const { executor } = this.runtime;
    executor.hold();
    executor.afterTurn(() => {
      breakCircle(this);
      executor.unhold();
    });
  }

  /**
   * A promise that settles in a turn, as what was given to `goOn` returns or throws. `begin` arranges that `goOn` is called, and
   * returns how to give that up, also after it was called. What `begin` throws comes in a turn too.
   */
  #awaiting<T>(begin: (goOn: (finish: () => T | typeof NOT_YET, isAtOnce?: boolean) => void) => Cancel): Promise<T> {
    this.#touch();
    const promise = new Promise<T>((resolve, reject) => {
      if (this.hasEnded) {
        // It has no turns any more, and a function that catches this may try again without end.
        this.runtime.executor.afterTurn(() => reject(this.#reason));
        return;
      }
      const wait: Wait = { settle: null, giveUp: NOTHING, reject };
      this.#waits.add(wait);
      this.#comeBack();
      if (this.killReason !== null) return;
      const goOn = (finish: () => T | typeof NOT_YET, isAtOnce = false): void => {
        wait.settle = () => {
          try {
            const value = finish();
            if (value === NOT_YET) return false;
            resolve(value);
          } catch (error) {
            reject(error);
          }
          return true;
        };
        if (isAtOnce) this.#settle(wait);
        else {
          this.#due.push(wait);
          this.runtime.scheduler.wake(this);
        }
      };
      try {
        wait.giveUp = begin(goOn);
      } catch (error) {
        goOn(() => {
          throw error;
        });
      }
    });
    // Or whoever kills it could make an uncaught error of what its function does not await.
    promise.catch(NOTHING);
    return promise;
  }

  #receive(options: ReceiveOptions): Promise<NativeMessage | null> {
    return this.#awaiting((goOn) => {
      checkReceive(options);
      const { tags, timeoutMs = Number.POSITIVE_INFINITY } = options;
      if (this.#receiving !== null) throw new TypeError("the process receives already");
      const { executor } = this.runtime;
      const finish = (): NativeMessage | null | typeof NOT_YET => {
        if (receiving.isSearching) this.#search(receiving);
        if (receiving.isSearching) receiving.goOn();
        const { arrived } = receiving;
        if (arrived === null && (receiving.isSearching || !receiving.isLate)) return NOT_YET;
        this.#receiving = null;
        executor.disarm(timer);
        return arrived === null ? null : toNative(arrived);
      };
      const receiving: Receiving = {
        tags: tags === undefined ? null : new TagSet(tags.map((tag) => BigInt.asIntN(64, tag))),
        arrived: null,
        isSearching: true,
        isLate: false,
        goOn: () => goOn(finish),
      };
      const timer = this.#timer(() => {
        receiving.isLate = true;
        if (receiving.arrived === null && !receiving.isSearching) receiving.goOn();
      });
      this.#receiving = receiving;
      this.#search(receiving);
      if (receiving.arrived !== null || receiving.isSearching) receiving.goOn();
      if (receiving.arrived === null && timeoutMs !== Number.POSITIVE_INFINITY) executor.arm(timer, timeoutMs);
      return () => {
        executor.disarm(timer);
        receiving.arrived?.drop();
      };
    });
  }

  /** Looks at the next messages in the mailbox. */
  #search(receiving: Receiving): void {
    const { tags } = receiving;
    const { mailbox } = this;
    const message = tags === null ? mailbox.shift() : mailbox.take(tags, SEEN_PER_STEP);
    receiving.arrived = message;
    receiving.isSearching = message === null && tags !== null && mailbox.hasUnseen;
    if (tags !== null) this.turnCharge += mailbox.passed;
  }

  override takeDirectly(message: Message): boolean {
    const receiving = this.#receiving;
    if (receiving === null || receiving.arrived !== null || receiving.isSearching || receiving.isLate) return false;
    if (receiving.tags !== null && (message.tag === 0n || !receiving.tags.has(message.tag))) return false;
    message.payBy(this.group);
    receiving.arrived = message;
    receiving.goOn();
    return true;
  }

  #send(pid: Pid, data: Uint8Array, tag: bigint): Promise<void> {
    return this.#awaiting((goOn) => {
      checkPid("process to send to", pid);
      const message = DataMessage.of(data, tag, this.group);
      this.#sentBytes += message.countedBytes;
      this.runtime.counts.sent(message);
      const target = this.find(pid);
      if (target === undefined) message.drop();
      else {
        const sending = {
          target,
          since: nextSuspension(),
          endSend: () => {
            this.#sends.delete(sending);
            goOn(NOTHING);
          },
          giveUp: () => {
            this.#sends.delete(sending);
            target.mailbox.withdraw(message);
          },
          fail: () => {
            sending.giveUp();
            goOn(() => {
              throw new Error(NOBODY_MAKES_ROOM);
            });
          },
        };
        if (!target.deliverFor(message, this.pid, sending)) {
          this.#sends.add(sending);
          breakCircle(this);
          return sending.giveUp;
        }
      }
      goOn(NOTHING, this.#sentBytes <= SENT_AT_ONCE);
      return NOTHING;
    });
  }

  /** It may do something else while its function awaits anything else of its context. */
  override get blockedSends(): Iterable<BlockedSend> | null {
    return this.#sends.size > 0 && this.#sends.size === this.#waits.size ? this.#sends : null;
  }

  override get sendsSince(): number {
    return this.#oldestSend?.since ?? Number.POSITIVE_INFINITY;
  }

  override failSend(): void {
    this.#oldestSend?.fail();
  }

  get #oldestSend(): Sending | null {
    for (const sending of this.#sends) return sending;
    return null;
  }

  #sleep(delayMs: number): Promise<void> {
    const { executor } = this.runtime;
    return this.#awaiting((goOn) => {
      checkSleep(delayMs);
      const timer = this.#timer(() => goOn(NOTHING));
      executor.arm(timer, delayMs);
      return () => executor.disarm(timer);
    });
  }

  #timer(fire: () => void): Timer {
    return new Timer(fire, this, (error) => this.kill(reasonOf(error)));
  }

  #context(): NativeContext {
    const living = (): this => {
      if (this.hasEnded || this.killReason !== null) throw this.#reason;
      return this;
    };
    const livingFor = (verb: string, pid: Pid): this => {
      checkPid(`process to ${verb}`, pid);
      return living();
    };
    return {
      pid: this.pid,
      signal: this.#abort.signal,
      // Null comes of a timeout alone.
      receive: ((options = {}) => this.#receive(options)) as NativeContext["receive"],
      send: (pid, data, tag = 0n) => this.#send(pid, data, tag),
      sleep: (delayMs) => this.#sleep(delayMs),
      link: (pid, tag = 0n) => {
        checkTag("tag of a link", tag);
        livingFor("link", pid).relations.linkTo(pid, tag);
      },
      unlink: (pid) => {
        const other = livingFor("unlink", pid).visible(pid);
        if (other !== null) this.relations.unlink(other);
      },
      monitor: (pid) => void livingFor("monitor", pid).relations.monitorPid(BigInt(pid)),
      stopMonitoring: (pid) => {
        const other = livingFor("monitor no more", pid).visible(pid);
        if (other !== null) this.relations.stopMonitoring(other);
      },
      kill: (pid) => livingFor("kill", pid).killProcess(pid),
      dieWhenLinkDies: (dies) => {
        living().diesWithLinks = dies;
      },
    };
  }

  get #reason(): Error {
    const { reason } = this.#abort.signal;
    return reason instanceof Error ? reason : new Error("the process has ended");
  }

  protected override close(): void {
    const { exitReason } = this;
    const cause = exitReason?.kind === "killed" ? exitReason.cause : undefined;
    const error = cause instanceof Error ? cause : new Error("the process has ended", { cause });
    this.#abort.abort(error);
    for (const { giveUp, reject } of this.#waits) {
      giveUp();
      reject(error);
    }
    this.#waits.clear();
    this.#due.length = 0;
    this.#comeBack();
  }

  protected override dropHeld(): number {
    return 0;
  }

  protected override free(): void {}
}

/** It is read with that, and gives back what was paid for it. */
function toNative(message: Message): NativeMessage {
  const native = contentsOf(message);
  message.drop();
  return native;
}

function contentsOf(message: Message): NativeMessage {
  switch (message.kind) {
    case MessageKind.Data: {
      const { bytes, tag } = message as DataMessage;
      return { kind: "data", tag, bytes };
    }
    case MessageKind.LinkDied:
      return { kind: "link-died", tag: message.tag };
    default:
      return { kind: "process-died", pid: (message as ProcessDied).pid };
  }
}
