/**
 * Who saves a process: all that want to look at its pauses, and one of them at a time holds it, or saves it for hibernation as
 * long as it waits.
 */

import type { BasicProcess } from "./basic-process.ts";

export class ProcessSaving {
  readonly #process: BasicProcess & { wakeUp(): void };
  #looks: (() => boolean)[] | null = null;
  /** Whether it gets no turn while it is being saved. */
  isStandingStill = false;
  /** Gives up the saving for hibernation that is under way. */
  #giveUpFreezing: (() => void) | null = null;

  constructor(process: BasicProcess & { wakeUp(): void }) {
    this.#process = process;
  }

  /** Whether somebody saves it in steps: nobody else may save it or take its store. */
  get isHeld(): boolean {
    return this.isStandingStill || this.#giveUpFreezing !== null;
  }

  /** Calls `look` at the end of every turn, and of every saving, until it returns true; it is called for the last time when the process has ended. */
  atPause(look: () => boolean): void {
    (this.#looks ??= []).push(look);
  }

  /** It is between its turns. */
  tellPause(): void {
    const looks = this.#looks;
    if (looks === null) return;
    this.#looks = null;
    const left = looks.filter((look) => !look() && !this.#process.hasEnded);
    if (left.length > 0) this.#looks = [...left, ...(this.#looks ?? [])];
  }

  /** Its store is saved in steps until it goes on or ends: then `giveUp` is called. */
  beginFreezing(giveUp: () => void): void {
    this.#giveUpFreezing = giveUp;
  }

  /** Those who want to save it have their look now. */
  endFreezing(): void {
    this.#giveUpFreezing = null;
    this.tellPause();
    if (this.#looks !== null) this.#process.wakeUp();
  }

  /** The process goes on, or ends. */
  stopFreezing(): void {
    const giveUp = this.#giveUpFreezing;
    this.#giveUpFreezing = null;
    giveUp?.();
  }

  /** It gets no turn while it is being saved, but for its end. Whoever holds it is the only one. */
  hold(): void {
    this.isStandingStill = true;
    this.#process.runtime.scheduler.suspend(this.#process);
  }

  /** Those who want to save it have their look now; the first of them may hold it again. */
  unhold(): void {
    this.isStandingStill = false;
    this.tellPause();
    if (this.isStandingStill) return;
    const process = this.#process;
    if (!process.isPaused) process.runtime.scheduler.release(process);
    if (this.#looks !== null) process.wakeUp();
  }

  /** The process ends. */
  close(): void {
    this.stopFreezing();
    this.tellPause();
  }
}
