/**
 * What fd_readdir goes through: the entries as they were when the guest began to read the
 * directory. A cookie is an index into it, so it stays valid until the guest starts again at 0.
 * Reading and encoding go in steps that are paid for, and between which others run.
 */

import type { DirectoryEntry } from "../system.ts";
import { fuelOfOperation, SystemError } from "../system.ts";
import { DIRENT_BYTES, fileTypeOf } from "./abi.ts";
import type { DirectoryDescriptor } from "./descriptors.ts";
import { laterTurn } from "../give-way.ts";
import type { Call } from "./walk.ts";

export interface Listing {
  readonly entries: readonly DirectoryEntry[];
  /** What the host keeps, about: counted until the listing is dropped. */
  readonly byteLength: number;
}

/** Of an entry besides its name. */
const ENTRY_BYTES = 64;
/** Of reading an entry, and of writing one for the guest: up to a microsecond. */
const ENTRY_FUEL = 40;
/** Entries of one step, and inodes that are asked for at the same time. */
const STEP_ENTRIES = 64;

const bytesOf = ({ name }: DirectoryEntry): number => ENTRY_BYTES + name.length * 2;

/** Reads the directory anew, and keeps what is found. */
export async function readListing({ state, guest }: Call, descriptor: DirectoryDescriptor): Promise<Listing> {
  const { descriptors } = state;
  const { directory } = descriptor;
  let isOpen = false;
  const entries: DirectoryEntry[] = [
    { name: ".", kind: "directory" },
    { name: "..", kind: "directory" },
  ];
  let byteLength = 0;
  const count = (added: readonly DirectoryEntry[]): void => {
    const addedBytes = added.reduce((sum, entry) => sum + bytesOf(entry), 0);
    if (!state.reserveBytes(addedBytes)) throw new SystemError("ENOMEM");
    byteLength += addedBytes;
  };
  try {
    guest.chargeLate(fuelOfOperation(directory));
    await directory.list(async (some) => {
      if (descriptor.isClosed) throw new SystemError("EBADF");
      // The host has it open once more, until all of it is read.
      if (!isOpen && !descriptors.hold()) throw new SystemError("ENFILE");
      isOpen = true;
      count(some);
      for (const entry of some) entries.push(entry);
      guest.chargeLate(some.length * ENTRY_FUEL);
      await laterTurn();
    });
    count(entries.slice(0, 2));
    const listing = { entries, byteLength };
    descriptors.keepListing(descriptor, listing);
    return listing;
  } catch (error) {
    state.releaseBytes(byteLength);
    throw error;
  } finally {
    if (isOpen) descriptors.letGo();
  }
}

/**
 * The entries from `first` on in the format of preview 1, the last one cut off at `byteLength`: a
 * full buffer is how the guest knows that there are more.
 */
export async function encodeEntries(
  { guest }: Call,
  descriptor: DirectoryDescriptor,
  { entries }: Listing,
  first: number,
  byteLength: number,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(byteLength);
  const header = new Uint8Array(DIRENT_BYTES);
  const view = new DataView(header.buffer);
  const encoder = new TextEncoder();
  let at = 0;
  const put = (part: Uint8Array): void => {
    bytes.set(part.subarray(0, byteLength - at), at);
    at = Math.min(byteLength, at + part.length);
  };
  for (let i = first; i < entries.length && at < byteLength; i += STEP_ENTRIES) {
    if (i > first) await laterTurn();
    const room = Math.ceil((byteLength - at) / DIRENT_BYTES);
    const some = entries.slice(i, i + Math.min(STEP_ENTRIES, room));
    guest.chargeLate(some.length * ENTRY_FUEL);
    const inodes = await Promise.all(some.map((entry) => inodeOf(guest, descriptor, entry)));
    for (const [j, entry] of some.entries()) {
      const name = encoder.encode(entry.name);
      view.setBigUint64(0, BigInt(i + j + 1), true);
      view.setBigUint64(8, inodes[j]!, true);
      view.setUint32(16, name.length, true);
      view.setUint8(20, fileTypeOf(entry.kind));
      put(header);
      put(name);
    }
  }
  return bytes.subarray(0, at);
}

/** 0, "unknown", for what has gone since it was listed, and for ".." that is not the guest's to see. */
async function inodeOf(
  guest: Call["guest"],
  { directory }: DirectoryDescriptor,
  { name, inode }: DirectoryEntry,
): Promise<bigint> {
  if (inode !== undefined) return inode;
  if (name === "..") return 0n;
  guest.chargeLate(fuelOfOperation(directory));
  try {
    return (await directory.statEntry(name)).inode;
  } catch {
    return 0n;
  }
}
