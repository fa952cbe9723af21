/**
 * The directories that a path is walked through. Only the last few are open, and counted as long
 * as they are: who comes back further is led there again from the beginning, by the same names and
 * without following links. Every step is bounded, paid for, and gives way now and then.
 */

import type { Directory } from "../system.ts";
import { fuelOfOperation, SystemError } from "../system.ts";
import type { Guest } from "./define.ts";
import type { DirectoryDescriptor } from "./descriptors.ts";
import { laterTurn } from "../give-way.ts";
import type { WasiState } from "./state.ts";

/** Steps of one path: components, those of links too, and directories that are opened again. */
export const MAX_STEPS = 512;
/** Directories that a walk keeps open for "..". */
const MAX_OPEN = 4;
/** Steps before the first time that it gives way, which no usual path comes to, and between others. */
const FIRST_STEPS = 16;
const MORE_STEPS = 64;

/** By how many links have led there. */
export function tooManySteps(links: number): SystemError {
  return new SystemError(links > 0 ? "ELOOP" : "ENAMETOOLONG");
}

/** Whose call it is. */
export interface Call {
  readonly state: WasiState;
  readonly guest: Guest;
}

export class Walk {
  readonly #call: Call;
  readonly #base: DirectoryDescriptor;
  /** The way from the base to where it stands. */
  readonly #names: string[] = [];
  /** The directories of the last of them: of all, or at least of one. */
  readonly #open: Directory[] = [];
  #steps = 0;
  #untilTurn = FIRST_STEPS;

  constructor(call: Call, base: DirectoryDescriptor) {
    this.#call = call;
    this.#base = base;
  }

  get current(): Directory {
    return this.#open.at(-1) ?? this.#base.directory;
  }

  /**
   * Begins a step. Rejects with EBADF once the base is closed, and with ENAMETOOLONG, or with ELOOP if links have led here,
   * when there are too many.
   */
  async step(links = 0): Promise<void> {
    if (++this.#steps > MAX_STEPS) throw tooManySteps(links);
    if (--this.#untilTurn === 0) {
      this.#untilTurn = MORE_STEPS;
      await laterTurn();
    }
    if (this.#base.isClosed) throw new SystemError("EBADF");
  }

  /** Pays for an operation on the directory where it stands. */
  charge(): void {
    this.#call.guest.chargeLate(fuelOfOperation(this.current));
  }

  /** Goes into the directory `name`. Rejects as `Directory.open` does, and stays where it is. */
  async enter(name: string): Promise<void> {
    await this.#reserve();
    let next: Awaited<ReturnType<Directory["open"]>>;
    try {
      this.charge();
      next = await this.current.open(name, { read: true, write: false, directory: true });
    } catch (error) {
      this.#call.state.descriptors.letGo();
      throw error;
    }
    if (next.kind !== "directory") {
      await next.close().finally(() => this.#call.state.descriptors.letGo());
      throw new SystemError("ENOTDIR");
    }
    this.#names.push(name);
    this.#open.push(next);
    if (this.#open.length > MAX_OPEN) await this.#close(this.#open.shift()!);
  }

  /** Goes back to the directory that it came from. Rejects with EPERM at the base. */
  async leave(links: number): Promise<void> {
    const left = this.#open.pop();
    if (left === undefined) throw new SystemError("EPERM");
    await this.#close(left);
    this.#names.pop();
    if (this.#open.length > 0) return;
    for (const name of this.#names.splice(0)) {
      await this.step(links);
      await this.enter(name);
    }
  }

  /** Closes the directories that it has opened. Never rejects. */
  async release(): Promise<void> {
    await Promise.allSettled(this.#open.splice(0).map((directory) => this.#close(directory)));
  }

  /** Counts a directory before it is opened. Where there is no room for another, those behind are given up. */
  async #reserve(): Promise<void> {
    const { descriptors } = this.#call.state;
    while (!descriptors.hold()) {
      if (this.#open.length < 2) throw new SystemError("ENFILE");
      await this.#close(this.#open.shift()!);
    }
  }

  async #close(directory: Directory): Promise<void> {
    try {
      await directory.close();
    } finally {
      this.#call.state.descriptors.letGo();
    }
  }
}
