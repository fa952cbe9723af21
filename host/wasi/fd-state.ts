/** The state of descriptors and open files (fd_fdstat_*, fd_filestat_*, fd_prestat_*, fd_seek, fd_close, …). */

import { SystemError } from "../system.ts";
import {
  ALL_FD_FLAGS,
  Errno,
  FDSTAT_BYTES,
  FILESTAT_BYTES,
  FileType,
  PRESTAT_BYTES,
  STREAM_STAT,
  Whence,
  writeFdstat,
  writeFilestat,
} from "./abi.ts";
import type { Answer, Completion, Guest, GuestMemory, WasiFunction } from "./define.ts";
import { chargeOperation, checkRange, define, defineWaiting, fuelOfBytes } from "./define.ts";
import type { Descriptor, FileDescriptor } from "./descriptors.ts";
import { closeDescriptor } from "./descriptors.ts";
import { asFile, asPosition } from "./fd-io.ts";
import { RIGHTS_OF_WRITERS } from "./abi.ts";
import { newTimes } from "./times.ts";

const LARGEST_POSITION = 0x7fff_ffff_ffff_ffffn;

function requireWritable(descriptor: FileDescriptor): void {
  if ((descriptor.rights & RIGHTS_OF_WRITERS) === 0n) throw new SystemError("ENOTCAPABLE");
}

/** Waits, then success without a result. */
async function done(work: Promise<void>): Promise<Completion> {
  await work;
  return Errno.Success;
}

/** The descriptor's type without asking the file: of files only those open as such reach a guest. */
function typeOf(descriptor: Descriptor): FileType {
  switch (descriptor.kind) {
    case "input":
    case "output":
      return descriptor.stream.isTerminal ? FileType.CharacterDevice : FileType.Unknown;
    case "file":
      return FileType.RegularFile;
    case "directory":
      return FileType.Directory;
  }
}

async function statTo(guest: Guest, descriptor: Descriptor, address: number): Promise<Completion> {
  chargeOperation(guest, descriptor);
  const stat = await (descriptor.kind === "file"
    ? descriptor.file.stat()
    : descriptor.kind === "directory"
      ? descriptor.directory.stat()
      : { ...STREAM_STAT, kind: descriptor.stream.isTerminal ? ("character-device" as const) : STREAM_STAT.kind });
  return (memory) => {
    writeFilestat(memory, address, stat);
    return Errno.Success;
  };
}

function moveTo(memory: GuestMemory, descriptor: FileDescriptor, position: bigint, result: number): Errno {
  if (position < 0n) throw new SystemError("EINVAL");
  if (position > LARGEST_POSITION) throw new SystemError("EOVERFLOW");
  descriptor.position = position;
  memory.writeU64(result, position);
  return Errno.Success;
}

async function seekFromEnd(
  guest: Guest,
  descriptor: FileDescriptor,
  offset: bigint,
  result: number,
): Promise<Completion> {
  chargeOperation(guest, descriptor);
  const { size } = await descriptor.file.stat();
  return (memory) => moveTo(memory, descriptor, size + offset, result);
}

function seek(guest: Guest, descriptor: Descriptor, offset: bigint, whence: number, result: number): Answer {
  const file = asFile(descriptor);
  checkRange(guest.memory, result, 8);
  switch (whence) {
    case Whence.Set:
      return moveTo(guest.memory, file, offset, result);
    case Whence.Current:
      return moveTo(guest.memory, file, file.position + offset, result);
    case Whence.End:
      return seekFromEnd(guest, file, offset, result);
    default:
      throw new SystemError("EINVAL");
  }
}

async function sync(guest: Guest, descriptor: Descriptor, dataOnly: boolean): Promise<Completion> {
  chargeOperation(guest, descriptor);
  if (descriptor.kind === "file") await descriptor.file.sync(dataOnly);
  else if (descriptor.kind === "directory") await descriptor.directory.sync(dataOnly);
  return Errno.Success;
}

async function allocate(guest: Guest, descriptor: FileDescriptor, end: bigint): Promise<Completion> {
  chargeOperation(guest, descriptor);
  if ((await descriptor.file.stat()).size < end) await descriptor.file.setSize(end);
  return Errno.Success;
}

function close(guest: Guest, descriptor: Descriptor): Answer {
  const closing = closeDescriptor(descriptor);
  if (closing === null) return Errno.Success;
  chargeOperation(guest, descriptor);
  return done(closing);
}

/** One for all: guests ask at every start, until they have it. */
const NOT_PREOPENED = new SystemError("EBADF");

/** The name of a preopened directory; every other descriptor is EBADF, which is how a guest finds the end of the list. */
function preopenName(descriptor: Descriptor): Uint8Array {
  if (descriptor.kind !== "directory" || descriptor.preopenBytes === null) throw NOT_PREOPENED;
  return descriptor.preopenBytes;
}

export const FD_STATE_FUNCTIONS: Readonly<Record<string, WasiFunction>> = {
  fd_advise: define(["i32", "i64", "i64", "i32"], ({ descriptors }, _guest, fd, _offset, _length, advice) => {
    asFile(descriptors.get(fd));
    return advice <= 5 ? Errno.Success : Errno.Inval;
  }),

  fd_allocate: defineWaiting(["i32", "i64", "i64"], ({ descriptors }, guest, fd, offset, length) => {
    const file = asFile(descriptors.get(fd));
    requireWritable(file);
    if (length === 0n) throw new SystemError("EINVAL");
    const end = asPosition(offset) + asPosition(length);
    if (end > LARGEST_POSITION) throw new SystemError("EFBIG");
    return allocate(guest, file, end);
  }),

  fd_close: defineWaiting(["i32"], ({ descriptors }, guest, fd) => close(guest, descriptors.remove(fd))),

  fd_datasync: defineWaiting(["i32"], ({ descriptors }, guest, fd) => sync(guest, descriptors.get(fd), true)),

  fd_sync: defineWaiting(["i32"], ({ descriptors }, guest, fd) => sync(guest, descriptors.get(fd), false)),

  fd_fdstat_get: define(["i32", "i32"], ({ descriptors }, { memory }, fd, address) => {
    const descriptor = descriptors.get(fd);
    checkRange(memory, address, FDSTAT_BYTES);
    const inheriting = descriptor.kind === "directory" ? descriptor.inheritingRights : 0n;
    writeFdstat(memory, address, typeOf(descriptor), descriptor.flags, descriptor.rights, inheriting);
    return Errno.Success;
  }),

  fd_fdstat_set_flags: define(["i32", "i32"], ({ descriptors }, _guest, fd, flags) => {
    const descriptor = descriptors.get(fd);
    if (flags > ALL_FD_FLAGS) throw new SystemError("EINVAL");
    descriptor.flags = flags;
    return Errno.Success;
  }),

  fd_fdstat_set_rights: define(["i32", "i64", "i64"], ({ descriptors }, _guest, fd, base, inheriting) => {
    const descriptor = descriptors.get(fd);
    const inheritable = descriptor.kind === "directory" ? descriptor.inheritingRights : 0n;
    if ((base & ~descriptor.rights) !== 0n || (inheriting & ~inheritable) !== 0n) throw new SystemError("ENOTCAPABLE");
    descriptor.rights = base;
    if (descriptor.kind === "directory") descriptor.inheritingRights = inheriting;
    return Errno.Success;
  }),

  fd_filestat_get: defineWaiting(["i32", "i32"], ({ descriptors }, guest, fd, address) => {
    checkRange(guest.memory, address, FILESTAT_BYTES);
    return statTo(guest, descriptors.get(fd), address);
  }),

  fd_filestat_set_size: defineWaiting(["i32", "i64"], ({ descriptors }, guest, fd, size) => {
    const file = asFile(descriptors.get(fd));
    requireWritable(file);
    chargeOperation(guest, file);
    return done(file.file.setSize(asPosition(size)));
  }),

  fd_filestat_set_times: defineWaiting(
    ["i32", "i64", "i64", "i32"],
    ({ clock, descriptors }, guest, fd, accessed, modified, flags) => {
      const times = newTimes(clock, accessed, modified, flags);
      const descriptor = descriptors.get(fd);
      chargeOperation(guest, descriptor);
      if (descriptor.kind === "directory") {
        if (descriptor.readOnly) throw new SystemError("EROFS");
        return done(descriptor.directory.setTimes(times));
      }
      const file = asFile(descriptor);
      requireWritable(file);
      return done(file.file.setTimes(times));
    },
  ),

  fd_prestat_get: define(["i32", "i32"], ({ descriptors }, { memory }, fd, address) => {
    const name = preopenName(descriptors.get(fd));
    checkRange(memory, address, PRESTAT_BYTES);
    memory.writeU32(address, 0);
    memory.writeU32(address + 4, name.length);
    return Errno.Success;
  }),

  fd_prestat_dir_name: define(["i32", "i32", "i32"], ({ descriptors }, guest, fd, address, byteLength) => {
    const name = preopenName(descriptors.get(fd));
    if (byteLength < name.length) throw new SystemError("ENAMETOOLONG");
    checkRange(guest.memory, address, name.length);
    guest.charge(fuelOfBytes(name.length));
    guest.memory.write(address, name);
    return Errno.Success;
  }),

  fd_renumber: defineWaiting(["i32", "i32"], ({ descriptors }, guest, from, to) => {
    const replaced = descriptors.renumber(from, to);
    return replaced === null ? Errno.Success : close(guest, replaced);
  }),

  fd_seek: defineWaiting(["i32", "i64", "i32", "i32"], ({ descriptors }, guest, fd, offset, whence, result) =>
    seek(guest, descriptors.get(fd), offset, whence, result),
  ),

  fd_tell: define(["i32", "i32"], ({ descriptors }, { memory }, fd, result) => {
    const file = asFile(descriptors.get(fd));
    checkRange(memory, result, 8);
    memory.writeU64(result, file.position);
    return Errno.Success;
  }),
};
