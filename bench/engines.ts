/** The engines under comparison behind one shape: a module's `run(n)`. */

import { WebAssembly as Polywasm } from "polywasm";
import type * as Vm from "../vm/index.ts";
import * as vm from "../vm/index.ts";

/** Calls the export `run` of an instance made for it alone. */
export type Run = (n: number) => number;

export function nativeRun(bytes: Uint8Array): Run {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), {});
  return exports["run"] as Run;
}

export function polywasmRun(bytes: Uint8Array): Run {
  const { exports } = new Polywasm.Instance(new Polywasm.Module(bytes), {});
  return exports["run"] as Run;
}

export interface OwnRun {
  /** The export `run`. */
  readonly run: Run;
  /** Fuel of the latest run. */
  fuelUsed(): number;
  /** How often the latest run paused. */
  pauses(): number;
}

/** As much as one turn may get: no kernel uses it up. */
export const UNLIMITED = 2 ** 30;

/** Our engine, in turns of `slice` fuel. `engine` is this build of vm or an altered copy of it. */
export function ownRun(bytes: Uint8Array, slice = UNLIMITED, engine: typeof Vm = vm): OwnRun {
  const store = new engine.Store({});
  const instance = store.instantiateSync(engine.compileSync(bytes), {});
  let fuelUsed = 0;
  let pauses = 0;
  const run = (n: number): number => {
    const invocation = instance.invoke("run", [n]);
    pauses = 0;
    for (;;) {
      const outcome = invocation.run({ fuel: slice });
      fuelUsed = outcome.fuelUsed;
      if (outcome.kind === "returned") return outcome.values[0] as number;
      if (outcome.kind !== "yielded") throw new Error(`a kernel cannot be ${outcome.kind}`);
      pauses++;
    }
  };
  return { run, fuelUsed: () => fuelUsed, pauses: () => pauses };
}
