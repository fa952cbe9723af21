/**
 * Directories and files of the host, through Node's thread pool, so that the event loop never
 * waits for a disk. On Linux every entry is named through its open directory
 * (`/proc/self/fd/N/name`), which is `openat`: renaming or replacing a directory under the guest
 * leads nowhere else. Elsewhere directories are known by their path, and somebody else on the host
 * who replaces one by a symbolic link at the right moment can lead a guest out of it.
 */

import type { BigIntStats, Dirent } from "node:fs";
import { accessSync, constants } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import {
  link,
  lstat,
  lutimes,
  mkdir,
  open,
  opendir,
  readlink,
  realpath,
  rename,
  rmdir,
  symlink,
  unlink,
} from "node:fs/promises";
import type { Directory, DirectoryEntry, FileKind, FileStat, NewTimes, OpenFile, OpenOptions } from "../system.ts";
import { SystemError } from "../system.ts";

const isWindows = process.platform === "win32";

/** Absent on some systems, where it is 0. */
const flag = (bits: number | undefined): number => bits ?? 0;

/** Links are never followed, and opening a FIFO or terminal has no effect worth waiting for. */
const ALWAYS = flag(constants.O_NOFOLLOW) | flag(constants.O_NONBLOCK) | flag(constants.O_NOCTTY);

let hasDescriptorPaths: boolean | null = null;

/** Whether an open directory can be named by its descriptor. */
function canNameDescriptors(): boolean {
  if (hasDescriptorPaths === null) {
    try {
      if (process.platform !== "linux") throw new SystemError("ENOTSUP");
      accessSync("/proc/self/fd");
      hasDescriptorPaths = true;
    } catch {
      hasDescriptorPaths = false;
    }
  }
  return hasDescriptorPaths;
}

function kindOf(of: BigIntStats | Dirent): FileKind {
  if (of.isFile()) return "file";
  if (of.isDirectory()) return "directory";
  if (of.isSymbolicLink()) return "symlink";
  if (of.isCharacterDevice()) return "character-device";
  if (of.isBlockDevice()) return "block-device";
  return of.isSocket() ? "socket" : "unknown";
}

function statOf(stats: BigIntStats): FileStat {
  return {
    device: stats.dev,
    inode: stats.ino,
    kind: kindOf(stats),
    links: stats.nlink,
    size: stats.size,
    accessed: stats.atimeNs,
    modified: stats.mtimeNs,
    changed: stats.ctimeNs,
  };
}

/** Entries of a directory that are read at a time. */
const LISTED_AT_ONCE = 256;
const NS_PER_SECOND = 1e9;

/** Seconds, which is what Node takes: exact to some 0.2 µs. */
function timesFor(times: NewTimes, now: BigIntStats): [accessed: number, modified: number] {
  return [Number(times.accessed ?? now.atimeNs) / NS_PER_SECOND, Number(times.modified ?? now.mtimeNs) / NS_PER_SECOND];
}

/** Node takes positions as numbers. */
function asNumber(position: bigint): number {
  if (position > BigInt(Number.MAX_SAFE_INTEGER)) throw new SystemError("EFBIG");
  return Number(position);
}

/**
 * The system gives a closed descriptor's number to the next file that anybody opens, and operations
 * that name it by its number would meet that one: it is closed when no operation is under way, and
 * none begins afterwards.
 */
class Holds {
  #count = 0;
  #closing: Promise<void> | null = null;
  #idle: (() => void) | null = null;

  async during<T>(operation: () => Promise<T>): Promise<T> {
    if (this.#closing !== null) throw new SystemError("EBADF");
    this.#count++;
    try {
      return await operation();
    } finally {
      this.#count--;
      if (this.#count === 0) this.#idle?.();
    }
  }

  close(close: () => Promise<void>): Promise<void> {
    return (this.#closing ??= this.#whenIdle().then(close));
  }

  async #whenIdle(): Promise<void> {
    if (this.#count > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
  }
}

class NodeFile implements OpenFile {
  readonly kind = "file";
  #handle: FileHandle;
  /** Whether it is open for reading, for writing, or both. */
  readonly #access: number;
  /** Whether every write goes to the end: only the system knows where that is when others write too. */
  #appends = false;
  #switching: Promise<void> | null = null;
  readonly #holds = new Holds();

  constructor(handle: FileHandle, access: number) {
    this.#handle = handle;
    this.#access = access;
  }

  read(bytes: Uint8Array, position: bigint): Promise<number> {
    return this.#holds.during(
      async () => (await this.#handle.read(bytes, 0, bytes.length, asNumber(position))).bytesRead,
    );
  }

  write(bytes: Uint8Array, position: bigint | null): Promise<number> {
    return this.#holds.during(async () => {
      if (position === null) return this.#append(bytes);
      await this.#switchTo(false);
      return (await this.#handle.write(bytes, 0, bytes.length, asNumber(position))).bytesWritten;
    });
  }

  async #append(bytes: Uint8Array): Promise<number> {
    if (!canNameDescriptors()) {
      const { size } = await this.#handle.stat({ bigint: true });
      return (await this.#handle.write(bytes, 0, bytes.length, asNumber(size))).bytesWritten;
    }
    await this.#switchTo(true);
    return (await this.#handle.write(bytes, 0, bytes.length, null)).bytesWritten;
  }

  /** Opens the file anew in place of itself: the guest has paid for one descriptor. */
  async #switchTo(appends: boolean): Promise<void> {
    while (this.#appends !== appends) {
      this.#switching ??= this.#reopen(appends);
      await this.#switching;
    }
  }

  async #reopen(appends: boolean): Promise<void> {
    try {
      const flags = this.#access | (appends ? constants.O_APPEND : 0);
      const former = this.#handle;
      this.#handle = await open(`/proc/self/fd/${former.fd}`, flags);
      this.#appends = appends;
      // After what others still do with it.
      await former.close();
    } finally {
      this.#switching = null;
    }
  }

  stat(): Promise<FileStat> {
    return this.#holds.during(async () => statOf(await this.#handle.stat({ bigint: true })));
  }

  setSize(size: bigint): Promise<void> {
    return this.#holds.during(async () => this.#handle.truncate(asNumber(size)));
  }

  setTimes(times: NewTimes): Promise<void> {
    return this.#holds.during(async () =>
      this.#handle.utimes(...timesFor(times, await this.#handle.stat({ bigint: true }))),
    );
  }

  sync(dataOnly: boolean): Promise<void> {
    return this.#holds.during(() => (dataOnly ? this.#handle.datasync() : this.#handle.sync()));
  }

  close(): Promise<void> {
    return this.#holds.close(() => this.#handle.close());
  }
}

class NodeDirectory implements Directory {
  readonly kind = "directory";
  /** Null where directories cannot be opened or named by descriptor. */
  readonly #handle: FileHandle | null;
  readonly #path: string;
  readonly #holds = new Holds();

  constructor(handle: FileHandle | null, path: string) {
    this.#handle = handle;
    this.#path = handle === null ? path : `/proc/self/fd/${handle.fd}`;
  }

  /** The only place that makes a host path: one checked name below an open directory. */
  #entry(name: string): string {
    if (name === "" || name === ".." || name.includes("/") || name.includes("\0")) throw new SystemError("EINVAL");
    if (isWindows && /[\\:]/.test(name)) throw new SystemError("EINVAL");
    return `${this.#path}/${name}`;
  }

  /** An operation from an entry of this directory to one of another. */
  #onBoth(
    operation: (from: string, to: string) => Promise<void>,
    name: string,
    to: Directory,
    newName: string,
  ): Promise<void> {
    return this.#holds.during(async () => {
      const other = sameKind(to);
      await other.#holds.during(() => operation(this.#entry(name), other.#entry(newName)));
    });
  }

  open(name: string, options: OpenOptions): Promise<OpenFile | Directory> {
    return this.#holds.during(() => this.#open(name, options));
  }

  async #open(name: string, options: OpenOptions): Promise<OpenFile | Directory> {
    const path = this.#entry(name);
    if (options.directory === true) return this.#openDirectory(path);
    const access = options.write ? (options.read ? constants.O_RDWR : constants.O_WRONLY) : constants.O_RDONLY;
    let flags = ALWAYS | access;
    if (options.create === true) flags |= constants.O_CREAT;
    if (options.exclusive === true) flags |= constants.O_EXCL;
    if (options.truncate === true) flags |= constants.O_TRUNC;
    const handle = await open(path, flags, 0o666);
    try {
      const kind = kindOf(await handle.stat({ bigint: true }));
      if (kind === "file") return new NodeFile(handle, access);
      // Pipes, sockets and devices would need waiting of their own kind.
      if (kind !== "directory") throw new SystemError("ENOTSUP");
    } catch (error) {
      await handle.close();
      throw error;
    }
    if (canNameDescriptors()) return new NodeDirectory(handle, path);
    await handle.close();
    return this.#openDirectory(path);
  }

  async #openDirectory(path: string): Promise<Directory> {
    if (canNameDescriptors()) {
      return new NodeDirectory(await open(path, ALWAYS | constants.O_RDONLY | flag(constants.O_DIRECTORY)), path);
    }
    const stats = await lstat(path);
    if (!stats.isDirectory()) throw new SystemError(stats.isSymbolicLink() ? "ELOOP" : "ENOTDIR");
    return new NodeDirectory(null, path);
  }

  statEntry(name: string): Promise<FileStat> {
    return this.#holds.during(async () => statOf(await lstat(this.#entry(name), { bigint: true })));
  }

  readLink(name: string): Promise<string> {
    return this.#holds.during(async () => readlink(this.#entry(name)));
  }

  list(take: (entries: readonly DirectoryEntry[]) => Promise<void>): Promise<void> {
    return this.#holds.during(async () => {
      let some: DirectoryEntry[] = [];
      for await (const entry of await opendir(`${this.#path}/`, { bufferSize: LISTED_AT_ONCE })) {
        some.push({ name: entry.name, kind: kindOf(entry) });
        if (some.length < LISTED_AT_ONCE) continue;
        await take(some);
        some = [];
      }
      if (some.length > 0) await take(some);
    });
  }

  createDirectory(name: string): Promise<void> {
    return this.#holds.during(async () => {
      await mkdir(this.#entry(name));
    });
  }

  removeDirectory(name: string): Promise<void> {
    return this.#holds.during(async () => rmdir(this.#entry(name)));
  }

  removeFile(name: string): Promise<void> {
    return this.#holds.during(async () => this.#removeFile(this.#entry(name)));
  }

  async #removeFile(path: string): Promise<void> {
    await unlink(path).catch(async (error: NodeJS.ErrnoException) => {
      // Systems differ here, guests do not expect it.
      if (error.code === "EPERM" && (await lstat(path)).isDirectory()) throw new SystemError("EISDIR");
      throw error;
    });
  }

  rename(name: string, to: Directory, newName: string): Promise<void> {
    return this.#onBoth(rename, name, to, newName);
  }

  link(name: string, to: Directory, newName: string): Promise<void> {
    return this.#onBoth(link, name, to, newName);
  }

  createSymlink(name: string, target: string): Promise<void> {
    return this.#holds.during(async () => symlink(target, this.#entry(name)));
  }

  setEntryTimes(name: string, times: NewTimes): Promise<void> {
    return this.#holds.during(async () => {
      const path = this.#entry(name);
      await lutimes(path, ...timesFor(times, await lstat(path, { bigint: true })));
    });
  }

  stat(): Promise<FileStat> {
    return this.statEntry(".");
  }

  setTimes(times: NewTimes): Promise<void> {
    return this.setEntryTimes(".", times);
  }

  sync(dataOnly: boolean): Promise<void> {
    return this.#holds.during(async () => {
      await (dataOnly ? this.#handle?.datasync() : this.#handle?.sync());
    });
  }

  close(): Promise<void> {
    return this.#holds.close(async () => {
      await this.#handle?.close();
    });
  }
}

function sameKind(directory: Directory): NodeDirectory {
  if (directory instanceof NodeDirectory) return directory;
  throw new SystemError("EXDEV");
}

/**
 * Opens a directory of the host to be given to a guest. Symbolic links in `path` are followed: it
 * is the host's word. Rejects as `open` does.
 */
export async function openDirectory(path: string): Promise<Directory> {
  const real = await realpath(path);
  if (canNameDescriptors()) {
    return new NodeDirectory(await open(real, constants.O_RDONLY | flag(constants.O_DIRECTORY)), real);
  }
  if (!(await lstat(real)).isDirectory()) throw new SystemError("ENOTDIR");
  return new NodeDirectory(null, real);
}
