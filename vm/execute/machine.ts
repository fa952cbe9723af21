/**
 * The registers of one invocation: frames, position, fuel, and the views of the instance whose code
 * is running. The hot loop copies them into locals and writes them back when it leaves.
 */

import type { Memory } from "../runtime/memory.ts";
import type { Instance } from "../runtime/instance.ts";
import type { TableGrowth } from "../runtime/table.ts";
import type { Waiter } from "../runtime/waiters.ts";
import { INITIAL_FRAME_SLOTS } from "../limits.ts";
import { ModuleCode } from "../lower/code.ts";
import { FramePool, newFrames } from "./frames.ts";
import type { RunState } from "./run-state.ts";

/** Why the hot loop came back to its driver. */
export const enum Exit {
  /** The entry frame returned. */
  Halted,
  /** At a safe point without fuel, or before an instruction in exact code. */
  Paused,
  /** In the middle of a bulk operation; the same position goes on with it. */
  PausedInside,
  /** `callee` has no code yet; the same position tries again. */
  NeedsCode,
  /** The next frame does not fit; the same position tries again. */
  NeedsFrames,
  /** `callee` (an index of this instance) is imported; its arguments start at `argsAt`. */
  CallImport,
  /** `callee` is the address of a function of another instance or of the host. */
  CallAddress,
  TrapUnreachable,
  TrapOutOfBounds,
  TrapDivideByZero,
  TrapOverflow,
  TrapUndefinedElement,
  TrapInvalidConversion,
  TrapNullStructure,
  TrapNullArray,
  TrapArrayBounds,
  /** An allocation waits for a collection; the same position tries again. */
  NeedsCollection,
  /** The invocation waits at an address of a shared memory; the same position goes on. */
  AtomicWait,
  /** `exception` is thrown; the position is that of the instruction. */
  Throw,
  /** `call_indirect` or `call_ref` could not take the short way; the driver finds out why. */
  IndirectSlow,
  /** A direct host function was called, and has to wait, failed, or ends the turn: the driver does the rest. */
  HostCalled,
  /** What the loop has in its locals has changed; the same position goes on. */
  Reenter,
}

/** The frames as lanes of 8 and 16 bits: for vectors only. */
class Lanes {
  readonly i8: Int8Array;
  readonly u8: Uint8Array;
  readonly i16: Int16Array;
  readonly u16: Uint16Array;

  constructor({ buffer, byteOffset, byteLength }: Int32Array) {
    this.i8 = new Int8Array(buffer, byteOffset, byteLength);
    this.u8 = new Uint8Array(buffer, byteOffset, byteLength);
    this.i16 = new Int16Array(buffer, byteOffset, byteLength / 2);
    this.u16 = new Uint16Array(buffer, byteOffset, byteLength / 2);
  }
}

const pool = new FramePool();
const NO_FRAMES = newFrames(0);

export class Machine {
  /** One buffer under three views: slots of 8 bytes, addressed by word. */
  words: Int32Array;
  doubles: Float64Array;
  floats: Float32Array;
  #lanes: Lanes | null = null;
  /** Words a frame may reach up to. */
  limitWords: number;

  pc = 0;
  fp = 0;
  /** Remaining fuel plus the position's P. */
  fuel = 0;
  /** P at `pc`, valid while the loop is left at a pause. */
  position = 0;

  callee = 0;
  argsAt = 0;
  /** Whether callees run in exact code, and instruction boundaries are places to stop. */
  isExact = false;
  /** The operation at `pc` is growth that was paused after a part of its price was paid. */
  isInsideBulk = false;
  /** The memory whose growth is paused. */
  growing: Memory | null = null;
  /** What is prepared of a table that it grows, likewise. */
  tableGrowth: TableGrowth | null = null;
  /** The array that the paused operation at `pc` makes, and how many of its elements are set. 0: none. */
  object = 0;
  progress = 0;
  /** What is thrown and has not landed. 0: nothing. */
  exception = 0;
  /** The allocation at `pc` has had its collection. */
  hasCollected = false;
  /** The atomic wait at `pc` that is under way, or over and not yet answered. */
  waiter: Waiter | null = null;

  /** The run whose machine it is: it calls imports for the hot loop. */
  run: RunState | null = null;
  instance: Instance | null = null;
  module: ModuleCode = NO_CODE;
  entries: Int32Array = NO_CODE.entries;

  constructor(slots: number) {
    const { words, doubles, floats } = slots === INITIAL_FRAME_SLOTS ? pool.take() : newFrames(slots);
    this.words = words;
    this.doubles = doubles;
    this.floats = floats;
    this.limitWords = slots * 2;
  }

  /** Gives the frames to whoever begins next. Nothing runs on this machine any more. */
  retire(): void {
    this.dropGrowth();
    pool.give(this);
    this.words = NO_FRAMES.words;
    this.doubles = NO_FRAMES.doubles;
    this.floats = NO_FRAMES.floats;
    this.#lanes = null;
    this.limitWords = 0;
  }

  /** Forgets what is prepared of a table's growth: it is done, refused or not to be. */
  dropGrowth(): void {
    this.tableGrowth?.drop();
    this.tableGrowth = null;
  }

  /** Moves the frames to a larger buffer. Nothing in them is absolute. */
  growTo(slots: number): void {
    const { words, doubles, floats } = newFrames(slots);
    words.set(this.words);
    pool.give(this);
    this.words = words;
    this.#lanes = null;
    this.doubles = doubles;
    this.floats = floats;
    this.limitWords = slots * 2;
  }

  /** Views of the frames that are made when the first instruction needs them. */
  get lanes(): Lanes {
    this.#lanes ??= new Lanes(this.words);
    return this.#lanes;
  }

  /** Makes `instance` the one whose code, globals, table and memory the loop uses. */
  enter(instance: Instance): void {
    this.instance = instance;
    this.module = instance.code;
    this.entries = this.isExact ? instance.code.exactEntries : instance.code.entries;
  }
}

const NO_CODE = new ModuleCode(0);
