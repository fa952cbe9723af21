/** WASI's functions for guest processes: defined once, for whichever process calls. */

import type { Caller, HostDefinition } from "../vm/index.ts";
import { EffectHash } from "./functions/effect-hash.ts";
import { tracesItself } from "./functions/traced.ts";
import { type Process, processOf } from "./process.ts";
import type { Errno } from "./wasi/abi.ts";
import { callWasi, complete, memoryOf } from "./wasi/call.ts";
import type { Guest, GuestMemory, WasiFunction } from "./wasi/define.ts";
import { REISSUED_FUNCTIONS, WASI_FUNCTIONS, WASI_MODULE } from "./wasi/functions.ts";

/** What work outside of turns takes for a unit of its fuel. */
const LATE_NS_PER_FUEL = 20;

const definitions = new Map<string, HostDefinition>();

/** The function a guest imports under this name, if it is one of WASI's. */
export function wasiImport(module: string, name: string): HostDefinition | undefined {
  if (module !== WASI_MODULE) return undefined;
  const known = definitions.get(name);
  if (known !== undefined) return known;
  const fn = WASI_FUNCTIONS.get(name);
  if (fn === undefined) return undefined;
  const definition = tracesItself(hostDefinition(name, fn));
  definitions.set(name, definition);
  return definition;
}

function hostDefinition(name: string, fn: WasiFunction): HostDefinition {
  const fullName = `${WASI_MODULE}::${name}`;
  return {
    kind: "async",
    name: fullName,
    params: fn.params,
    results: fn.results,
    saved: REISSUED_FUNCTIONS.has(name) ? "reissue" : "opaque",
    call(caller, ...args: (number | bigint)[]) {
      const process = processOf(caller);
      if (process.runtime.trace !== null) return tracedCall(process, caller, fullName, fn, args);
      const guest = new WasiCall(process, caller, fullName, null);
      const answer = callWasi(process.wasi.state, fn, guest, args);
      return answer instanceof Promise ? complete(guest, answer) : answer;
    },
  };
}

/** A call as its function sees it: a class, since there are as many as processes that wait. */
class WasiCall implements Guest {
  readonly #process: Process;
  readonly #caller: Caller;
  readonly #name: string;
  readonly #effects: EffectHash | null;
  #memory: GuestMemory | null = null;

  constructor(process: Process, caller: Caller, name: string, effects: EffectHash | null) {
    this.#process = process;
    this.#caller = caller;
    this.#name = name;
    this.#effects = effects;
  }

  /** Looked for once, if the function needs any. */
  get memory(): GuestMemory {
    if (this.#memory === null) {
      const memory = memoryOf(this.#caller, this.#name);
      this.#memory = this.#effects === null ? memory : new TracedMemory(memory, this.#effects);
    }
    return this.#memory;
  }

  charge(fuel: number): void {
    this.#caller.chargeFuel(fuel);
  }

  chargeLate(fuel: number): void {
    this.#caller.chargeFuel(fuel);
    this.#process.chargeTime(fuel * LATE_NS_PER_FUEL);
  }

  chargeTime(nanoseconds: number): void {
    this.#process.chargeTime(nanoseconds);
  }

  giveWay(): void {
    this.#caller.giveWay();
  }
}

function tracedCall(
  process: Process,
  caller: Caller,
  name: string,
  fn: WasiFunction,
  args: readonly (number | bigint)[],
): Errno | Promise<Errno> {
  const effects = new EffectHash();
  const report = (errno: Errno): Errno => {
    // A late answer reaches nobody.
    if (process.hasEnded) return errno;
    effects.result(errno);
    process.hostCall.trace(name, effects);
    return errno;
  };
  const guest = new WasiCall(process, caller, name, effects);
  const answer = callWasi(process.wasi.state, fn, guest, args);
  return answer instanceof Promise ? complete(guest, answer).then(report) : report(answer);
}

/** Guest memory that remembers what was written to it. */
class TracedMemory implements GuestMemory {
  readonly effects: EffectHash;
  readonly #memory: GuestMemory;

  constructor(memory: GuestMemory, effects: EffectHash) {
    this.#memory = memory;
    this.effects = effects;
  }

  get byteLength(): number {
    return this.#memory.byteLength;
  }

  read(address: number, length: number): Uint8Array {
    return this.#memory.read(address, length);
  }

  write(address: number, bytes: Uint8Array): void {
    this.#memory.write(address, bytes);
    this.effects.write(address, bytes);
  }

  readU8(address: number): number {
    return this.#memory.readU8(address);
  }

  readU32(address: number): number {
    return this.#memory.readU32(address);
  }

  readU64(address: number): bigint {
    return this.#memory.readU64(address);
  }

  writeU8(address: number, value: number): void {
    this.#memory.writeU8(address, value);
    this.effects.word(address, BigInt(value));
  }

  writeU32(address: number, value: number): void {
    this.#memory.writeU32(address, value);
    this.effects.word(address, BigInt(value));
  }

  writeU64(address: number, value: bigint): void {
    this.#memory.writeU64(address, value);
    this.effects.word(address, value);
  }
}
