/** When a step of saving or restoring is long enough: after work as for a megabyte, of many small parts as of large ones. */

import { STEP_BYTES } from "./output.ts";

/** What a part costs beside its bytes: a memory, a table, a segment, an owner, a frame. */
export const PART_BYTES = 512;

/** What it costs to look at a reference. */
export const NOTE_BYTES = 16;

export class Pace {
  #spent = 0;

  add(byteLength: number): void {
    this.#spent += byteLength;
  }

  /** Whether a step ends with so many bytes more; then another one begins. */
  isOver(byteLength = 0): boolean {
    this.#spent += byteLength;
    if (this.#spent < STEP_BYTES) return false;
    this.#spent = 0;
    return true;
  }
}
