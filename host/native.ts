/**
 * Native processes: async functions with a mailbox, links and monitors like those of guests. They
 * go on only from the run queue, one message a turn, and what they compute between is charged by
 * the time it takes. A synchronous loop in one holds the whole event loop; nothing can stop it.
 */

import { BasicProcess, type BasicProcessOptions } from "./basic-process.ts";
import { DataMessage, MessageKind, type Message, type ProcessDied } from "./message.ts";
import { deliverWithRoom } from "./process-handle.ts";
import { SEEN_PER_STEP } from "./mailbox.ts";
import type { RuntimeCore } from "./runtime-core.ts";
import { TurnEnd } from "./scheduler.ts";
import { NORMAL, reasonOf, type ExitReason, type Pid } from "./signal.ts";
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

/** What a native process can do. After its end everything rejects with the signal's reason. */
export interface NativeContext {
  readonly pid: Pid;
  /** Aborted when the process is killed. */
  readonly signal: AbortSignal;
  receive(options?: ReceiveOptions & { readonly timeoutMs?: never }): Promise<NativeMessage>;
  /** Resolves to null when the time is over. */
  receive(options: ReceiveOptions): Promise<NativeMessage | null>;
  /** Resolves when the receiver's mailbox has room. Messages to nobody are dropped. */
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

/** It ends normally when its promise resolves, with reason `error` when it rejects. */
export type NativeFunction = (self: NativeContext) => Promise<unknown>;

/** Charge of a turn besides the time that the function takes. */
const NATIVE_CHARGE = 2_000;

interface Waiting {
  readonly tags: TagSet | null;
  readonly resolve: (message: NativeMessage | null) => void;
  readonly reject: (error: Error) => void;
}

export class NativeProcess extends BasicProcess {
  readonly #run: NativeFunction;
  readonly #abort = new AbortController();
  #hasBegun = false;
  #waiting: Waiting | null = null;
  /** What the waiting receive gets at the next turn. */
  #arrived: Message | "timeout" | null = null;
  /** It has messages left to look at; and meanwhile its time was over. */
  #isSearching = false;
  #isLate = false;
  #ended: ExitReason | null = null;
  readonly #timer = new Timer(
    () => this.#timeOver(),
    this,
    (error) => this.kill(reasonOf(error)),
  );
  readonly #sleeps = new Set<{ readonly timer: Timer; readonly reject: (error: Error) => void }>();
  #isAway = false;

  constructor(runtime: RuntimeCore, options: BasicProcessOptions, run: NativeFunction) {
    super(runtime, options);
    this.#run = run;
  }

  begin(): boolean {
    if (!this.enter()) return false;
    this.becomeVisible();
    this.runtime.scheduler.start(this, this.group.share, null);
    return true;
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
    if (this.hasEnded) return this.goOnEnding();
    if (this.killReason !== null) return this.end(this.killReason);
    if (this.#ended !== null) return this.end(this.#ended);
    if (!this.#hasBegun) this.#begin();
    else if (this.#isSearching && this.#search()) return TurnEnd.Runnable;
    else this.#receive();
    return TurnEnd.Waiting;
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

  #finish(reason: ExitReason): void {
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

  /** Looks for what the waiting receive wants. True when there are messages left to look at. */
  #search(): boolean {
    const { tags } = this.#waiting!;
    this.#arrived = tags === null ? this.mailbox.shift() : this.mailbox.take(tags, SEEN_PER_STEP);
    this.turnCharge += this.mailbox.passed;
    this.#isSearching = this.#arrived === null && tags !== null && this.mailbox.hasUnseen;
    if (this.#arrived === null && !this.#isSearching && this.#isLate) this.#arrived = "timeout";
    return this.#isSearching;
  }

  /** Gives the waiting receive what has arrived. */
  #receive(): void {
    const waiting = this.#waiting;
    const arrived = this.#arrived;
    if (waiting === null || arrived === null) return;
    this.#waiting = null;
    this.#arrived = null;
    this.runtime.executor.disarm(this.#timer);
    this.#goAway();
    waiting.resolve(arrived === "timeout" ? null : toNative(arrived));
  }

  override takeDirectly(message: Message): boolean {
    const waiting = this.#waiting;
    if (waiting === null || this.#arrived !== null || this.#isSearching) return false;
    if (waiting.tags !== null && (message.tag === 0n || !waiting.tags.has(message.tag))) return false;
    message.payBy(this.group);
    this.#arrived = message;
    this.runtime.scheduler.wake(this);
    return true;
  }

  #timeOver(): void {
    if (this.#waiting === null || this.#arrived !== null) return;
    if (this.#isSearching) {
      this.#isLate = true;
      return;
    }
    this.#arrived = "timeout";
    this.runtime.scheduler.wake(this);
  }

  #context(): NativeContext {
    const { runtime } = this;
    const alive = (): void => {
      if (this.hasEnded || this.killReason !== null) throw this.#reason();
    };
    const other = (pid: Pid): BasicProcess | undefined => this.find(pid);
    return {
      pid: this.pid,
      signal: this.#abort.signal,
      receive: (async ({ tags, timeoutMs = Number.POSITIVE_INFINITY }: ReceiveOptions = {}) => {
        alive();
        if (this.#waiting !== null) throw new TypeError("the process receives already");
        return new Promise<NativeMessage | null>((resolve, reject) => {
          const wanted = tags === undefined ? null : new TagSet(tags);
          this.#waiting = { tags: wanted, resolve, reject };
          this.#isLate = false;
          this.#search();
          this.#comeBack();
          if (this.#arrived !== null || this.#isSearching) runtime.scheduler.wake(this);
          if (this.#arrived === null && timeoutMs !== Number.POSITIVE_INFINITY) {
            runtime.executor.arm(this.#timer, timeoutMs);
          }
        });
        // Null comes of a timeout alone.
      }) as NativeContext["receive"],
      send: async (pid, data, tag = 0n) => {
        alive();
        const target = other(pid);
        if (target !== undefined) await deliverWithRoom(target, DataMessage.of(data, tag));
        alive();
      },
      sleep: async (delayMs) => {
        alive();
        await new Promise<void>((resolve, reject) => {
          const sleep = { timer: new Timer(() => this.#wakeSleep(sleep, resolve)), reject };
          this.#sleeps.add(sleep);
          if (this.#sleeps.size === 1) this.#comeBack();
          runtime.executor.arm(sleep.timer, delayMs);
        });
      },
      link: (pid, tag = 0n) => {
        alive();
        this.linkTo(pid, tag);
      },
      unlink: (pid) => {
        const target = other(pid);
        if (target !== undefined) this.unlink(target);
      },
      monitor: (pid) => {
        alive();
        this.monitorPid(pid);
      },
      stopMonitoring: (pid) => {
        const target = other(pid);
        if (target !== undefined) this.stopMonitoring(target);
      },
      kill: (pid) => {
        alive();
        other(pid)?.kill({ kind: "killed", by: this.pid });
      },
      dieWhenLinkDies: (dies) => {
        this.diesWithLinks = dies;
      },
    };
  }

  #wakeSleep(sleep: { readonly timer: Timer; readonly reject: (error: Error) => void }, resolve: () => void): void {
    this.#sleeps.delete(sleep);
    this.#goAway();
    resolve();
  }

  #reason(): Error {
    const { reason } = this.#abort.signal;
    return reason instanceof Error ? reason : new Error("the process has ended");
  }

  protected override close(): void {
    const error = new Error("the process has ended");
    this.#abort.abort(error);
    this.#waiting?.reject(error);
    this.#waiting = null;
    if (this.#arrived !== null && this.#arrived !== "timeout") this.#arrived.drop();
    this.#arrived = null;
    const { executor } = this.runtime;
    executor.disarm(this.#timer);
    for (const { timer, reject } of this.#sleeps) {
      executor.disarm(timer);
      reject(error);
    }
    this.#sleeps.clear();
    this.#comeBack();
  }

  protected override free(): void {}
}

function toNative(message: Message): NativeMessage {
  switch (message.kind) {
    case MessageKind.Data: {
      const { bytes, tag } = message as DataMessage;
      message.drop();
      return { kind: "data", tag, bytes };
    }
    case MessageKind.LinkDied:
      return { kind: "link-died", tag: message.tag };
    default:
      return { kind: "process-died", pid: (message as ProcessDied).pid };
  }
}
