/** `lunatic::process::compile_module` and `drop_module`: modules that a guest compiles for its children. */

import { Compilation, continueWith, type Accountant } from "../../vm/index.ts";
import { checkShape } from "../module-shape.ts";
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

interface Work {
  readonly startedMs: number;
  /** Where the module lies in the guest's memory. */
  readonly address: number;
  readonly bytes: Uint8Array;
  copied: number;
  /** Null until all bytes are copied. */
  compilation: Compilation | null;
}

/** What processes are compiling. It goes with its process. */
const working = new WeakMap<Process, Work>();

export function isCompiling(process: Process): boolean {
  return working.has(process);
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
      if (!process.reserveBytes(length)) return guest.fail(idAddress, "no memory to compile the module");
      guest.chargeBytes(length);
      const startedMs = process.runtime.executor.nowMs();
      const bytes = new Uint8Array(length);
      working.set(process, { startedMs, address, bytes, copied: 0, compilation: null });
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
  const { process } = guest;
  const work = working.get(process);
  if (work === undefined) throw guest.trap("nothing is being compiled");
  guest.charge(STEP_FUEL);
  try {
    if (!copyOrCompile(guest, work)) return continueWith("step", idAddress);
  } catch (error) {
    endWork(process, work);
    return guest.fail(idAddress, error);
  }
  endWork(process, work);
  process.runtime.counts.compiled(process.runtime.executor.nowMs() - work.startedMs);
  return finish(guest, work.compilation!, idAddress);
}

/** True when the module is compiled. Throws `CompileError`. */
function copyOrCompile({ memory, process }: Guest, work: Work): boolean {
  if (work.compilation !== null) return work.compilation.step();
  const { address, bytes, copied } = work;
  const count = Math.min(COPY_BYTES, bytes.length - copied);
  bytes.set(memory.read(address + copied, count), copied);
  work.copied += count;
  if (work.copied === bytes.length) {
    const { engine } = process.module;
    work.compilation = new Compilation(bytes, { engine, accountant: accountantOf(process), check: checkShape });
  }
  return false;
}

/** Whoever has a module compiled pays for the work, until a group pays for the module. */
function accountantOf(process: Process): Accountant {
  return {
    reserve: (_, byteLength) => process.reserveBytes(byteLength),
    release: (_, byteLength) => process.releaseBytes(byteLength),
  };
}

function endWork(process: Process, { bytes }: Work): void {
  working.delete(process);
  process.releaseBytes(bytes.length);
}

function finish(guest: Guest, { module }: Compilation, idAddress: number): Result {
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
