/**
 * Shared buffers that nobody needs any more. V8 does not count their bytes, so nothing tells it to collect them; while
 * those that it has not collected may take much, somebody has to make it.
 */

const MIB = 1_048_576;
/** From so many bytes on some new buffers are ordinary ones, which V8 counts; and from so many on all are. */
const MANY_BYTES = 64 * MIB;
const TOO_MANY_BYTES = 256 * MIB;
/** After so many bytes of ordinary buffers V8 begins to collect. More of them would only make it hold everybody up meanwhile. */
const TELLING_BYTES = 64 * MIB;

interface Dropped {
  readonly byteLength: number;
  readonly collected: (() => void) | null;
}

export class DroppedBuffers {
  #byteLength = 0;
  /** Bytes of ordinary buffers since V8 collected one of those that were dropped. */
  #toldBytes = 0;
  readonly #registry = new FinalizationRegistry<Dropped>(({ byteLength, collected }) => {
    this.#byteLength -= byteLength;
    this.#toldBytes = 0;
    collected?.();
  });

  /** Nobody refers to the buffer any more, of which so many bytes may be resident. */
  add(buffer: ArrayBufferLike, byteLength: number, collected: (() => void) | null = null): void {
    this.#byteLength += byteLength;
    this.#registry.register(buffer, { byteLength, collected });
  }

  /** Whether a new buffer of so many bytes may be a shared one. If not, the caller makes an ordinary one. */
  mayShare(byteLength: number): boolean {
    if (this.#byteLength < MANY_BYTES) return true;
    if (this.#byteLength < TOO_MANY_BYTES && this.#toldBytes >= TELLING_BYTES) return true;
    this.#toldBytes += byteLength;
    return false;
  }
}
