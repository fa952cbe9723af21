/**
 * Services from what every platform has: clocks, randomness, no input, output to nowhere. On an
 * executor with a seed, time and randomness follow from the seed too.
 */

import type { Executor } from "./executor.ts";
import { ExecutorClock, type ClockReadings } from "./executor-clock.ts";
import { SeededRandom } from "./fakes.ts";
import type { Services } from "./runtime-core.ts";
import { PLATFORM_RANDOM } from "./platform-random.ts";
import { wakeSoon, type InputStream, type OutputStream } from "./system.ts";

const NS_PER_MS = 1_000_000;

const GLOBAL_CLOCK: ClockReadings = {
  resolution: 1_000n,

  realtime: () => BigInt(Math.round((performance.timeOrigin + performance.now()) * 1_000)) * 1_000n,
  monotonic: () => BigInt(Math.round(performance.now() * NS_PER_MS)),
};

const NO_INPUT: InputStream = {
  isTerminal: false,
  available: 0,
  read: () => new Uint8Array(0),
  onReadable: wakeSoon,
};

const NO_OUTPUT: OutputStream = {
  isTerminal: false,
  isWritable: true,
  write: () => undefined,
  onWritable: wakeSoon,
};

export function defaultServices(executor: Executor): Services {
  const clock = new ExecutorClock(executor, executor.isVirtual ? null : GLOBAL_CLOCK);
  const random = executor.isDeterministic ? new SeededRandom(executor.random()) : PLATFORM_RANDOM;
  return { clock, random, stdin: NO_INPUT, stdout: NO_OUTPUT, stderr: NO_OUTPUT };
}

/** Where a platform does not say how much memory it has. */
const UNKNOWN_MEMORY_BYTES = 2 ** 32;

/** Bytes: half of what the machine has, or of what the container may use, where the platform says so. */
export function defaultMaxMemory(): number {
  const { process, navigator } = globalThis as {
    process?: Partial<Pick<NodeJS.Process, "constrainedMemory" | "getBuiltinModule">>;
    navigator?: { readonly deviceMemory?: number };
  };
  const sizes = [
    process?.getBuiltinModule?.("os").totalmem(),
    process?.constrainedMemory?.(),
    (navigator?.deviceMemory ?? 0) * 2 ** 30,
  ].filter((size): size is number => size !== undefined && size > 0);
  return Math.floor(Math.min(...(sizes.length > 0 ? sizes : [UNKNOWN_MEMORY_BYTES])) / 2);
}

/** Where a platform does not say how large its heap may become. */
const UNKNOWN_HEAP_BYTES = 2 ** 30;

/** Bytes: half of what the host's own heap may have. Where that is full V8 ends the whole program. */
export function defaultMaxHostMemory(): number {
  const { process, performance } = globalThis as {
    process?: Partial<Pick<NodeJS.Process, "getBuiltinModule">>;
    performance?: { readonly memory?: { readonly jsHeapSizeLimit?: number } };
  };
  const v8 = process?.getBuiltinModule?.("v8");
  const limit = v8?.getHeapStatistics().heap_size_limit ?? performance?.memory?.jsHeapSizeLimit;
  return Math.floor((limit ?? UNKNOWN_HEAP_BYTES) / 2);
}
