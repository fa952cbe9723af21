/** Saves a process: the snapshot of its store, and beside it as data what else the process is (docs/snapshot.md). */

import {
  checksumOf,
  eventLoopTurn,
  type FrameState,
  Saving,
  SnapshotError,
  type SnapshotOptions,
  type Value,
} from "../../vm/internal.ts";
import { type BasicProcess, Phase } from "../basic-process.ts";
import { isCompiling } from "../functions/compile.ts";
import { Process } from "../process.ts";
import type { ProcessRun, Waiting } from "../process-run.ts";
import { NORMAL } from "../signal.ts";
import { ProcessExit } from "../wasi/proc.ts";
import { configState } from "./configs.ts";
import { unsavable } from "./fields.ts";
import { MailboxWriter } from "./mailboxes.ts";
import { hashText } from "./messages.ts";
import { Names, type Relations, relationsState, targetOf } from "./relations.ts";
import { tablesState } from "./tables.ts";

export interface ProcessSnapshotOptions extends Pick<SnapshotOptions, "externName" | "hostFuncName"> {
  /** Ends the process, with reason normal, as soon as it is saved. */
  readonly stop?: boolean;
  /** Waits while a host call is under way that cannot be saved, in place of refusing. */
  readonly settle?: boolean;
  /** Links, monitors and timers with processes that have no registered name: refused (the default), or left out. */
  readonly relations?: Relations;
}

/** Of the data of a process. */
export const PROCESS_VERSION = 3;
/** Steps of saving at once: more are taken between turns of the event loop. */
export const STEPS_AT_ONCE = 4;

/** Saves a process at its next pause. Rejects with `SnapshotError` that names what stands in the way. */
export function saveProcess(process: BasicProcess, options: ProcessSnapshotOptions): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    if (!(process instanceof Process)) {
      reject(unsavable(`process ${process.pid} is a native one: what a JavaScript function remembers is no data`));
      return;
    }
    /** Whether to wait for the next pause, since it may be possible then. */
    const waits = (error: unknown): boolean => {
      if (options.settle === true && error instanceof SnapshotError && !process.hasEnded) return true;
      reject(error);
      return false;
    };
    /** True when there is nothing more to wait for, or somebody saves it. */
    const look = (): boolean => {
      try {
        if (process.hasEnded) throw ended(process);
        // One is saved after the other.
        if (process.isHeld) return false;
        const { standing } = process;
        if (standing === null) {
          if (process.isPausedUnbegun) throw unsavable(`process ${process.pid} is paused, and has not begun`);
          return false;
        }
        const bytes = finish(process, new Save(process, standing, options), options);
        if (bytes instanceof Uint8Array) resolve(bytes);
        else bytes.then(resolve, (error: unknown) => waits(error) && process.saving.atPause(look));
      } catch (error) {
        return !waits(error);
      }
      return true;
    };
    if (look()) return;
    process.saving.atPause(look);
    process.wakeUp();
  });
}

function ended(process: Process): SnapshotError {
  return unsavable(`process ${process.pid} has ended`);
}

/** A saving that is under way: first of the mailbox, then of all. */
class Save {
  readonly #process: Process;
  readonly #options: ProcessSnapshotOptions;
  readonly #mailbox: MailboxWriter;
  readonly waitsFor: Waiting["kind"];
  #saving: Saving | null = null;
  /** Others had their turns meanwhile: what they did to the process belongs to it. */
  isLate = false;

  constructor(process: Process, { waiting }: ProcessRun, options: ProcessSnapshotOptions) {
    this.#process = process;
    this.#options = options;
    this.waitsFor = waiting.kind;
    this.#mailbox = new MailboxWriter(process.mailbox, process.messages.scratch);
  }

  /** False when there is more to do. Throws `SnapshotError`. */
  step(): boolean {
    if (this.#saving === null) {
      if (!this.#mailbox.step()) return false;
      this.#saving = this.#begin(standingOf(this.#process));
      // Both at once, where both are small.
    } else if (this.#options.stop === true) this.#mailbox.step();
    return this.#saving.step();
  }

  get bytes(): Uint8Array {
    return this.#saving!.bytes;
  }

  #begin(run: ProcessRun): Saving {
    const { store, invocation, waiting } = run;
    const { externName, hostFuncName, stop = false } = this.#options;
    const state = this.#state(run);
    return new Saving(store, [invocation], {
      ...(externName === undefined ? {} : { externName }),
      ...(hostFuncName === undefined ? {} : { hostFuncName }),
      remainingNs: ({ timeoutNs }) =>
        waiting.leftMs === null ? (timeoutNs ?? 0n) : BigInt(Math.ceil(waiting.leftMs * 1e6)),
      errorState: (error) => (error instanceof ProcessExit ? { exitCode: error.code } : undefined),
      // One that goes on here is saved as it was; one that is stopped takes along what came meanwhile.
      data: stop ? () => (this.isLate ? this.#state(standingOf(this.#process)) : state) : state,
    });
  }

  #state(run: ProcessRun): FrameState {
    // What came since, and was not much.
    while (!this.#mailbox.step());
    return processState(this.#process, run, this.#mailbox, this.#options.relations ?? "require");
  }
}

function standingOf(process: Process): ProcessRun {
  const { standing } = process;
  if (standing === null) throw ended(process);
  return standing;
}

/** The process stands still while it is saved, however many turns of the event loop that takes. */
function finish(process: Process, save: Save, options: ProcessSnapshotOptions): Uint8Array | Promise<Uint8Array> {
  const isAtOnce = process.runtime.executor.isDeterministic;
  for (let steps = 0; isAtOnce || steps < STEPS_AT_ONCE; steps++) {
    if (save.step()) return done(process, save, options);
  }
  return finishLater(process, save, options);
}

/** What arrives meanwhile at one that is stopped is saved too: all but the store is taken last, and begun anew is what has had its answer. */
async function finishLater(process: Process, first: Save, options: ProcessSnapshotOptions): Promise<Uint8Array> {
  const { executor } = process.runtime;
  let save = first;
  save.isLate = true;
  executor.hold();
  process.saving.hold();
  try {
    do {
      await eventLoopTurn();
      const standing = standingOf(process);
      // It happens once: what it goes on with then waits for nothing.
      if (standing.waiting.kind !== save.waitsFor) {
        save = new Save(process, standing, options);
        save.isLate = true;
      }
    } while (!save.step());
    return done(process, save, options);
  } finally {
    process.saving.unhold();
    executor.unhold();
  }
}

/** What it takes along is no longer here: its timers, and its number. */
function done(process: Process, { bytes }: Save, { stop = false }: ProcessSnapshotOptions): Uint8Array {
  if (stop) {
    process.resources.timers.dropSome(Number.POSITIVE_INFINITY);
    process.environment.leave(process.pid, checksumOf(bytes));
    process.kill(NORMAL);
  }
  return bytes;
}

function processState(process: Process, run: ProcessRun, mailbox: MailboxWriter, relations: Relations): FrameState {
  const { config, environment, makerPid, phase } = process;
  const isStarting = phase === Phase.Initialising;
  if (isStarting && makerPid !== null) throw unsavable(`it is being started by process ${makerPid}`);
  if (isCompiling(process)) throw unsavable("it is compiling a module");
  const names = new Names(environment);
  const { kind, tags, answersZero, leftMs } = run.waiting;
  const { pieces, hasScratch, seen } = mailbox.state;
  return {
    process: PROCESS_VERSION,
    module: hashText(process.module),
    instance: instanceNumber(run),
    entry: process.entry,
    args: isStarting ? process.args.map(argState) : [],
    isStarting,
    name: process.name,
    pid: process.pid,
    fuelUsed: run.fuelUsed,
    maxFuel: run.maxFuel,
    config: configState(config),
    diesWithLinks: process.diesWithLinks,
    waiting: { kind, tags: tags === null ? null : [...tags], answersZero, leftMs },
    hasScratch,
    mailbox: pieces,
    seen,
    tables: tablesState(process.resources, (target, what) => targetOf(process, target, names, relations, what)),
    relations: relationsState(process, names, relations),
    wasi: wasiState(process),
  };
}

/** Of the instance of a process among those of its store. */
export function instanceNumber({ store, instance }: ProcessRun): number {
  return store.owners.filter((owner) => !("definition" in owner)).indexOf(instance);
}

function argState(value: Value): FrameState {
  if (typeof value === "number" || typeof value === "bigint" || value instanceof Uint8Array) return value;
  throw unsavable("an argument of its entry is a reference");
}

function wasiState({ wasi, config }: Process): FrameState {
  const state = wasi.opened;
  if (state === null) return null;
  let opened: ReturnType<typeof state.opened>;
  try {
    opened = state.opened(config.preopens.map(({ name }) => name));
  } catch (error) {
    throw unsavable(error instanceof Error ? error.message : String(error));
  }
  return { opened: opened.map((each) => ({ ...each })), times: state.remainingTimes?.() ?? null };
}
