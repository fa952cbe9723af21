/**
 * Address space: whether there is enough for large buffers, where the system may limit it. V8 ends the
 * whole program when its own heap gets none, so nobody takes the last of it.
 */

const MIB = 1_048_576;
/** Address space that is left to the platform. */
const HEADROOM_BYTES = 128 * MIB;
/** Whether there is room is asked from so many reserved bytes on, and for memories of so many. */
export const ASKED_FROM_BYTES = 16 * MIB;
/**
 * Memories from the first size on get buffers of at least the second, which the allocators of C libraries map each by itself: its
 * pages are provided when they are touched and are gone with it. Smaller ones, once some were freed, are
 * parts of a heap, overwritten at once and back with the system only when all around them are free.
 */
export const MAPPED_FROM_BYTES = 8 * MIB;
export const MAPPED_BYTES = 33 * MIB;
/** Address space of which nobody says that there is little: the most that one buffer may reserve. */
export const PLENTY_BYTES = 4_096 * MIB;
/** So many times that is an abundance, which may be wasted: no limit of address space is near. */
const ABUNDANCE = 4;

/** Bytes that may be taken before there has to be plenty of address space again. */
let unaskedBytes = 0;

/** Whether the system would give so many bytes and leave headroom. None of them is touched. */
export function hasAddressSpace(byteLength: number): boolean {
  if (byteLength > unaskedBytes && byteLength <= PLENTY_BYTES / 2 && hasPlenty(1)) unaskedBytes = PLENTY_BYTES / 2;
  if (byteLength <= unaskedBytes) {
    unaskedBytes -= byteLength;
    return true;
  }
  try {
    release(new ArrayBuffer(byteLength + HEADROOM_BYTES));
    return true;
  } catch {
    return false;
  }
}

/** Buffers that may be reserved before there has to be an abundance again. */
let abundant = 0;

/** Whether there is so much address space that nobody will miss as much as one buffer may reserve. */
export function hasAbundance(): boolean {
  if (abundant === 0) {
    if (!hasPlenty(ABUNDANCE)) return false;
    abundant = ABUNDANCE / 2;
  }
  abundant--;
  return true;
}

const Reservation = ArrayBuffer as new (
  byteLength: number,
  options: { readonly maxByteLength: number },
) => { readonly resizable?: boolean };

/**
 * Once a buffer has been detached V8 throws all code away that reads one, and what it compiles then is slower; so as long as
 * these reservations, which are gone with the next collection, succeed none is.
 */
function hasPlenty(times: number): boolean {
  try {
    const reservations = Array.from({ length: times }, () => new Reservation(0, { maxByteLength: PLENTY_BYTES }));
    // Platforms without resizable buffers make ones of no bytes, which say nothing.
    return reservations.every(({ resizable }) => resizable === true);
  } catch {
    return false;
  }
}

let closedPort: InstanceType<typeof MessagePort> | null = null;

/** Gives a buffer's bytes back before V8 collects it. */
function release(buffer: ArrayBuffer & { transfer?(byteLength: number): ArrayBuffer }): void {
  if (buffer.transfer !== undefined) {
    buffer.transfer(0);
    return;
  }
  // Older platforms: what is sent to a closed port is gone.
  if (closedPort === null) {
    closedPort = new MessageChannel().port1;
    closedPort.close();
  }
  closedPort.postMessage(null, [buffer]);
}
