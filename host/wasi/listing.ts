/**
 * What fd_readdir goes through: the entries as they were when the guest began to read the
 * directory. A cookie is an index into it, so it stays valid until the guest starts again at 0.
 */

import type { Directory, DirectoryEntry } from "../system.ts";
import { DIRENT_BYTES, fileTypeOf } from "./abi.ts";

export interface Listing {
  readonly entries: readonly DirectoryEntry[];
  /** What the host keeps, about. */
  readonly byteLength: number;
}

/** Of an entry besides its name. */
const ENTRY_BYTES = 64;

/** Inodes asked for at the same time. */
const INODE_BATCH = 64;

export async function readListing(directory: Directory): Promise<Listing> {
  const entries: DirectoryEntry[] = [
    { name: ".", kind: "directory" },
    { name: "..", kind: "directory" },
  ];
  // No spread: a directory may have more entries than a call may have arguments.
  for (const entry of await directory.list()) entries.push(entry);
  return { entries, byteLength: entries.reduce((sum, { name }) => sum + ENTRY_BYTES + name.length * 2, 0) };
}

/**
 * The entries from `first` on in the format of preview 1, the last one cut off at `byteLength`: a
 * full buffer is how the guest knows that there are more.
 */
export async function encodeEntries(
  directory: Directory,
  { entries }: Listing,
  first: number,
  byteLength: number,
): Promise<Uint8Array> {
  const encoder = new TextEncoder();
  const chosen: { readonly entry: DirectoryEntry; readonly name: Uint8Array }[] = [];
  let total = 0;
  for (let i = first; i < entries.length && total < byteLength; i++) {
    const entry = entries[i] as DirectoryEntry;
    const name = encoder.encode(entry.name);
    chosen.push({ entry, name });
    total += DIRENT_BYTES + name.length;
  }
  const inodes: bigint[] = [];
  for (let i = 0; i < chosen.length; i += INODE_BATCH) {
    const batch = chosen.slice(i, i + INODE_BATCH);
    inodes.push(...(await Promise.all(batch.map(({ entry }) => inodeOf(directory, entry.name)))));
  }
  const bytes = new Uint8Array(total);
  const view = new DataView(bytes.buffer);
  let at = 0;
  chosen.forEach(({ entry, name }, i) => {
    view.setBigUint64(at, BigInt(first + i + 1), true);
    view.setBigUint64(at + 8, inodes[i] ?? 0n, true);
    view.setUint32(at + 16, name.length, true);
    view.setUint8(at + 20, fileTypeOf(entry.kind));
    bytes.set(name, at + DIRENT_BYTES);
    at += DIRENT_BYTES + name.length;
  });
  return bytes.subarray(0, byteLength);
}

/** 0, "unknown", for what has gone since it was listed, and for ".." that is not the guest's to see. */
async function inodeOf(directory: Directory, name: string): Promise<bigint> {
  if (name === "..") return 0n;
  try {
    return (await directory.statEntry(name)).inode;
  } catch {
    return 0n;
  }
}
