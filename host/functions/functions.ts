/** Every function that guests may import besides WASI's, and how an import finds its own. */

import type { ExternDescriptor } from "../../vm/index.ts";
import { MODULE_FUNCTIONS } from "./compile.ts";
import { CONFIG_FUNCTIONS, NARROWING_FUNCTIONS, WASI_CONFIG_FUNCTIONS } from "./config.ts";
import type { HostFunction } from "./define.ts";
import { DISTRIBUTED_FUNCTIONS } from "./distributed.ts";
import { ERROR_FUNCTIONS } from "./error.ts";
import { MESSAGE_FUNCTIONS } from "./message.ts";
import { METRICS_FUNCTIONS } from "./metrics.ts";
import { PROCESS_FUNCTIONS } from "./process.ts";
import { REGISTRY_FUNCTIONS } from "./registry.ts";
import { SPAWN_FUNCTIONS } from "./spawn.ts";
import { TIMER_FUNCTIONS } from "./timer.ts";
import { TRAP_FUNCTIONS } from "./trap.ts";
import { VERSION_FUNCTIONS } from "./version.ts";

/** In the order of the documentation. */
export const HOST_FUNCTIONS: readonly HostFunction[] = [
  MESSAGE_FUNCTIONS,
  TIMER_FUNCTIONS,
  MODULE_FUNCTIONS,
  CONFIG_FUNCTIONS,
  SPAWN_FUNCTIONS,
  PROCESS_FUNCTIONS,
  WASI_CONFIG_FUNCTIONS,
  REGISTRY_FUNCTIONS,
  TRAP_FUNCTIONS,
  ERROR_FUNCTIONS,
  METRICS_FUNCTIONS,
  VERSION_FUNCTIONS,
  DISTRIBUTED_FUNCTIONS,
  NARROWING_FUNCTIONS,
].flat();

/** By full name; more than one where older guests import another type. */
const BY_NAME = new Map<string, HostFunction[]>();
for (const fn of HOST_FUNCTIONS) {
  const known = BY_NAME.get(fn.fullName);
  if (known === undefined) BY_NAME.set(fn.fullName, [fn]);
  else known.push(fn);
}

/**
 * The function an import means, chosen by its type where there are several. One of another type is
 * returned as it is: linking then tells what is wrong with it. Undefined when there is none.
 */
export function findFunction(namespace: string, name: string, type: ExternDescriptor): HostFunction | undefined {
  const candidates = BY_NAME.get(`${namespace}::${name}`);
  return candidates?.find((fn) => fits(fn, type)) ?? candidates?.[0];
}

function fits({ params, results }: Pick<HostFunction, "params" | "results">, type: ExternDescriptor): boolean {
  return type.kind === "func" && equal(params, type.params) && equal(results, type.results);
}

function equal(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i]);
}
