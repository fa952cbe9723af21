/** WASI preview 1 for one guest: what it imports, and its end. */

import { type HostDefinition, SnapshotError } from "../../vm/index.ts";
import { checkWasi } from "../options.ts";
import { callWasi, complete, memoryOf } from "./call.ts";
import type { GuestMemory, WasiFunction } from "./define.ts";
import { REISSUED_FUNCTIONS, WASI_FUNCTIONS, WASI_MODULE } from "./functions.ts";
import type { WasiOptions } from "./state.ts";
import { WasiState } from "./state.ts";

/**
 * The imports of one guest. It reaches nothing but the streams, clocks, randomness and directories
 * it is given here. Calls that have to wait suspend the guest: run it by promises or resumable
 * invocations. `proc_exit` ends the run with a {@link ProcessExit} error.
 */
export class Wasi {
  /** To be passed when the guest is instantiated. It must export its memory as "memory". */
  readonly imports: Readonly<Record<typeof WASI_MODULE, Readonly<Record<string, HostDefinition>>>>;
  readonly #state: WasiState;

  /** Throws a RangeError for an argument or variable with a zero byte, and as all do that take options. */
  constructor(options: WasiOptions) {
    checkWasi(options);
    this.#state = new WasiState(options);
    const functions = [...WASI_FUNCTIONS].map(([name, definition]) => [
      name,
      hostFunction(this.#state, name, definition),
    ]);
    this.imports = { [WASI_MODULE]: Object.fromEntries(functions) };
  }

  /**
   * The names of the preopened directories, if nothing else is open but them and the standard streams: whoever is given
   * the same can go on in this guest's place. Throws `SnapshotError` that names what else there is.
   */
  preopenNames(): string[] {
    const names: string[] = [];
    let next = 0;
    for (const [fd, descriptor] of this.#state.descriptors.entries()) {
      if (fd !== next++) throw new SnapshotError("unsavable", `descriptor ${next - 1} was closed`);
      if (fd < STREAMS.length) {
        if (descriptor.kind !== STREAMS[fd]) throw new SnapshotError("unsavable", `descriptor ${fd} is another one`);
      } else if (descriptor.kind === "directory" && descriptor.preopenName !== null && descriptor.listing === null) {
        names.push(descriptor.preopenName);
      } else throw new SnapshotError("unsavable", `descriptor ${fd} is an open ${descriptor.kind}`);
    }
    if (next < STREAMS.length) throw new SnapshotError("unsavable", `descriptor ${next} was closed`);
    return names;
  }

  /** While the guest waits in `poll_oneoff`: what remains of each relative time, in nanoseconds; null otherwise. */
  get remainingTimes(): readonly bigint[] | null {
    return this.#state.remainingTimes?.() ?? null;
  }

  /** The call of `poll_oneoff` that is made again after a restore waits for what remains. */
  resumeTimes(times: readonly bigint[]): void {
    this.#state.resumedTimes = times;
  }

  /** Ends what the guest waits for and closes its files; the standard streams stay open, and pass on what they keep of it. Never rejects. */
  async dispose(): Promise<void> {
    await this.#state.dispose();
  }
}

const STREAMS = ["input", "output", "output"];

function hostFunction(state: WasiState, name: string, definition: WasiFunction): HostDefinition {
  const { params, results } = definition;
  const fullName = `${WASI_MODULE}::${name}`;
  return {
    kind: "async",
    params,
    results,
    name,
    saved: REISSUED_FUNCTIONS.has(name) ? "reissue" : "opaque",
    call(caller, ...args: (number | bigint)[]) {
      let memory: GuestMemory | null = null;
      const guest = {
        get memory() {
          return (memory ??= memoryOf(caller, fullName));
        },
        charge: (fuel: number) => caller.chargeFuel(fuel),
        chargeLate: (fuel: number) => caller.chargeFuel(fuel),
        // It shares time with nobody.
        chargeTime: () => {},
        giveWay: () => caller.giveWay(),
      };
      const answer = callWasi(state, definition, guest, args);
      return answer instanceof Promise ? complete(guest, answer) : answer;
    },
  };
}
