/**
 * Hibernation: the store of a process that waits is saved, and its memory is free, until a message, a signal or its time comes;
 * then it is restored in turns of the process before it goes on. All else of the process stays as it is: it waits. Saving has
 * turns too, of a task beside the process: whoever is woken meanwhile goes on at once, and what was saved is forgotten.
 */

import { type HostDefinition, Restoration, type Restored, Saving, SnapshotError, Termination } from "../../vm/index.ts";
import { Account } from "../group.ts";
import type { Process } from "../process.ts";
import type { ProcessRun, Restoring } from "../process-run.ts";
import { Task, TurnEnd } from "../task.ts";
import { chargeOfStep } from "./price.ts";
import { storeOptions } from "./restore.ts";
import { instanceNumber } from "./save.ts";

/** What of the host a hibernating store refers to, by the names that it has meanwhile. */
interface HostParts {
  readonly externs: unknown[];
  functions: Map<string, HostDefinition> | null;
}

/** A saving that is under way. */
interface Work {
  readonly saving: Saving;
  readonly run: ProcessRun;
  readonly parts: HostParts;
}

/**
 * Frees the memory of a process that waits for a message or for time. False when it does not, when something of it cannot be
 * saved or is held by the embedder, when it is being saved already, when its group has no memory for the snapshot beside the
 * store, and when nothing would be won.
 */
export function hibernate(process: Process): boolean | Promise<boolean> {
  if (!mayHibernate(process)) return false;
  const { executor, scheduler } = process.runtime;
  // With a seed a charge follows from what guests do, and nobody sees who hibernates.
  if (executor.isDeterministic) return atOnce(process);
  return new Promise((resolve, reject) => {
    const freezing = new Freezing(process, resolve, reject);
    process.saving.beginFreezing(() => freezing.giveUp());
    scheduler.start(freezing, process.group.share, process);
  });
}

function atOnce(process: Process): boolean {
  try {
    const work = beginSaving(process);
    if (work === null) return false;
    while (!work.saving.step());
    return freeze(process, work);
  } catch (error) {
    if (error instanceof SnapshotError) return false;
    throw error;
  }
}

function freeze(process: Process, { saving, run, parts }: Work): boolean {
  return process.freeze(run, new Waking(run, saving.bytes, parts, process.memory.storeBytes));
}

/** Saves a process for hibernation, a step in each turn. It begins where the process is in virtual time, which pays for it. */
class Freezing extends Task {
  readonly #process: Process;
  readonly #resolve: (isFrozen: boolean) => void;
  readonly #reject: (error: unknown) => void;
  #work: Work | null = null;

  constructor(process: Process, resolve: (isFrozen: boolean) => void, reject: (error: unknown) => void) {
    super();
    this.#process = process;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  override run(): TurnEnd {
    const process = this.#process;
    this.turnCharge = chargeOfStep(process.memory.storeBytes);
    let isFrozen = false;
    try {
      const work = isWaiting(process) ? (this.#work ??= beginSaving(process)) : null;
      if (work !== null) {
        if (!work.saving.step()) return TurnEnd.Runnable;
        isFrozen = freeze(process, work);
      }
    } catch (error) {
      if (!(error instanceof SnapshotError)) this.#reject(error);
    }
    this.#end(isFrozen);
    process.saving.endFreezing();
    return TurnEnd.Ended;
  }

  /** The process goes on, or ends. */
  giveUp(): void {
    this.#process.runtime.scheduler.drop(this);
    this.#end(false);
  }

  #end(isFrozen: boolean): void {
    this.#work?.saving.discard();
    this.#resolve(isFrozen);
  }
}

function isWaiting(process: Process): boolean {
  try {
    const kind = process.standing?.waiting.kind ?? "nothing";
    return kind !== "nothing" && !process.isRunnable;
  } catch (error) {
    if (error instanceof SnapshotError) return false;
    throw error;
  }
}

function mayHibernate(process: Process): boolean {
  return !process.isHeld && process.isVisible && isWaiting(process);
}

function beginSaving(process: Process): Work | null {
  const run = process.standing;
  if (run === null) return null;
  const { store, invocation } = run;
  // What the embedder holds would be of a store that is gone.
  if (store.hasHeap && store.heap.retained.size > 0) return null;
  const parts: HostParts = { externs: [], functions: null };
  // Those of the plan are found by their imports.
  for (const owner of store.owners.slice(store.plannedCount)) {
    if (!("definition" in owner) || owner.definition.name === undefined) continue;
    parts.functions ??= new Map();
    parts.functions.set(owner.definition.name, owner.definition);
  }
  const externName = (value: unknown): string => String(parts.externs.push(value) - 1);
  const { group } = process;
  const account = {
    reserve: (byteLength: number) => group.reserve(Account.Memory, byteLength),
    release: (byteLength: number) => group.release(Account.Memory, byteLength),
  };
  return { saving: new Saving(store, [invocation], { externName, account, withoutHash: true }), run, parts };
}

class Waking implements Restoring {
  readonly #bytes: Uint8Array;
  readonly #parts: HostParts;
  readonly #instance: number;
  readonly stepCharge: number;
  #restoration: Restoration | null = null;

  constructor(run: ProcessRun, bytes: Uint8Array, parts: HostParts, storeBytes: number) {
    this.#bytes = bytes;
    this.#parts = parts;
    this.#instance = instanceNumber(run);
    this.stepCharge = chargeOfStep(storeBytes);
  }

  get byteLength(): number {
    return this.#bytes.length;
  }

  step(process: Process): boolean {
    try {
      if (this.#restoration === null) {
        // What it takes now it has had before.
        process.memory.releaseBytes(this.byteLength);
        this.#restoration = new Restoration(this.#bytes, { withoutHash: true });
        this.#restoration.begin(this.#options(process));
      }
      if (!this.#restoration.step()) return false;
    } catch (error) {
      if (!(error instanceof Termination)) throw error;
      throw new Termination(error.reason, `no room to wake up: ${error.message}`);
    }
    const { store, instances, invocations }: Restored = this.#restoration.restored;
    process.thaw(store, instances[this.#instance]!, invocations[0]!);
    return true;
  }

  #options(process: Process) {
    const { externs, functions } = this.#parts;
    return storeOptions(process, {
      extern: (name) => externs[Number(name)],
      hostFunc: (name) => functions?.get(name),
    });
  }

  discard(): void {
    this.#restoration?.discard();
  }
}
