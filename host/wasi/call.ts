/** One call of a WASI function: arguments as they are meant, failures as an errno. */

import { type Caller, Memory, Trap } from "../../vm/index.ts";
import { Errno, errnoOf } from "./abi.ts";
import type { Completion, Guest, GuestMemory, WasiFunction } from "./define.ts";
import type { WasiState } from "./state.ts";

/** Fuel of each call, besides what it moves, and of one that fails, since an error is made. Whether it waits must not be seen. */
const CALL_FUEL = 20;
const FAILED_FUEL = 200;

/**
 * Errors with a POSIX `code` become the errno. Others, {@link ProcessExit} among them, are thrown
 * or rejected: they end the guest's run.
 */
export function callWasi(
  state: WasiState,
  definition: WasiFunction,
  guest: Guest,
  args: readonly (number | bigint)[],
): Errno | Promise<Completion> {
  guest.charge(CALL_FUEL);
  try {
    const answer = definition.call(state, guest, args.map(unsigned));
    if (!(answer instanceof Promise)) return answer;
    return answer.catch((error: unknown) => {
      const errno = toErrno(error);
      guest.chargeLate(FAILED_FUEL);
      return errno;
    });
  } catch (error) {
    const errno = toErrno(error);
    guest.charge(FAILED_FUEL);
    return errno;
  }
}

/** Throws a trap where the caller, which is called by `name`, exports none. Many functions need none. */
export function memoryOf({ instance }: Caller, name: string): GuestMemory {
  const memory = instance?.export("memory");
  if (memory instanceof Memory) return memory;
  throw new Trap("host function trapped", `${name}: the module exports no memory named \`memory\``);
}

/** The errno of a call that has waited, after its results are in memory. */
export async function complete(guest: Pick<Guest, "memory">, waiting: Promise<Completion>): Promise<Errno> {
  for (;;) {
    const completion = await waiting;
    if (typeof completion === "number") return completion;
    try {
      const answer = completion(guest.memory);
      if (typeof answer === "number") return answer;
      waiting = answer.catch(toErrno);
    } catch (error) {
      return toErrno(error);
    }
  }
}

function unsigned(arg: number | bigint): number | bigint {
  return typeof arg === "number" ? arg >>> 0 : arg;
}

function toErrno(error: unknown): Errno {
  const errno = errnoOf(error);
  if (errno === null) throw error;
  return errno;
}
