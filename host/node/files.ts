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
  readdir,
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

class NodeFile implements OpenFile {
  readonly kind = "file";
  readonly #handle: FileHandle;
  /** The same file, open for appending: only the system knows where the end is when others write too. */
  #appender: FileHandle | null = null;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async read(bytes: Uint8Array, position: bigint): Promise<number> {
    return (await this.#handle.read(bytes, 0, bytes.length, asNumber(position))).bytesRead;
  }

  async write(bytes: Uint8Array, position: bigint | null): Promise<number> {
    if (position === null) return this.#append(bytes);
    return (await this.#handle.write(bytes, 0, bytes.length, asNumber(position))).bytesWritten;
  }

  async #append(bytes: Uint8Array): Promise<number> {
    if (!canNameDescriptors()) {
      const { size } = await this.#handle.stat({ bigint: true });
      return (await this.#handle.write(bytes, 0, bytes.length, asNumber(size))).bytesWritten;
    }
    this.#appender ??= await open(`/proc/self/fd/${this.#handle.fd}`, constants.O_WRONLY | constants.O_APPEND);
    return (await this.#appender.write(bytes, 0, bytes.length, null)).bytesWritten;
  }

  async stat(): Promise<FileStat> {
    return statOf(await this.#handle.stat({ bigint: true }));
  }

  async setSize(size: bigint): Promise<void> {
    await this.#handle.truncate(asNumber(size));
  }

  async setTimes(times: NewTimes): Promise<void> {
    await this.#handle.utimes(...timesFor(times, await this.#handle.stat({ bigint: true })));
  }

  async sync(dataOnly: boolean): Promise<void> {
    await (dataOnly ? this.#handle.datasync() : this.#handle.sync());
  }

  async close(): Promise<void> {
    await this.#appender?.close();
    await this.#handle.close();
  }
}

class NodeDirectory implements Directory {
  readonly kind = "directory";
  /** Null where directories cannot be opened or named by descriptor. */
  readonly #handle: FileHandle | null;
  readonly #path: string;

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

  async open(name: string, options: OpenOptions): Promise<OpenFile | Directory> {
    const path = this.#entry(name);
    if (options.directory === true) return this.#openDirectory(path);
    let flags = ALWAYS;
    flags |= options.write ? (options.read ? constants.O_RDWR : constants.O_WRONLY) : constants.O_RDONLY;
    if (options.create === true) flags |= constants.O_CREAT;
    if (options.exclusive === true) flags |= constants.O_EXCL;
    if (options.truncate === true) flags |= constants.O_TRUNC;
    const handle = await open(path, flags, 0o666);
    try {
      const kind = kindOf(await handle.stat({ bigint: true }));
      if (kind === "file") return new NodeFile(handle);
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

  async statEntry(name: string): Promise<FileStat> {
    return statOf(await lstat(this.#entry(name), { bigint: true }));
  }

  readLink(name: string): Promise<string> {
    return readlink(this.#entry(name));
  }

  async list(): Promise<DirectoryEntry[]> {
    const entries = await readdir(`${this.#path}/`, { withFileTypes: true });
    return entries.map((entry) => ({ name: entry.name, kind: kindOf(entry) }));
  }

  async createDirectory(name: string): Promise<void> {
    await mkdir(this.#entry(name));
  }

  removeDirectory(name: string): Promise<void> {
    return rmdir(this.#entry(name));
  }

  async removeFile(name: string): Promise<void> {
    await unlink(this.#entry(name)).catch(async (error: NodeJS.ErrnoException) => {
      // Systems differ here, guests do not expect it.
      if (error.code === "EPERM" && (await this.statEntry(name)).kind === "directory") throw new SystemError("EISDIR");
      throw error;
    });
  }

  rename(name: string, to: Directory, newName: string): Promise<void> {
    return rename(this.#entry(name), sameKind(to).#entry(newName));
  }

  link(name: string, to: Directory, newName: string): Promise<void> {
    return link(this.#entry(name), sameKind(to).#entry(newName));
  }

  createSymlink(name: string, target: string): Promise<void> {
    return symlink(target, this.#entry(name));
  }

  async setEntryTimes(name: string, times: NewTimes): Promise<void> {
    const path = this.#entry(name);
    await lutimes(path, ...timesFor(times, await lstat(path, { bigint: true })));
  }

  stat(): Promise<FileStat> {
    return this.statEntry(".");
  }

  setTimes(times: NewTimes): Promise<void> {
    return this.setEntryTimes(".", times);
  }

  async sync(dataOnly: boolean): Promise<void> {
    await (dataOnly ? this.#handle?.datasync() : this.#handle?.sync());
  }

  async close(): Promise<void> {
    await this.#handle?.close();
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
