/**
 * What a runtime counts of itself while it runs: plain numbers, because some of them change with every message. The
 * rest of its metrics is read off its processes and accounts when somebody asks (runtime-metrics.ts).
 */

import { MessageKind, type DataMessage, type Message } from "./message.ts";

/** Sizes of messages are counted by powers of two: the last bucket is for more than 16 MiB. */
export const SIZE_BUCKETS = 26;
/** Milliseconds. */
export const DURATION_BOUNDS_MS: readonly number[] = [1, 5, 10, 50, 100, 500, 1_000, 5_000, 10_000];

export class RuntimeCounts {
  /** Everything that processes send each other, messages too. */
  signals = 0;
  messages = 0;
  /** Of messages with data: how many had up to 2^i bytes and more than half of that; all their bytes; their resources. */
  readonly sizes = new Float64Array(SIZE_BUCKETS);
  dataBytes = 0;
  dataResources = 0;
  linksDied = 0;
  modulesCompiled = 0;
  readonly compileDurations = new Float64Array(DURATION_BOUNDS_MS.length + 1);
  compileMs = 0;
  /** Entries that have left the table of a process, by its call or by its end. */
  modulesDropped = 0;
  configsCreated = 0;
  configsDropped = 0;
  timersStarted = 0;
  timersCompleted = 0;
  timersCanceled = 0;
  registryWrites = 0;
  registryReads = 0;
  registryDeletions = 0;

  /** A message is sent, wherever it goes. */
  sent(message: Message): void {
    this.signals++;
    this.messages++;
    if (message.kind !== MessageKind.Data) return;
    const { byteLength, resourceCount } = message as DataMessage;
    const bucket = byteLength <= 1 ? 0 : 32 - Math.clz32(byteLength - 1);
    this.sizes[Math.min(bucket, SIZE_BUCKETS - 1)]! += 1;
    this.dataBytes += byteLength;
    this.dataResources += resourceCount;
  }

  compiled(durationMs: number): void {
    this.modulesCompiled++;
    this.compileMs += durationMs;
    const bucket = DURATION_BOUNDS_MS.findIndex((bound) => durationMs <= bound);
    this.compileDurations[bucket < 0 ? DURATION_BOUNDS_MS.length : bucket]! += 1;
  }
}
