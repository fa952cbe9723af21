/** A process in the hands of the embedder. */

import type { BasicProcess } from "./basic-process.ts";
import { DataMessage } from "./message.ts";
import { Process } from "./process.ts";
import type { ExitReason, Pid } from "./signal.ts";
import { hibernate } from "./snapshot/hibernation.ts";
import { type ProcessSnapshotOptions, saveProcess } from "./snapshot/save.ts";

export type ProcessState = "initialising" | "runnable" | "waiting" | "hibernating" | "paused" | "exited";

export interface ProcessStats {
  readonly pid: Pid;
  readonly name: string;
  readonly state: ProcessState;
  /** Fuel used: 0 for async functions, which are charged by time. */
  readonly fuel: number;
  /** Turns it had. */
  readonly turns: number;
  /** Bytes of all kinds. */
  readonly memory: number;
  /** Messages that wait. */
  readonly mailbox: number;
  readonly links: number;
  /** The host call that a guest waits in, and since when in milliseconds of its executor's time. */
  readonly waiting: { readonly call: string; readonly sinceMs: number } | null;
}

export class ProcessHandle implements AsyncDisposable {
  readonly #process: BasicProcess;
  #exited: Promise<ExitReason> | null = null;

  constructor(process: BasicProcess) {
    this.#process = process;
  }

  /** Resolves, and never rejects, when the process has ended and its links and monitors know. */
  get exited(): Promise<ExitReason> {
    // Made when it is asked for: with what listens it is as large as a store.
    this.#exited ??= new Promise((resolve) => this.#process.onExit(resolve));
    return this.#exited;
  }

  get pid(): Pid {
    return this.#process.pid;
  }

  /** Resolves when others can see it: a guest is instantiated then. To false when it has ended before. */
  get started(): Promise<boolean> {
    return new Promise((resolve) => this.#process.onReady(resolve));
  }

  /** The process itself, for what the handle does not offer. */
  get process(): BasicProcess {
    return this.#process;
  }

  /**
   * Sends a copy of the bytes. Resolves when the mailbox has had room for them, or the process has
   * ended; then they are dropped.
   */
  async send(data: Uint8Array | DataMessage, tag = 0n): Promise<void> {
    const message = data instanceof DataMessage ? data : DataMessage.of(data, tag);
    const { runtime } = this.#process;
    runtime.counts.sent(message);
    message.payBy(runtime.group);
    await new Promise<void>((resolve) => {
      if (this.#process.deliverFor(message, null, { endSend: resolve })) resolve();
    });
  }

  /** Ends it before anything else of it runs. Links and monitors are told. */
  kill(): void {
    this.#process.kill({ kind: "killed", by: null });
  }

  /**
   * Stops giving it turns until {@link resume}, whatever its fuel. What an async function awaits outside of its context goes on
   * all the same.
   */
  pause(): void {
    this.#process.pause();
  }

  resume(): void {
    this.#process.resume();
  }

  /**
   * More fuel than its configuration gave it, rounded down. One that paused for want of fuel goes on, if its group has some:
   * `Group.addFuel`. Throws `TypeError` for an async function: it is charged by time and has no fuel.
   */
  addFuel(fuel: number): void {
    if (!(this.#process instanceof Process))
      throw new TypeError(`${this.#process.name || "a native process"} has no fuel`);
    this.#process.addFuel(fuel);
  }

  /**
   * The process as bytes, from which `Runtime.restore` makes one that goes on, here or elsewhere: docs/snapshot.md. It is
   * saved at its next pause, at once unless it is in its turn, and goes on. Rejects with `SnapshotError` that names what
   * stands in the way.
   */
  snapshot(options: ProcessSnapshotOptions = {}): Promise<Uint8Array> {
    return saveProcess(this.#process, options);
  }

  /**
   * Frees the memory of a process that waits for a message or for time, until one comes. Resolves to false when it does not
   * wait, when something of it cannot be saved, while it is being saved, and when it would win nothing.
   */
  async hibernate(): Promise<boolean> {
    return this.#process instanceof Process && hibernate(this.#process);
  }

  get stats(): ProcessStats {
    return statsOf(this.#process);
  }

  /** Kills it and waits for its end. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
    await this.exited;
  }
}

export function statsOf(process: BasicProcess): ProcessStats {
  const isGuest = process instanceof Process;
  return {
    pid: process.pid,
    name: process.name,
    state: stateOf(process),
    // Without the sign of a zero that was stored as a double.
    fuel: isGuest ? process.fuelUsed + 0 : 0,
    turns: process.turns,
    memory: isGuest ? process.memory.byteLength : 0,
    mailbox: process.mailbox.size,
    links: process.linkCount,
    waiting: isGuest ? process.waiting : null,
  };
}

function stateOf(process: BasicProcess): ProcessState {
  if (process.hasEnded) return "exited";
  if (process.isPaused) return "paused";
  if (!process.isVisible) return "initialising";
  if (process instanceof Process && process.isHibernating) return process.isRunnable ? "runnable" : "hibernating";
  return process.isRunnable ? "runnable" : "waiting";
}
