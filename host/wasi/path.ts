/** Operations on paths (path_*). Which file a path means is decided in resolve.ts. */

import type { Directory, OpenFile } from "../system.ts";
import { SystemError } from "../system.ts";
import {
  ALL_FD_FLAGS,
  ALL_OPEN_FLAGS,
  Errno,
  FdFlag,
  FILESTAT_BYTES,
  OpenFlag,
  RIGHTS_OF_READERS,
  RIGHTS_OF_WRITERS,
  rightsOfFile,
  SYMLINK_FOLLOW,
  writeFilestat,
} from "./abi.ts";
import type { Completion, WasiFunction } from "./define.ts";
import { checkRange, defineWaiting } from "./define.ts";
import type { Descriptor, DirectoryDescriptor } from "./descriptors.ts";
import { closeDescriptor } from "./descriptors.ts";
import type { Place } from "./resolve.ts";
import { readPath, withPlace } from "./resolve.ts";
import type { Call } from "./walk.ts";
import type { WasiState } from "./state.ts";
import { newTimes } from "./times.ts";

function writable(descriptor: DirectoryDescriptor): DirectoryDescriptor {
  if (descriptor.readOnly) throw new SystemError("EROFS");
  return descriptor;
}

/** What makes, removes or renames an entry has no meaning for the directory that the walk began in. */
function requireEntry(place: Place): void {
  if (place.name === ".") throw new SystemError("EINVAL");
}

async function requireKind(place: Place): Promise<void> {
  if (!place.mustBeDirectory || place.name === ".") return;
  if ((await place.directory.statEntry(place.name)).kind !== "directory") throw new SystemError("ENOTDIR");
}

interface OpenRequest {
  readonly followLast: boolean;
  readonly openFlags: number;
  readonly rights: bigint;
  readonly inheritingRights: bigint;
  readonly flags: number;
}

async function openPath(
  call: Call,
  base: DirectoryDescriptor,
  path: string,
  request: OpenRequest,
): Promise<Descriptor> {
  const { openFlags, flags } = request;
  const wantsDirectory = (openFlags & OpenFlag.Directory) !== 0;
  const create = (openFlags & OpenFlag.Create) !== 0;
  const exclusive = (openFlags & OpenFlag.Exclusive) !== 0;
  const truncate = (openFlags & OpenFlag.Truncate) !== 0;
  const read = (request.rights & RIGHTS_OF_READERS) !== 0n;
  const write = (request.rights & RIGHTS_OF_WRITERS) !== 0n;
  if (wantsDirectory && (create || truncate)) throw new SystemError("EINVAL");
  if (base.readOnly && (create || truncate)) throw new SystemError("EROFS");
  const followLast = request.followLast && !(create && exclusive);
  const opened = await withPlace(call, base, path, followLast, async (place) => {
    const directory = wantsDirectory || place.mustBeDirectory;
    if (directory && create) throw new SystemError("EISDIR");
    // Guests ask for every right when they do not care; on a directory "write" is about its entries.
    if (directory) return place.directory.open(place.name, { read: true, write: false, directory: true });
    if (write && base.readOnly) {
      const { kind } = await place.directory.statEntry(place.name);
      if (kind !== "directory") throw new SystemError("EROFS");
    }
    const append = (flags & FdFlag.Append) !== 0;
    try {
      return await place.directory.open(place.name, {
        read: read || !write,
        write: write || truncate,
        append,
        create,
        exclusive,
        truncate,
      });
    } catch (error) {
      // wasi-libc opens directories without the flag too, with the rights of a file.
      if ((error as { code?: unknown }).code !== "EISDIR" || create || truncate) throw error;
      return place.directory.open(place.name, { read: true, write: false, directory: true });
    }
  });
  return descriptorOf(opened, base, request, read || !write, write);
}

function descriptorOf(
  opened: OpenFile | Directory,
  base: DirectoryDescriptor,
  request: OpenRequest,
  read: boolean,
  write: boolean,
): Descriptor {
  const { flags } = request;
  if (opened.kind === "file") {
    return { kind: "file", file: opened, position: 0n, flags, rights: rightsOfFile(read, write) };
  }
  return {
    kind: "directory",
    directory: opened,
    readOnly: base.readOnly,
    preopenName: null,
    preopenBytes: null,
    listing: null,
    flags,
    rights: base.rights,
    inheritingRights: base.inheritingRights & request.inheritingRights,
    isClosed: false,
  };
}

/** The number is taken only now, so that guest calls under way meanwhile cannot take it. */
async function addOpened(state: WasiState, opening: Promise<Descriptor>, result: number): Promise<Completion> {
  const descriptor = await opening;
  let fd: number;
  try {
    fd = state.descriptors.add(descriptor);
  } catch (error) {
    await closeDescriptor(descriptor);
    throw error;
  }
  return (memory) => {
    memory.writeU32(result, fd);
    return Errno.Success;
  };
}

async function statPath(
  call: Call,
  base: DirectoryDescriptor,
  path: string,
  followLast: boolean,
  address: number,
): Promise<Completion> {
  const stat = await withPlace(call, base, path, followLast, (place) =>
    place.directory.statEntry(place.name).then((found) => {
      if (place.mustBeDirectory && found.kind !== "directory") throw new SystemError("ENOTDIR");
      return found;
    }),
  );
  return (memory) => {
    writeFilestat(memory, address, stat);
    return Errno.Success;
  };
}

/** An operation on one entry that gives nothing back but success. */
async function onEntry(
  call: Call,
  base: DirectoryDescriptor,
  path: string,
  operation: (place: Place) => Promise<void>,
): Promise<Completion> {
  await withPlace(call, writable(base), path, false, async (place) => {
    requireEntry(place);
    await operation(place);
  });
  return Errno.Success;
}

/** An operation from one entry to another, of the same or another directory. */
function betweenEntries(
  call: Call,
  from: DirectoryDescriptor,
  path: string,
  followLast: boolean,
  to: DirectoryDescriptor,
  newPath: string,
  operation: (source: Place, target: Place) => Promise<void>,
): Promise<Completion> {
  return withPlace(call, writable(from), path, followLast, (source) =>
    onEntry(call, to, newPath, async (target) => {
      requireEntry(source);
      await operation(source, target);
    }),
  );
}

async function readLink(
  call: Call,
  base: DirectoryDescriptor,
  path: string,
  address: number,
  byteLength: number,
  used: number,
): Promise<Completion> {
  const target = await withPlace(call, base, path, false, (place) => place.directory.readLink(place.name));
  const bytes = new TextEncoder().encode(target).subarray(0, byteLength);
  return (memory) => {
    memory.write(address, bytes);
    memory.writeU32(used, bytes.length);
    return Errno.Success;
  };
}

export const PATH_FUNCTIONS: Readonly<Record<string, WasiFunction>> = {
  path_create_directory: defineWaiting(["i32", "i32", "i32"], (state, guest, fd, address, length) =>
    onEntry({ state, guest }, state.descriptors.directory(fd), readPath(guest, address, length), (place) =>
      place.directory.createDirectory(place.name),
    ),
  ),

  path_filestat_get: defineWaiting(
    ["i32", "i32", "i32", "i32", "i32"],
    (state, guest, fd, lookup, address, length, result) => {
      const base = state.descriptors.directory(fd);
      checkRange(guest.memory, result, FILESTAT_BYTES);
      return statPath(
        { state, guest },
        base,
        readPath(guest, address, length),
        (lookup & SYMLINK_FOLLOW) !== 0,
        result,
      );
    },
  ),

  path_filestat_set_times: defineWaiting(
    ["i32", "i32", "i32", "i32", "i64", "i64", "i32"],
    async (state, guest, fd, lookup, address, length, accessed, modified, flags) => {
      const base = writable(state.descriptors.directory(fd));
      const times = newTimes(state.clock, accessed, modified, flags);
      const path = readPath(guest, address, length);
      await withPlace({ state, guest }, base, path, (lookup & SYMLINK_FOLLOW) !== 0, (place) =>
        place.directory.setEntryTimes(place.name, times),
      );
      return Errno.Success;
    },
  ),

  path_link: defineWaiting(
    ["i32", "i32", "i32", "i32", "i32", "i32", "i32"],
    (state, guest, fd, lookup, address, length, newFd, newAddress, newLength) => {
      const path = readPath(guest, address, length);
      const newPath = readPath(guest, newAddress, newLength);
      const followLast = (lookup & SYMLINK_FOLLOW) !== 0;
      return betweenEntries(
        { state, guest },
        state.descriptors.directory(fd),
        path,
        followLast,
        state.descriptors.directory(newFd),
        newPath,
        (source, target) => source.directory.link(source.name, target.directory, target.name),
      );
    },
  ),

  path_open: defineWaiting(
    ["i32", "i32", "i32", "i32", "i32", "i64", "i64", "i32", "i32"],
    (state, guest, fd, lookup, address, length, openFlags, rights, inheritingRights, flags, result) => {
      const base = state.descriptors.directory(fd);
      checkRange(guest.memory, result, 4);
      if (openFlags > ALL_OPEN_FLAGS || flags > ALL_FD_FLAGS) throw new SystemError("EINVAL");
      state.descriptors.checkRoom();
      const path = readPath(guest, address, length);
      const followLast = (lookup & SYMLINK_FOLLOW) !== 0;
      const opening = openPath({ state, guest }, base, path, {
        followLast,
        openFlags,
        rights,
        inheritingRights,
        flags,
      });
      return addOpened(state, opening, result);
    },
  ),

  path_readlink: defineWaiting(
    ["i32", "i32", "i32", "i32", "i32", "i32"],
    (state, guest, fd, address, length, buffer, byteLength, used) => {
      checkRange(guest.memory, buffer, byteLength);
      checkRange(guest.memory, used, 4);
      const base = state.descriptors.directory(fd);
      return readLink({ state, guest }, base, readPath(guest, address, length), buffer, byteLength, used);
    },
  ),

  path_remove_directory: defineWaiting(["i32", "i32", "i32"], (state, guest, fd, address, length) =>
    onEntry({ state, guest }, state.descriptors.directory(fd), readPath(guest, address, length), (place) =>
      place.directory.removeDirectory(place.name),
    ),
  ),

  path_rename: defineWaiting(
    ["i32", "i32", "i32", "i32", "i32", "i32"],
    (state, guest, fd, address, length, newFd, newAddress, newLength) => {
      const path = readPath(guest, address, length);
      const newPath = readPath(guest, newAddress, newLength);
      return betweenEntries(
        { state, guest },
        state.descriptors.directory(fd),
        path,
        false,
        state.descriptors.directory(newFd),
        newPath,
        async (source, target) => {
          await requireKind(source);
          await source.directory.rename(source.name, target.directory, target.name);
        },
      );
    },
  ),

  path_symlink: defineWaiting(
    ["i32", "i32", "i32", "i32", "i32"],
    (state, guest, targetAddress, targetLength, fd, address, length) => {
      const target = readPath(guest, targetAddress, targetLength);
      // We would not follow it, but others on the host would, wherever the guest points them.
      if (target.startsWith("/")) throw new SystemError("EPERM");
      return onEntry({ state, guest }, state.descriptors.directory(fd), readPath(guest, address, length), (place) =>
        place.directory.createSymlink(place.name, target),
      );
    },
  ),

  path_unlink_file: defineWaiting(["i32", "i32", "i32"], (state, guest, fd, address, length) =>
    onEntry({ state, guest }, state.descriptors.directory(fd), readPath(guest, address, length), async (place) => {
      await requireKind(place);
      await place.directory.removeFile(place.name);
    }),
  ),
};
