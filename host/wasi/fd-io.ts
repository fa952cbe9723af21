/** Bytes through descriptors (fd_read, fd_write and their like, fd_readdir). */

import type { InputStream, OutputStream } from "../system.ts";
import { SystemError } from "../system.ts";
import { Errno, FdFlag } from "./abi.ts";
import type { Answer, Completion, Guest, GuestMemory, WasiFunction } from "./define.ts";
import { chargeOperation, checkRange, defineWaiting, fuelOfBytes } from "./define.ts";
import type {
  Descriptor,
  DirectoryDescriptor,
  FileDescriptor,
  InputDescriptor,
  OutputDescriptor,
} from "./descriptors.ts";
import type { Vector } from "./iovec.ts";
import { gather, readVector, scatter, shortened } from "./iovec.ts";
import { encodeEntries, readListing } from "./listing.ts";
import type { WasiState } from "./state.ts";
import { RIGHT_READ, RIGHT_WRITE } from "./abi.ts";
import type { Call } from "./walk.ts";

/** What a directory's listing may return in one call. */
const MAX_LISTING_BYTES = 1_048_576;
/** Bytes of a file that one call may always move, and that are not counted. */
const FREE_TRANSFER_BYTES = 4_096;
/** What one call writes to a stream, which keeps it until its reader comes. */
const MAX_OUTPUT_BYTES = 65_536;

function requireRight(descriptor: Descriptor, right: bigint): void {
  if ((descriptor.rights & right) === 0n) throw new SystemError("ENOTCAPABLE");
}

/** A descriptor that has a position. */
export function asFile(descriptor: Descriptor): FileDescriptor {
  if (descriptor.kind === "file") return descriptor;
  throw new SystemError(descriptor.kind === "directory" ? "EISDIR" : "ESPIPE");
}

/** Offsets are unsigned in preview 1, but no file reaches the upper half. */
export function asPosition(offset: bigint): bigint {
  if (offset < 0n) throw new SystemError("EINVAL");
  return offset;
}

/** Moves bytes of a file that the host keeps meanwhile: fewer when there is no memory for all of them. */
async function moving<T>(
  { state, guest }: Call,
  descriptor: FileDescriptor,
  vector: Vector,
  move: (part: Vector) => Promise<T>,
): Promise<T> {
  const { byteLength } = vector;
  chargeOperation(guest, descriptor);
  if (byteLength <= FREE_TRANSFER_BYTES) return move(vector);
  if (!state.reserveBytes(byteLength)) return move(shortened(vector, FREE_TRANSFER_BYTES));
  try {
    return await move(vector);
  } finally {
    state.releaseBytes(byteLength);
  }
}

function store(vector: Vector, bytes: Uint8Array, count: number): Completion {
  return (memory) => {
    scatter(memory, vector, bytes);
    memory.writeU32(count, bytes.length);
    return Errno.Success;
  };
}

function readStream(
  state: WasiState,
  guest: Guest,
  descriptor: InputDescriptor,
  vector: Vector,
  count: number,
): Answer {
  const { stream } = descriptor;
  if (vector.byteLength === 0) {
    guest.memory.writeU32(count, 0);
    return Errno.Success;
  }
  if (stream.available === null && (descriptor.flags & FdFlag.Nonblock) !== 0) return Errno.Again;
  return takeInput(state, guest.memory, stream, vector, count);
}

/** Takes input only when it is there: a guest that ends while it waits takes nothing from others. */
function takeInput(state: WasiState, memory: GuestMemory, stream: InputStream, vector: Vector, count: number): Answer {
  state.checkLiving();
  if (stream.available === null) {
    const arrived = state.wait((wake) => stream.onReadable(wake));
    return arrived.then(() => (later: GuestMemory) => takeInput(state, later, stream, vector, count));
  }
  const bytes = stream.read(vector.byteLength);
  if (bytes instanceof Promise) return bytes.then((read) => store(vector, read, count));
  scatter(memory, vector, bytes);
  memory.writeU32(count, bytes.length);
  return Errno.Success;
}

async function readFile(
  descriptor: FileDescriptor,
  vector: Vector,
  position: bigint | null,
  count: number,
): Promise<Completion> {
  const bytes = new Uint8Array(vector.byteLength);
  const length = bytes.length === 0 ? 0 : await descriptor.file.read(bytes, position ?? descriptor.position);
  if (position === null) descriptor.position += BigInt(length);
  return store(vector, bytes.subarray(0, length), count);
}

function writeStream(
  state: WasiState,
  guest: Guest,
  descriptor: OutputDescriptor,
  vector: Vector,
  count: number,
): Answer {
  const { stream } = descriptor;
  if (!stream.isWritable && (descriptor.flags & FdFlag.Nonblock) !== 0) return Errno.Again;
  return putOutput(state, guest.memory, stream, vector, count);
}

/** Waits before it writes, so that what a reader leaves unread does not grow with the guests that write. */
function putOutput(state: WasiState, memory: GuestMemory, stream: OutputStream, vector: Vector, count: number): Answer {
  state.checkLiving();
  if (vector.byteLength > 0) {
    if (!stream.isWritable) {
      const drained = state.wait((wake) => stream.onWritable(wake));
      return drained.then(() => (later: GuestMemory) => putOutput(state, later, stream, vector, count));
    }
    // A failure is the next write's.
    stream.write(gather(memory, vector))?.catch(() => {});
  }
  memory.writeU32(count, vector.byteLength);
  return Errno.Success;
}

async function writeFile(
  guest: Guest,
  descriptor: FileDescriptor,
  vector: Vector,
  position: bigint | null,
  count: number,
): Promise<Completion> {
  const bytes = gather(guest.memory, vector);
  const appends = position === null && (descriptor.flags & FdFlag.Append) !== 0;
  const at = appends ? null : (position ?? descriptor.position);
  const length = bytes.length === 0 ? 0 : await descriptor.file.write(bytes, at);
  if (at === null) descriptor.position = (await descriptor.file.stat()).size;
  else if (position === null) descriptor.position += BigInt(length);
  return (memory) => {
    memory.writeU32(count, length);
    return Errno.Success;
  };
}

/** Goes on at `cookie`; 0 reads the directory anew. */
async function readDirectory(
  call: Call,
  descriptor: DirectoryDescriptor,
  address: number,
  byteLength: number,
  cookie: number,
  used: number,
): Promise<Completion> {
  const { state } = call;
  const heldBytes = byteLength > FREE_TRANSFER_BYTES ? byteLength : 0;
  if (!state.reserveBytes(heldBytes)) throw new SystemError("ENOMEM");
  try {
    const known = cookie === 0 ? null : descriptor.listing;
    const listing = known ?? (await readListing(call, descriptor));
    const bytes = await encodeEntries(call, descriptor, listing, cookie, byteLength);
    return (memory) => {
      memory.write(address, bytes);
      memory.writeU32(used, bytes.length);
      return Errno.Success;
    };
  } finally {
    state.releaseBytes(heldBytes);
  }
}

export const FD_IO_FUNCTIONS: Readonly<Record<string, WasiFunction>> = {
  fd_read: defineWaiting(["i32", "i32", "i32", "i32"], (state, guest, fd, vectors, vectorCount, count) => {
    const descriptor = state.descriptors.get(fd);
    requireRight(descriptor, RIGHT_READ);
    checkRange(guest.memory, count, 4);
    const vector = readVector(guest, vectors, vectorCount);
    if (descriptor.kind === "input") return readStream(state, guest, descriptor, vector, count);
    const file = asFile(descriptor);
    return moving({ state, guest }, file, vector, (part) => readFile(file, part, null, count));
  }),

  fd_pread: defineWaiting(
    ["i32", "i32", "i32", "i64", "i32"],
    (state, guest, fd, vectors, vectorCount, offset, count) => {
      const file = asFile(state.descriptors.get(fd));
      requireRight(file, RIGHT_READ);
      checkRange(guest.memory, count, 4);
      const vector = readVector(guest, vectors, vectorCount);
      const position = asPosition(offset);
      return moving({ state, guest }, file, vector, (part) => readFile(file, part, position, count));
    },
  ),

  fd_write: defineWaiting(["i32", "i32", "i32", "i32"], (state, guest, fd, vectors, vectorCount, count) => {
    const descriptor = state.descriptors.get(fd);
    requireRight(descriptor, RIGHT_WRITE);
    checkRange(guest.memory, count, 4);
    if (descriptor.kind === "output") {
      const vector = readVector(guest, vectors, vectorCount, MAX_OUTPUT_BYTES);
      return writeStream(state, guest, descriptor, vector, count);
    }
    const file = asFile(descriptor);
    const vector = readVector(guest, vectors, vectorCount);
    return moving({ state, guest }, file, vector, (part) => writeFile(guest, file, part, null, count));
  }),

  fd_pwrite: defineWaiting(
    ["i32", "i32", "i32", "i64", "i32"],
    (state, guest, fd, vectors, vectorCount, offset, count) => {
      const file = asFile(state.descriptors.get(fd));
      requireRight(file, RIGHT_WRITE);
      checkRange(guest.memory, count, 4);
      const vector = readVector(guest, vectors, vectorCount);
      const position = asPosition(offset);
      return moving({ state, guest }, file, vector, (part) => writeFile(guest, file, part, position, count));
    },
  ),

  fd_readdir: defineWaiting(
    ["i32", "i32", "i32", "i64", "i32"],
    (state, guest, fd, address, byteLength, cookie, used) => {
      const descriptor = state.descriptors.directory(fd);
      checkRange(guest.memory, address, byteLength);
      checkRange(guest.memory, used, 4);
      // More would be an answer that looks like the end of the directory: a short one.
      if (byteLength > MAX_LISTING_BYTES) throw new SystemError("EINVAL");
      if (cookie < 0n || cookie > 0xffff_ffffn) throw new SystemError("EINVAL");
      guest.charge(fuelOfBytes(byteLength));
      return readDirectory({ state, guest }, descriptor, address, byteLength, Number(cookie), used);
    },
  ),
};
