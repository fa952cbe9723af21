/**
 * For tests: snapshots as somebody forges them, and what has to be true of them. They are refused, or what comes out
 * runs; either way nothing is written outside of the memories that the store has got.
 */

import { GuestExit, SnapshotError, Termination, Trap } from "../errors.ts";
import type { Invocation } from "../execute/invocation.ts";
import { GuestException } from "../runtime/guest-exception.ts";
import { LimitAccountant, type MemoryAllocator, type MemoryBlock } from "../runtime/resources.ts";
import { Store } from "../runtime/store.ts";
import { isRefType, Num } from "../types.ts";
import { CHECKSUM_BYTES, MAGIC } from "./format.ts";
import type { Restored, RestoreOptions } from "./index.ts";
import { sha256 } from "./sha256.ts";

/** Where what the checksum covers begins. */
export const START = MAGIC.length + 2 + CHECKSUM_BYTES;
const LIMIT_BYTES = 16_777_216;

/** Makes the checksum right: whoever forges a snapshot does. */
export function sealed(bytes: Uint8Array): Uint8Array {
  bytes.set(sha256(bytes.subarray(START)).subarray(0, CHECKSUM_BYTES), MAGIC.length + 2);
  return bytes;
}

/** A copy with one to three changes and the right checksum. */
export function forged(original: Uint8Array, random: () => number): Uint8Array {
  const bytes = original.slice();
  for (let left = (random() % 3) + 1; left > 0; left--) mutate(bytes, random);
  return sealed(bytes);
}

function mutate(bytes: Uint8Array, random: () => number): void {
  const at = START + (random() % (bytes.length - START));
  switch (random() % 5) {
    case 0:
      bytes[at] = random();
      return;
    case 1:
      bytes[at]! ^= 1 << (random() % 8);
      return;
    case 2:
      bytes[at]! += (random() % 5) - 2;
      return;
    case 3:
      bytes.copyWithin(at, START + (random() % (bytes.length - START)), START + (random() % bytes.length));
      return;
    default:
      bytes.fill(random() % 2 === 0 ? 0xff : 0, at, at + 1 + (random() % 4));
  }
}

const FENCE_BYTES = 4_096;
const FENCE = 0xa5;

/** Memories between fences that nobody may touch. */
class FencedAllocator implements MemoryAllocator {
  readonly #blocks: MemoryBlock[] = [];

  allocate(byteLength: number): MemoryBlock {
    const buffer = new ArrayBuffer(byteLength + 2 * FENCE_BYTES);
    const block = { buffer, base: FENCE_BYTES, capacity: byteLength };
    for (const fence of fencesOf(block)) fence.fill(FENCE);
    this.#blocks.push(block);
    return block;
  }

  free(): void {}

  get isWhole(): boolean {
    return this.#blocks.every((block) => fencesOf(block).every((fence) => fence.every((byte) => byte === FENCE)));
  }
}

function fencesOf({ buffer, base, capacity }: MemoryBlock): Uint8Array[] {
  return [new Uint8Array(buffer, 0, base), new Uint8Array(buffer, base + capacity)];
}

/**
 * Restores what may be forged and runs it for a while. Returns whether it was accepted. Throws what only our own
 * faults throw, and an error for a refusal that has kept memory and for bytes written outside.
 */
export function tryForged(bytes: Uint8Array, options: RestoreOptions): boolean {
  const accountant = new LimitAccountant(LIMIT_BYTES);
  const allocator = new FencedAllocator();
  let restored: Restored;
  try {
    restored = Store.restore(bytes, { ...options, accountant, allocator });
  } catch (error) {
    if (!(error instanceof SnapshotError || error instanceof Termination)) throw error;
    if (accountant.usedBytes !== 0) throw new Error(`${accountant.usedBytes} bytes were not given back`);
    return false;
  }
  exercise(restored);
  if (!allocator.isWhole) throw new Error("something was written outside of a memory");
  return true;
}

/** Runs what was restored for a while. Only traps, terminations, exits and exceptions of the guest may come out of it. */
export function exercise({ invocations, store }: Restored): void {
  for (const invocation of invocations) {
    try {
      for (let turn = 0; turn < 40; turn++) {
        const outcome = invocation.run({ fuel: turn < 20 ? 2 : 5_000, exact: turn % 3 === 0 });
        if (outcome.kind === "returned") break;
        if (outcome.kind !== "waiting") continue;
        if (outcome.reason === "atomicWait") outcome.wait.timeOut();
        else invocation.resume(answerOf(invocation));
      }
    } catch (error) {
      const isOfGuest = error instanceof GuestException || error instanceof GuestExit;
      if (!(isOfGuest || error instanceof Trap || error instanceof Termination)) throw error;
    }
  }
  store.finishCollection();
  if (store.hasHeap) store.heap.collect(Number.POSITIVE_INFINITY);
}

/** Some values that a host function which waits may give. */
function answerOf({ pendingCall }: Invocation): unknown[] {
  const results = pendingCall?.func.type.results ?? [];
  return results.map((type) => (isRefType(type) ? null : type === Num.I64 ? 4n : 4));
}
