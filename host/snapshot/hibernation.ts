/**
 * Hibernation: the store of a process that waits is saved, and its memory is free, until a message, a signal or its time comes;
 * then it is restored in turns of the process before it goes on. All else of the process stays as it is: it waits.
 */

import {
  eventLoopTurn,
  type HostDefinition,
  Restoration,
  type Restored,
  Saving,
  SnapshotError,
  Termination,
} from "../../vm/index.ts";
import type { Process } from "../process.ts";
import type { ProcessRun, Restoring } from "../process-run.ts";
import { storeOptions } from "./restore.ts";
import { instanceNumber, STEPS_AT_ONCE } from "./save.ts";

/** What of the host a hibernating store refers to, by the names that it has meanwhile. */
interface HostParts {
  readonly externs: unknown[];
  functions: Map<string, HostDefinition> | null;
}

/**
 * Frees the memory of a process that waits for a message or for time. False when it does not, when something of it cannot be
 * saved or is held by the embedder, when it is being saved already, and when nothing would be won.
 */
export function hibernate(process: Process): boolean | Promise<boolean> {
  const found = beginSaving(process);
  if (found === null) return false;
  const { saving, run, parts } = found;
  const isAtOnce = process.runtime.executor.isDeterministic;
  for (let steps = 0; isAtOnce || steps < STEPS_AT_ONCE; steps++) {
    if (saving.step()) return process.freeze(run, new Waking(run, saving.bytes, parts));
  }
  return later(process, run, saving, parts);
}

/** Whoever wakes the process meanwhile has it go on as it was. */
async function later(process: Process, run: ProcessRun, saving: Saving, parts: HostParts): Promise<boolean> {
  const { executor } = process.runtime;
  executor.hold();
  process.hold();
  try {
    do {
      await eventLoopTurn();
      if (!isWaiting(process)) return false;
    } while (!saving.step());
    return process.freeze(run, new Waking(run, saving.bytes, parts));
  } finally {
    process.unhold();
    executor.unhold();
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

function beginSaving(process: Process): { saving: Saving; run: ProcessRun; parts: HostParts } | null {
  if (process.isHeld || !isWaiting(process) || !process.isVisible) return null;
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
  try {
    return { saving: new Saving(store, [invocation], { externName, withoutHash: true }), run, parts };
  } catch (error) {
    if (error instanceof SnapshotError) return null;
    throw error;
  }
}

class Waking implements Restoring {
  readonly #bytes: Uint8Array;
  readonly #parts: HostParts;
  readonly #instance: number;
  #restoration: Restoration | null = null;

  constructor(run: ProcessRun, bytes: Uint8Array, parts: HostParts) {
    this.#bytes = bytes;
    this.#parts = parts;
    this.#instance = instanceNumber(run);
  }

  get byteLength(): number {
    return this.#bytes.length;
  }

  step(process: Process): boolean {
    try {
      if (this.#restoration === null) {
        // What it takes now it has had before.
        process.releaseBytes(this.byteLength);
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
