/**
 * How a WASI function is written down: its WebAssembly type and its meaning, once. The engine is
 * seen here only through what a function needs of its caller; import.ts makes the connection.
 */

import type { Errno } from "./abi.ts";
import { fuelOfOperation } from "../system.ts";
import type { Descriptor } from "./descriptors.ts";
import type { WasiState } from "./state.ts";

/** The caller's linear memory. Addresses are unsigned, every access is checked, and bytes go in and out as copies. */
export interface GuestMemory {
  readonly byteLength: number;
  read(address: number, length: number): Uint8Array;
  write(address: number, bytes: Uint8Array): void;
  readU8(address: number): number;
  readU32(address: number): number;
  readU64(address: number): bigint;
  writeU8(address: number, value: number): void;
  writeU32(address: number, value: number): void;
  writeU64(address: number, value: bigint): void;
}

/**
 * Who calls. Only for the synchronous part of a function, but for {@link Guest.chargeLate} and {@link Guest.chargeTime}: what
 * comes later is a {@link Completion}.
 */
export interface Guest {
  readonly memory: GuestMemory;
  /** Adds to the fuel that the call costs. */
  charge(fuel: number): void;
  /** As {@link charge}, for work that is done in promises, outside of the guest's turns: at any time until the answer. */
  chargeLate(fuel: number): void;
  /** The same for work whose fuel is paid already: nanoseconds of its process's share of time. */
  chargeTime(nanoseconds: number): void;
  /** Lets others have their turn when the call is done. */
  giveWay(): void;
}

/** What is left to do in guest memory after waiting. It may come to have to wait again. */
export type Completion = Errno | ((memory: GuestMemory) => Answer);

/** A promise suspends the guest. Errors with a POSIX `code`, thrown or rejected, become the errno. */
export type Answer = Errno | Promise<Completion>;

export type WasiValType = "i32" | "i64";

/** An i32 arrives unsigned, an i64 signed. */
type Args<Params extends readonly WasiValType[]> = {
  -readonly [K in keyof Params]: Params[K] extends "i64" ? bigint : number;
};

export interface WasiFunction {
  readonly params: readonly WasiValType[];
  readonly results: readonly WasiValType[];
  /** Whether the call may suspend the guest. */
  readonly waits: boolean;
  call(state: WasiState, guest: Guest, args: readonly (number | bigint)[]): Answer;
}

/** A function that answers with an errno at once. */
export function define<const Params extends readonly WasiValType[]>(
  params: Params,
  call: (state: WasiState, guest: Guest, ...args: Args<Params>) => Errno,
): WasiFunction {
  return functionOf(params, ["i32"], false, call);
}

/** A function that may have to wait for its errno. */
export function defineWaiting<const Params extends readonly WasiValType[]>(
  params: Params,
  call: (state: WasiState, guest: Guest, ...args: Args<Params>) => Answer,
): WasiFunction {
  return functionOf(params, ["i32"], true, call);
}

/** A function that does not return. */
export function defineEnd<const Params extends readonly WasiValType[]>(
  params: Params,
  call: (state: WasiState, guest: Guest, ...args: Args<Params>) => never,
): WasiFunction {
  return functionOf(params, [], false, call);
}

function functionOf<Params extends readonly WasiValType[]>(
  params: Params,
  results: readonly WasiValType[],
  waits: boolean,
  call: (state: WasiState, guest: Guest, ...args: Args<Params>) => Answer,
): WasiFunction {
  return { params, results, waits, call: (state, guest, args) => call(state, guest, ...(args as Args<Params>)) };
}

/** The guest gave an address outside its memory. */
export class GuestFault extends Error {
  override readonly name = "GuestFault";
  readonly code = "EFAULT";
}

/** Called for results before anything happens, so that a bad address has no effect. */
export function checkRange(memory: GuestMemory, address: number, byteLength: number): void {
  if (address + byteLength > memory.byteLength) throw new GuestFault();
}

/** Pays for an operation on what a descriptor holds; streams have none. */
export function chargeOperation(guest: Guest, descriptor: Descriptor): void {
  if (descriptor.kind === "file") guest.chargeLate(fuelOfOperation(descriptor.file));
  else if (descriptor.kind === "directory") guest.chargeLate(fuelOfOperation(descriptor.directory));
}

/** Fuel for bytes that the host moves for the guest: the engine's price of `memory.copy`. */
export function fuelOfBytes(byteLength: number): number {
  return Math.ceil(byteLength / 64);
}
