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
import { type Call, MAX_STEPS, tooManySteps, Walk } from "./walk.ts";

/** Bytes of a path, and of a symbolic link's target. */
export const MAX_PATH_BYTES = 4_096;
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
/** Symbolic links followed in one path; POSIX asks for at least 8, Linux follows 40. */
const MAX_SYMLINKS = 40;

/** An entry `name` ("." for the directory itself) of `directory`, which the walk keeps open until it is released. */
export interface Place {
  readonly walk: Walk;
  readonly directory: Directory;
  readonly name: string;
  /** The path ended with a slash: only a directory will do. */
  readonly mustBeDirectory: boolean;
}

/** Reads a path from guest memory. Throws EILSEQ, EINVAL, ENAMETOOLONG. */
export function readPath(guest: Guest, address: number, byteLength: number): string {
  checkRange(guest.memory, address, byteLength);
  if (byteLength > MAX_PATH_BYTES) throw new SystemError("ENAMETOOLONG");
  guest.charge(fuelOfBytes(byteLength));
  let path: string;
  try {
    path = UTF8.decode(guest.memory.read(address, byteLength));
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
 * where the path leads outside, with EBADF once `base` is closed, since its guest may have ended, and with
 * ENAMETOOLONG or ELOOP when there are more steps than a path may have.
 */
async function resolve(call: Call, base: DirectoryDescriptor, path: string, followLast: boolean): Promise<Place> {
  if (path === "") throw new SystemError("ENOENT");
  if (path.startsWith("/")) throw new SystemError("EPERM");
  const walk = new Walk(call, base);
  try {
    let links = 0;
    let mustBeDirectory = false;
    /** What is left of the path, the next component last. */
    const ahead = componentsOf(path, links);
    for (;;) {
      await walk.step(links);
      const component = ahead.pop();
      if (component === undefined) return { walk, directory: walk.current, name: ".", mustBeDirectory };
      if (component === "" || component === ".") {
        mustBeDirectory = true;
        continue;
      }
      if (component === "..") {
        await walk.leave(links);
        mustBeDirectory = true;
        continue;
      }
      const isLast = ahead.every((later) => later === "" || later === ".");
      if (isLast) mustBeDirectory = ahead.length > 0;
      let target: string | null = null;
      if (!isLast) target = await enter(walk, component);
      else if (followLast || mustBeDirectory) target = await symlinkTarget(walk, component);
      if (target === null) {
        if (!isLast) continue;
        return { walk, directory: walk.current, name: component, mustBeDirectory };
      }
      if (++links > MAX_SYMLINKS) throw new SystemError("ELOOP");
      if (target.startsWith("/")) throw new SystemError("EPERM");
      if (target === "") throw new SystemError("ENOENT");
      if (target.length > MAX_PATH_BYTES) throw new SystemError("ENAMETOOLONG");
      ahead.push(...componentsOf(target, links));
      mustBeDirectory = false;
    }
  } catch (error) {
    await walk.release();
    throw error;
  }
}

/** The next one last. Throws as {@link Walk.step} does when there are more than steps. */
function componentsOf(path: string, links: number): string[] {
  const components = path.split("/", MAX_STEPS + 1);
  if (components.length > MAX_STEPS) throw tooManySteps(links);
  return components.reverse();
}

/** Runs `use` on the place of a path and lets go of it afterwards. */
export async function withPlace<T>(
  call: Call,
  base: DirectoryDescriptor,
  path: string,
  followLast: boolean,
  use: (place: Place) => Promise<T>,
): Promise<T> {
  const place = await resolve(call, base, path, followLast);
  try {
    if (base.isClosed) throw new SystemError("EBADF");
    place.walk.charge();
    return await use(place);
  } finally {
    await place.walk.release();
  }
}

/** Null after it went into the directory `name`; the target if it is a symbolic link. */
async function enter(walk: Walk, name: string): Promise<string | null> {
  try {
    await walk.enter(name);
    return null;
  } catch (error) {
    const target = await symlinkTarget(walk, name);
    if (target === null) throw error;
    return target;
  }
}

/** Null for anything that is no symbolic link, or is not there. */
async function symlinkTarget(walk: Walk, name: string): Promise<string | null> {
  try {
    walk.charge();
    return await walk.current.readLink(name);
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    if (code === "EINVAL" || code === "ENOENT") return null;
    throw error;
  }
}
