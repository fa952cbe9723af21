/** `lunatic::process::compile_module` and `drop_module`: modules that a guest compiles for its children. */

import {
  type Accountant,
  type BufferViews,
  Compilation,
  type CompiledModule,
  continueWith,
  type Memory,
} from "../../vm/index.ts";
import { linkSteps } from "../link-plans.ts";
import { borrowBuffer, MAX_LENT_BYTES, MIN_LENT_BYTES, newBuffer, returnBuffer } from "../lent-buffers.ts";
import { checkCount } from "../module-shape.ts";
import { ModuleHandle } from "../modules.ts";
import type { Process } from "../process.ts";
import type { HostFunction, Result } from "./define.ts";
import { functionsOf } from "./define.ts";
import type { Guest } from "./guest.ts";

const define = functionsOf("lunatic::process");

/** Fuel of one step of compiling, which takes below a millisecond. */
const STEP_FUEL = 50_000;

/** Bytes of the module that one step takes over from the guest. */
const COPY_BYTES = 262_144;

/**
 * What a byte of a new buffer costs besides what is done with it: for every 64 MiB of them V8 looks through its whole heap, in parts
 * for which everybody waits. It is about what compiling a byte takes.
 */
const BUFFER_NS_PER_BYTE = 20;

/** The same of a byte of items: V8 moves them twice, while nobody runs, before they are where it does not. */
const ITEM_NS_PER_BYTE = 10;

/** A module that is being compiled for a process, which pays for its bytes and all that is made of them. */
class Compiling {
  /** When it is compiled. */
  module: CompiledModule | null = null;
  #linkSteps = 0;
  readonly #startedMs: number;
  readonly #process: Process;
  /** Where the module lies in the guest's memory. */
  readonly #address: number;
  readonly #byteLength: number;
  readonly #buffer: BufferViews;
  #copied = 0;
  /** Null until all bytes are copied. */
  #compilation: Compilation | null = null;

  private constructor(process: Process, address: number, byteLength: number, buffer: BufferViews) {
    this.#startedMs = process.runtime.executor.nowMs();
    this.#process = process;
    this.#address = address;
    this.#byteLength = byteLength;
    this.#buffer = buffer;
  }

  /** Null when the process or the host has no memory for so many bytes. */
  static begin(process: Process, address: number, byteLength: number): Compiling | null {
    if (!process.memory.reserveBytes(byteLength)) return null;
    const buffer = isLent(byteLength) ? borrowBuffer(byteLength) : newBuffer(byteLength);
    if (buffer === null) {
      process.memory.releaseBytes(byteLength);
      return null;
    }
    if (!isLent(byteLength)) process.chargeTime(byteLength * BUFFER_NS_PER_BYTE);
    return new Compiling(process, address, byteLength, buffer);
  }

  /** Throws `CompileError`. */
  step(memory: Memory): void {
    const byteLength = this.#byteLength;
    if (this.#compilation !== null) {
      if (!this.#compilation.step()) return;
      if (isLent(byteLength)) this.#process.chargeTime(byteLength * BUFFER_NS_PER_BYTE);
      this.module = this.#compilation.module;
      this.#linkSteps = linkSteps(this.module, this.#process.config);
      const { counts, executor } = this.#process.runtime;
      counts.compiled(executor.nowMs() - this.#startedMs);
      return;
    }
    const count = Math.min(COPY_BYTES, byteLength - this.#copied);
    memory.readInto(this.#address + this.#copied, this.#buffer, this.#copied, count);
    this.#copied += count;
    if (this.#copied === byteLength) {
      const { engine } = this.#process.module;
      const accountant = accountantOf(this.#process);
      const bytes = this.#buffer.bytes.subarray(0, byteLength);
      this.#compilation = new Compilation(bytes, { engine, accountant, checkCount, isLent: isLent(byteLength) });
    }
  }

  /**
   * Looks for some of its imports; true when that is done. There are as many steps whether somebody has looked for them before or
   * not: fuel does not depend on it.
   */
  link(module: CompiledModule): boolean {
    if (this.#linkSteps === 0) return true;
    this.#linkSteps--;
    try {
      this.#process.runtime.planStep(module, this.#process.config);
    } catch {
      // Told when the plan is used.
    }
    return false;
  }

  /** Gives back what it has; the module, if there is one, is to be paid for by whoever keeps it. */
  end(): void {
    this.#process.chargeTime((this.#compilation?.itemBytes ?? 0) * ITEM_NS_PER_BYTE);
    this.#compilation?.release();
    if (isLent(this.#byteLength)) returnBuffer(this.#buffer);
    this.#process.memory.releaseBytes(this.#byteLength);
  }
}

/** Whether a module is copied to a buffer that is used again, and a second time if it turns out to be one. */
function isLent(byteLength: number): boolean {
  return byteLength >= MIN_LENT_BYTES && byteLength <= MAX_LENT_BYTES;
}

export function isCompiling({ unfinished }: Process): boolean {
  return unfinished instanceof Compiling;
}

export const MODULE_FUNCTIONS: readonly HostFunction[] = [
  define(
    "compile_module",
    ["data_ptr: bytes", "data_len: length", "id_ptr: out"],
    {
      result: "i32",
      fuel: 1_000,
      fuelNote: `${STEP_FUEL} for about every 1,000 bytes`,
      codes: {
        0: "the module's ID is written",
        1: "an error's ID is written",
        [-1]: "not permitted, nothing is written",
      },
      doc: "Compiles a WebAssembly binary. Fails for an import that does not exist or has another type. Others run meanwhile.",
      continuations: { step: (guest, state) => step(guest, Number(state) >>> 0) },
    },
    (guest, address, length, idAddress) => {
      const { process } = guest;
      if (!process.config.canCompileModules) return -1;
      guest.checkRange(address, length);
      const work = Compiling.begin(process, address, length);
      if (work === null) return guest.fail(idAddress, "no memory to compile the module");
      guest.chargeBytes(length);
      process.unfinished = work;
      return continueWith("step", idAddress);
    },
  ),
  define(
    "drop_module",
    ["module_id: resource"],
    { doc: "Frees the ID; processes that run the module keep it." },
    (guest, id) => {
      if (!guest.process.resources.modules.drop(id)) throw guest.trap(`there is no module ${id}`);
    },
  ),
];

function step(guest: Guest, idAddress: number): Result {
  const { process, memory } = guest;
  const work = process.unfinished;
  if (!(work instanceof Compiling)) throw guest.trap("nothing is being compiled");
  const { module } = work;
  if (module !== null && work.link(module)) {
    endWork(process);
    return finish(guest, module, idAddress);
  }
  if (module === null) {
    guest.charge(STEP_FUEL);
    try {
      work.step(memory);
    } catch (error) {
      endWork(process);
      return guest.fail(idAddress, error);
    }
  }
  return continueWith("step", idAddress);
}

function endWork(process: Process): void {
  process.unfinished?.end();
  process.unfinished = null;
}

/** Whoever has a module compiled pays for the work, until a group pays for the module. */
function accountantOf(process: Process): Accountant {
  return {
    reserve: (_, byteLength) => process.memory.reserveBytes(byteLength),
    release: (_, byteLength) => process.memory.releaseBytes(byteLength),
  };
}

function finish(guest: Guest, module: CompiledModule, idAddress: number): Result {
  const { process } = guest;
  try {
    process.runtime.planOf(module, process.config);
  } catch (error) {
    return guest.fail(idAddress, error);
  }
  const handle = ModuleHandle.open(module, process.group);
  if (handle === null) return guest.fail(idAddress, "no memory to keep the module");
  const id = process.resources.modules.add(handle);
  if (id === null) {
    handle.close();
    return guest.fail(idAddress, "too many modules");
  }
  guest.writeU64(idAddress, id);
  return 0;
}
