/**
 * The services of the platform that `host` needs, as interfaces: clocks, randomness, the event
 * loop, byte streams and files. Implementations for Node are in node/; memory-files.ts and
 * fakes.ts have ones that need no platform. Nothing else in `host` may reach the platform.
 *
 * Every failing operation throws or rejects with an error whose `code` is the POSIX name of the
 * failure ("ENOENT"), as Node's own do; {@link SystemError} is the one for our implementations.
 */

/** Gives up waiting: the callback registered before is not called any more. Harmless when late or repeated. */
export type Cancel = () => void;

export class SystemError extends Error {
  override readonly name = "SystemError";
  /** The POSIX name: "ENOENT", "EBADF", … */
  readonly code: string;

  constructor(code: string, detail?: string) {
    super(detail === undefined ? code : `${code}: ${detail}`);
    this.code = code;
  }
}

/** Says what a run by a seed may depend on. */
export interface Scripted {
  /**
   * Everything that it gives, and when, follows from what it is given: it asks no clock, no file, no network, and its promises and
   * callbacks wait for nothing but each other.
   */
  readonly isScripted?: boolean;
}

/** Calls `wake` as soon as nothing else runs: for what never waits. */
export function wakeSoon(wake: () => void): Cancel {
  let isWaiting = true;
  queueMicrotask(() => {
    if (isWaiting) wake();
  });
  return () => {
    isWaiting = false;
  };
}

/** Times are nanoseconds. */
export interface Clock extends Scripted {
  /** Since 1970-01-01 UTC. May jump. */
  realtime(): bigint;
  /** Since an arbitrary moment. Never goes back. */
  monotonic(): bigint;
  /** The smallest step of both. */
  readonly resolution: bigint;
  /** Calls `wake` once, never before `monotonic()` has reached `deadline`, and never inside this call. */
  wakeAt(deadline: bigint, wake: () => void): Cancel;
}

export interface Random extends Scripted {
  /** Overwrites all of `bytes`, which has at most 65,536 of them. */
  fill(bytes: Uint8Array): void;
}

export interface EventLoop {
  /** Resolves after timers and I/O that are due have had their turn. */
  nextTurn(): Promise<void>;
}

/** Where the output of guests goes. Each waits until it is writable and writes little at a time. */
export interface OutputStream extends Scripted {
  readonly isTerminal: boolean;
  /**
   * Takes all of `bytes`, which the caller does not touch again. Returns undefined while little is
   * waiting to be written, else a promise that resolves when the stream has drained: whoever waits
   * for it before the next write bounds the memory that a slow reader can cost.
   */
  write(bytes: Uint8Array): Promise<void> | undefined;
  /** Whether a write now would return at once. */
  readonly isWritable: boolean;
  /** Calls `wake` once when a write would return at once or fail, never inside this call. */
  onWritable(wake: () => void): Cancel;
  /** What a guest gets that shares this one with others: keeps apart what must not be mixed. Default: this one. */
  forGuest?(): OutputStream;
  /** Passes on what it keeps. Called at the end of each guest that has it. */
  flush?(): void;
}

/** Where the input of guests comes from: each waits until it is readable, and whoever reads first gets it. */
export interface InputStream extends Scripted {
  readonly isTerminal: boolean;
  /** Between 1 and `maxLength` bytes that the caller may keep; none means the end. Waits only while there is nothing. */
  read(maxLength: number): Uint8Array | Promise<Uint8Array>;
  /** How many bytes a read would give at once; 0 at the end, null while it would wait. */
  readonly available: number | null;
  /** Calls `wake` once when a read would return at once, never inside this call. */
  onReadable(wake: () => void): Cancel;
}

export type FileKind = "file" | "directory" | "symlink" | "character-device" | "block-device" | "socket" | "unknown";

/** Times are nanoseconds since 1970. */
export interface FileStat {
  readonly device: bigint;
  readonly inode: bigint;
  readonly kind: FileKind;
  readonly links: bigint;
  readonly size: bigint;
  readonly accessed: bigint;
  readonly modified: bigint;
  readonly changed: bigint;
}

export interface OpenOptions {
  readonly read: boolean;
  readonly write: boolean;
  /** Writes go to the end of the file, wherever that is then. */
  readonly append?: boolean;
  /** Makes a file where there is nothing. */
  readonly create?: boolean;
  /** With `create`: fails with EEXIST where there is something. */
  readonly exclusive?: boolean;
  readonly truncate?: boolean;
  /** Fails with ENOTDIR unless it is a directory. */
  readonly directory?: boolean;
}

/** Times to set, in nanoseconds since 1970; null leaves one as it is. */
export interface NewTimes {
  readonly accessed: bigint | null;
  readonly modified: bigint | null;
}

/** An open file. Positions are the caller's business. */
export interface OpenFile {
  readonly kind: "file";
  /** What an operation costs a guest, besides the bytes. Default 2,000: some tens of microseconds in a thread pool. */
  readonly operationFuel?: number;
  /** Fills the beginning of `bytes` and returns how many; 0 at the end of the file. */
  read(bytes: Uint8Array, position: bigint): Promise<number>;
  /** Writes the beginning of `bytes` and returns how many. Null is the end of the file. */
  write(bytes: Uint8Array, position: bigint | null): Promise<number>;
  stat(): Promise<FileStat>;
  setSize(size: bigint): Promise<void>;
  setTimes(times: NewTimes): Promise<void>;
  /** Waits until the content, and unless `dataOnly` the rest too, is on the medium. */
  sync(dataOnly: boolean): Promise<void>;
  close(): Promise<void>;
}

export interface DirectoryEntry {
  readonly name: string;
  readonly kind: FileKind;
  /** Where it is known without another look. */
  readonly inode?: bigint;
}

/**
 * An open directory. Names are one component each (no "/", not "..") or ".", and no operation
 * follows a symbolic link: resolving paths is the business of one place, wasi/resolve.ts, and what
 * it cannot name through these functions it cannot reach.
 */
export interface Directory {
  readonly kind: "directory";
  /** As in {@link OpenFile}. */
  readonly operationFuel?: number;
  /** Rejects with ELOOP or ENOTDIR for a symbolic link. */
  open(name: string, options: OpenOptions): Promise<OpenFile | Directory>;
  statEntry(name: string): Promise<FileStat>;
  /** The target as stored. Rejects with EINVAL for anything but a symbolic link. */
  readLink(name: string): Promise<string>;
  /** Gives the entries without "." and ".." to `take`, a few hundred at a time at most, and waits for it; rejects as it does. */
  list(take: (entries: readonly DirectoryEntry[]) => Promise<void>): Promise<void>;
  createDirectory(name: string): Promise<void>;
  removeDirectory(name: string): Promise<void>;
  removeFile(name: string): Promise<void>;
  /** `to` is of the same implementation; else EXDEV. */
  rename(name: string, to: Directory, newName: string): Promise<void>;
  link(name: string, to: Directory, newName: string): Promise<void>;
  createSymlink(name: string, target: string): Promise<void>;
  setEntryTimes(name: string, times: NewTimes): Promise<void>;
  stat(): Promise<FileStat>;
  setTimes(times: NewTimes): Promise<void>;
  sync(dataOnly: boolean): Promise<void>;
  close(): Promise<void>;
}

/** Fuel of an operation on a directory or file that does not say what it costs: one that goes through a thread pool. */
const OPERATION_FUEL = 2_000;

/** Fuel of one operation on it. */
export function fuelOfOperation({ operationFuel }: { readonly operationFuel?: number }): number {
  return operationFuel ?? OPERATION_FUEL;
}
