/** Where a process stands between its turns, as snapshot/ saves and restores it. */

import { SnapshotError, type Instance, type Invocation, type Store } from "../vm/index.ts";
import type { HostCall } from "./host-call.ts";
import type { Process } from "./process.ts";
import type { ProcessMessages } from "./process-messages.ts";
import type { OpenedDescriptor } from "./wasi/state.ts";

/** What the host call that waits is waiting for. */
export interface Waiting {
  /** `atomic`: an atomic wait of a memory that nobody shares. */
  readonly kind: "nothing" | "message" | "sleep" | "atomic";
  /** Messages with one of these tags; null for any. */
  readonly tags: readonly bigint[] | null;
  /** Whether the call returns 0 for every kind of message. */
  readonly answersZero: boolean;
  /** Until its time is over; null for ever. */
  readonly leftMs: number | null;
}

/** Throws `SnapshotError` for a call that waits for something that is no data. */
export function waitingOf(hostCall: HostCall, messages: ProcessMessages | null): Waiting {
  const receiver = messages?.receiver ?? null;
  if (receiver !== null) {
    throw new SnapshotError("unsavable", `it waits for room in the mailbox of process ${receiver.pid}`);
  }
  if (hostCall.isOutside) {
    const name = hostCall.invocation?.pendingCall?.name ?? "host function";
    throw new SnapshotError("unsavable", `the call of ${name} waits for something outside of the process`);
  }
  return messages?.waiting ?? hostCall.waiting;
}

export interface ProcessRun {
  readonly store: Store;
  readonly instance: Instance;
  readonly invocation: Invocation;
  readonly waiting: Waiting;
  readonly fuelUsed: number;
  /** Fuel that it may use in all. */
  readonly maxFuel: number;
}

/** Descriptors of a restored process, and what remains of the times that it waits for. */
export interface RestoredWasi {
  readonly opened: readonly OpenedDescriptor[];
  readonly times: readonly bigint[] | null;
}

/** What a process is made of when it does not begin anew. */
export interface Restoring {
  /** Charge of one step. */
  readonly stepCharge: number;
  /** Does a bounded part in a turn of the process; true when it has been given all of it. Throws what ends the process. */
  step(process: Process): boolean;
  /** The process has ended before. */
  discard(): void;
}

/** What a process goes on with that hibernates. */
export interface Frozen extends Restoring {
  readonly byteLength: number;
}
