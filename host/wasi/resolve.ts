/**
 * The one place where a guest's path becomes something on the host. A path is walked component by
 * component through open directories, symbolic links are followed by hand, and ".." only ever
 * steps back to a directory walked through before: there is no way to name anything above the
 * directory that the walk began in, whatever others do to the tree meanwhile.
 */

import type { Directory } from "../system.ts";
import { SystemError } from "../system.ts";
import type { DirectoryDescriptor } from "./descriptors.ts";
import type { Guest } from "./define.ts";
import { checkRange, fuelOfBytes } from "./define.ts";

/** Bytes of a path, and of a symbolic link's target. */
export const MAX_PATH_BYTES = 4_096;
/** Symbolic links followed in one path; POSIX asks for at least 8, Linux follows 40. */
const MAX_SYMLINKS = 40;

/** An entry `name` ("." for the directory itself) of `directory`, which stays open until {@link release}. */
export interface Place {
  readonly directory: Directory;
  readonly name: string;
  /** The path ended with a slash: only a directory will do. */
  readonly mustBeDirectory: boolean;
  /** Closes the directories that the walk opened. Never rejects. */
  release(): Promise<void>;
}

/** Reads a path from guest memory. Throws EILSEQ, EINVAL, ENAMETOOLONG. */
export function readPath(guest: Guest, address: number, byteLength: number): string {
  checkRange(guest.memory, address, byteLength);
  if (byteLength > MAX_PATH_BYTES) throw new SystemError("ENAMETOOLONG");
  guest.charge(fuelOfBytes(byteLength));
  let path: string;
  try {
    path = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(guest.memory.read(address, byteLength));
  } catch {
    throw new SystemError("EILSEQ");
  }
  if (path.includes("\0")) throw new SystemError("EINVAL");
  return path;
}

/**
 * Finds the place of `path`, which need not exist, below `base`. If the last component is a
 * symbolic link, it is followed only with `followLast`; a result may still be one when the tree
 * changes at this moment, so operations on it must not follow links either. Rejects with EPERM
 * where the path leads outside, and with EBADF once `base` is closed: its guest may have ended.
 */
export async function resolve(base: DirectoryDescriptor, path: string, followLast: boolean): Promise<Place> {
  if (path === "") throw new SystemError("ENOENT");
  if (path.startsWith("/")) throw new SystemError("EPERM");
  const walked: Directory[] = [base.directory];
  const release = async () => {
    await Promise.allSettled(walked.splice(1).map((directory) => directory.close()));
  };
  try {
    let symlinks = 0;
    let mustBeDirectory = false;
    /** What is left of the path, the next component last. */
    const ahead = path.split("/").reverse();
    for (;;) {
      if (base.isClosed) throw new SystemError("EBADF");
      const current = walked[walked.length - 1] as Directory;
      const component = ahead.pop();
      if (component === undefined) return { directory: current, name: ".", mustBeDirectory, release };
      if (component === "" || component === ".") {
        mustBeDirectory = true;
        continue;
      }
      if (component === "..") {
        if (walked.length === 1) throw new SystemError("EPERM");
        await walked.pop()?.close();
        mustBeDirectory = true;
        continue;
      }
      const isLast = ahead.every((later) => later === "" || later === ".");
      if (isLast) mustBeDirectory = ahead.length > 0;
      let target: string | null = null;
      if (!isLast) {
        const next = await openDirectory(current, component);
        if (typeof next !== "string") {
          walked.push(next);
          continue;
        }
        target = next;
      } else if (followLast || mustBeDirectory) {
        target = await symlinkTarget(current, component);
      }
      if (target === null) return { directory: current, name: component, mustBeDirectory, release };
      if (++symlinks > MAX_SYMLINKS) throw new SystemError("ELOOP");
      if (target.startsWith("/")) throw new SystemError("EPERM");
      if (target === "") throw new SystemError("ENOENT");
      if (target.length > MAX_PATH_BYTES) throw new SystemError("ENAMETOOLONG");
      ahead.push(...target.split("/").reverse());
      mustBeDirectory = false;
    }
  } catch (error) {
    await release();
    throw error;
  }
}

/** Runs `use` on the place of a path and lets go of it afterwards. */
export async function withPlace<T>(
  base: DirectoryDescriptor,
  path: string,
  followLast: boolean,
  use: (place: Place) => Promise<T>,
): Promise<T> {
  const place = await resolve(base, path, followLast);
  try {
    if (base.isClosed) throw new SystemError("EBADF");
    return await use(place);
  } finally {
    await place.release();
  }
}

/** The directory `name`, or the target if it is a symbolic link. */
async function openDirectory(parent: Directory, name: string): Promise<Directory | string> {
  try {
    const opened = await parent.open(name, { read: true, write: false, directory: true });
    if (opened.kind === "directory") return opened;
    await opened.close();
    throw new SystemError("ENOTDIR");
  } catch (error) {
    const target = await symlinkTarget(parent, name);
    if (target === null) throw error;
    return target;
  }
}

/** Null for anything that is no symbolic link, or is not there. */
async function symlinkTarget(parent: Directory, name: string): Promise<string | null> {
  try {
    return await parent.readLink(name);
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    if (code === "EINVAL" || code === "ENOENT") return null;
    throw error;
  }
}
