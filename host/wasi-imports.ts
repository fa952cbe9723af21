/** WASI's functions for guest processes: defined once, for whichever process calls. */

import type { HostDefinition } from "../vm/index.ts";
import { processOf } from "./process.ts";
import { callWasi, complete } from "./wasi/call.ts";
import type { WasiFunction } from "./wasi/define.ts";
import { WASI_FUNCTIONS, WASI_MODULE } from "./wasi/functions.ts";

const definitions = new Map<string, HostDefinition>();

/** The function a guest imports under this name, if it is one of WASI's. */
export function wasiImport(module: string, name: string): HostDefinition | undefined {
  if (module !== WASI_MODULE) return undefined;
  const known = definitions.get(name);
  if (known !== undefined) return known;
  const fn = WASI_FUNCTIONS.get(name);
  if (fn === undefined) return undefined;
  const definition = hostDefinition(name, fn);
  definitions.set(name, definition);
  return definition;
}

function hostDefinition(name: string, fn: WasiFunction): HostDefinition {
  return {
    kind: "async",
    name: `${WASI_MODULE}::${name}`,
    params: fn.params,
    results: fn.results,
    call(caller, ...args: (number | bigint)[]) {
      const memory = caller.memory();
      const guest = { memory, charge: (fuel: number) => caller.chargeFuel(fuel) };
      const answer = callWasi(processOf(caller).wasi, fn, guest, args);
      return answer instanceof Promise ? complete(memory, answer) : answer;
    },
  };
}
