/**
 * The numbers of WASI preview 1 and the layout of its structures in guest memory, as in
 * `wasi_snapshot_preview1.witx`.
 */

import type { FileKind, FileStat } from "../system.ts";
import type { GuestMemory } from "./define.ts";

export const enum Errno {
  Success = 0,
  TooBig = 1,
  Acces = 2,
  Again = 6,
  Badf = 8,
  Busy = 10,
  Canceled = 11,
  Dquot = 19,
  Exist = 20,
  Fault = 21,
  Fbig = 22,
  Ilseq = 25,
  Intr = 27,
  Inval = 28,
  Io = 29,
  Isdir = 31,
  Loop = 32,
  Mfile = 33,
  Mlink = 34,
  Nametoolong = 37,
  Nfile = 41,
  Nodev = 43,
  Noent = 44,
  Nomem = 48,
  Nospc = 51,
  Nosys = 52,
  Notdir = 54,
  Notempty = 55,
  Notsock = 57,
  Notsup = 58,
  Notty = 59,
  Nxio = 60,
  Overflow = 61,
  Perm = 63,
  Pipe = 64,
  Range = 68,
  Rofs = 69,
  Spipe = 70,
  Stale = 72,
  Txtbsy = 74,
  Xdev = 75,
  Notcapable = 76,
}

/** The POSIX names that {@link ../system.ts} speaks of. What is not here is an I/O error. */
const ERRNO_OF_CODE: ReadonlyMap<string, Errno> = new Map([
  ["E2BIG", Errno.TooBig],
  ["EACCES", Errno.Acces],
  ["EAGAIN", Errno.Again],
  ["EBADF", Errno.Badf],
  ["EBUSY", Errno.Busy],
  ["ECANCELED", Errno.Canceled],
  ["EDQUOT", Errno.Dquot],
  ["EEXIST", Errno.Exist],
  ["EFAULT", Errno.Fault],
  ["EFBIG", Errno.Fbig],
  ["EILSEQ", Errno.Ilseq],
  ["EINTR", Errno.Intr],
  ["EINVAL", Errno.Inval],
  ["EISDIR", Errno.Isdir],
  ["ELOOP", Errno.Loop],
  ["EMFILE", Errno.Mfile],
  ["EMLINK", Errno.Mlink],
  ["ENAMETOOLONG", Errno.Nametoolong],
  ["ENFILE", Errno.Nfile],
  ["ENODEV", Errno.Nodev],
  ["ENOENT", Errno.Noent],
  ["ENOMEM", Errno.Nomem],
  ["ENOSPC", Errno.Nospc],
  ["ENOSYS", Errno.Nosys],
  ["ENOTDIR", Errno.Notdir],
  ["ENOTEMPTY", Errno.Notempty],
  ["ENOTSUP", Errno.Notsup],
  ["EOPNOTSUPP", Errno.Notsup],
  ["ENXIO", Errno.Nxio],
  ["EOVERFLOW", Errno.Overflow],
  ["EPERM", Errno.Perm],
  ["EPIPE", Errno.Pipe],
  ["EROFS", Errno.Rofs],
  ["ESPIPE", Errno.Spipe],
  ["ESTALE", Errno.Stale],
  ["ETXTBSY", Errno.Txtbsy],
  ["EXDEV", Errno.Xdev],
  ["ENOTCAPABLE", Errno.Notcapable],
]);

/** The errno of an error that has a `code`; null for any other, which is no failure of the system but our own fault. */
export function errnoOf(error: unknown): Errno | null {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return null;
  return ERRNO_OF_CODE.get(error.code) ?? Errno.Io;
}

export const enum FileType {
  Unknown = 0,
  BlockDevice = 1,
  CharacterDevice = 2,
  Directory = 3,
  RegularFile = 4,
  SocketDgram = 5,
  SocketStream = 6,
  SymbolicLink = 7,
}

export function fileTypeOf(kind: FileKind): FileType {
  switch (kind) {
    case "file":
      return FileType.RegularFile;
    case "directory":
      return FileType.Directory;
    case "symlink":
      return FileType.SymbolicLink;
    case "character-device":
      return FileType.CharacterDevice;
    case "block-device":
      return FileType.BlockDevice;
    case "socket":
      return FileType.SocketStream;
    case "unknown":
      return FileType.Unknown;
  }
}

export const enum FdFlag {
  Append = 1,
  Dsync = 2,
  Nonblock = 4,
  Rsync = 8,
  Sync = 16,
}
export const ALL_FD_FLAGS = 31;

export const enum OpenFlag {
  Create = 1,
  Directory = 2,
  Exclusive = 4,
  Truncate = 8,
}
export const ALL_OPEN_FLAGS = 15;

/** Of `lookupflags`. */
export const SYMLINK_FOLLOW = 1;

export const enum TimeFlag {
  Accessed = 1,
  AccessedNow = 2,
  Modified = 4,
  ModifiedNow = 8,
}

export const enum Whence {
  Set = 0,
  Current = 1,
  End = 2,
}

export const enum ClockId {
  Realtime = 0,
  Monotonic = 1,
}

export const enum EventType {
  Clock = 0,
  FdRead = 1,
  FdWrite = 2,
}

const enum RightBit {
  FdDatasync,
  FdRead,
  FdSeek,
  FdFdstatSetFlags,
  FdSync,
  FdTell,
  FdWrite,
  FdAdvise,
  FdAllocate,
  PathCreateDirectory,
  PathCreateFile,
  PathLinkSource,
  PathLinkTarget,
  PathOpen,
  FdReaddir,
  PathReadlink,
  PathRenameSource,
  PathRenameTarget,
  PathFilestatGet,
  PathFilestatSetSize,
  PathFilestatSetTimes,
  FdFilestatGet,
  FdFilestatSetSize,
  FdFilestatSetTimes,
  PathSymlink,
  PathRemoveDirectory,
  PathUnlinkFile,
  PollFdReadwrite,
}

function rights(...bits: RightBit[]): bigint {
  return bits.reduce((all, bit) => all | (1n << BigInt(bit)), 0n);
}

export const RIGHT_READ = rights(RightBit.FdRead);
export const RIGHT_WRITE = rights(RightBit.FdWrite);
/** Asking for one of these opens a file for reading, or for writing. */
export const RIGHTS_OF_READERS = rights(RightBit.FdRead, RightBit.FdReaddir);
export const RIGHTS_OF_WRITERS = rights(
  RightBit.FdWrite,
  RightBit.FdDatasync,
  RightBit.FdAllocate,
  RightBit.FdFilestatSetSize,
);
/** Without seek and tell: that is how wasi-libc knows a terminal. */
export const RIGHTS_OF_INPUT = rights(
  RightBit.FdRead,
  RightBit.FdFdstatSetFlags,
  RightBit.FdFilestatGet,
  RightBit.PollFdReadwrite,
);
export const RIGHTS_OF_OUTPUT = rights(
  RightBit.FdWrite,
  RightBit.FdDatasync,
  RightBit.FdSync,
  RightBit.FdFdstatSetFlags,
  RightBit.FdFilestatGet,
  RightBit.PollFdReadwrite,
);
const RIGHTS_OF_ANY_FILE = rights(
  RightBit.FdSeek,
  RightBit.FdTell,
  RightBit.FdAdvise,
  RightBit.FdFdstatSetFlags,
  RightBit.FdFilestatGet,
  RightBit.FdFilestatSetTimes,
  RightBit.FdSync,
  RightBit.PollFdReadwrite,
);
const RIGHTS_OF_WRITTEN_FILE = rights(
  RightBit.FdWrite,
  RightBit.FdDatasync,
  RightBit.FdAllocate,
  RightBit.FdFilestatSetSize,
);

export function rightsOfFile(canRead: boolean, canWrite: boolean): bigint {
  return RIGHTS_OF_ANY_FILE | (canRead ? RIGHT_READ : 0n) | (canWrite ? RIGHTS_OF_WRITTEN_FILE : 0n);
}

export const RIGHTS_OF_READ_ONLY_DIRECTORY = rights(
  RightBit.PathOpen,
  RightBit.FdReaddir,
  RightBit.PathReadlink,
  RightBit.PathFilestatGet,
  RightBit.FdFilestatGet,
  RightBit.FdFdstatSetFlags,
  RightBit.FdSync,
);
export const RIGHTS_OF_DIRECTORY =
  RIGHTS_OF_READ_ONLY_DIRECTORY |
  rights(
    RightBit.FdDatasync,
    RightBit.PathCreateDirectory,
    RightBit.PathCreateFile,
    RightBit.PathLinkSource,
    RightBit.PathLinkTarget,
    RightBit.PathRenameSource,
    RightBit.PathRenameTarget,
    RightBit.PathFilestatSetSize,
    RightBit.PathFilestatSetTimes,
    RightBit.FdFilestatSetTimes,
    RightBit.PathSymlink,
    RightBit.PathRemoveDirectory,
    RightBit.PathUnlinkFile,
  );

export const FDSTAT_BYTES = 24;

export function writeFdstat(
  memory: GuestMemory,
  address: number,
  type: FileType,
  flags: number,
  base: bigint,
  inheriting: bigint,
): void {
  memory.write(address, new Uint8Array(FDSTAT_BYTES));
  memory.writeU8(address, type);
  memory.writeU8(address + 2, flags);
  memory.writeU64(address + 8, base);
  memory.writeU64(address + 16, inheriting);
}

export const FILESTAT_BYTES = 64;

export function writeFilestat(memory: GuestMemory, address: number, stat: FileStat): void {
  memory.write(address, new Uint8Array(FILESTAT_BYTES));
  memory.writeU64(address, stat.device);
  memory.writeU64(address + 8, stat.inode);
  memory.writeU8(address + 16, fileTypeOf(stat.kind));
  memory.writeU64(address + 24, stat.links);
  memory.writeU64(address + 32, stat.size);
  memory.writeU64(address + 40, stat.accessed);
  memory.writeU64(address + 48, stat.modified);
  memory.writeU64(address + 56, stat.changed);
}

/** A stat for what is no file: a stream. */
export const STREAM_STAT: FileStat = {
  device: 0n,
  inode: 0n,
  kind: "unknown",
  links: 1n,
  size: 0n,
  accessed: 0n,
  modified: 0n,
  changed: 0n,
};

/** The fixed part of a directory entry; its name follows. */
export const DIRENT_BYTES = 24;
export const PRESTAT_BYTES = 8;
export const IOVEC_BYTES = 8;
export const SUBSCRIPTION_BYTES = 48;
export const EVENT_BYTES = 32;
