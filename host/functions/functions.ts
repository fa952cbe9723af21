/** Every function that guests may import besides WASI's, and how an import finds its own. */

import type { CompiledModule, ExternDescriptor } from "../../vm/index.ts";
import { WASI_FUNCTIONS, WASI_MODULE } from "../wasi/functions.ts";
import type { HostFunction } from "./define.ts";
import { DISTRIBUTED_FUNCTIONS } from "./distributed.ts";
import { ERROR_FUNCTIONS } from "./error.ts";
import { METRICS_FUNCTIONS } from "./metrics.ts";
import { VERSION_FUNCTIONS } from "./version.ts";

/** In the order of the documentation. */
export const HOST_FUNCTIONS: readonly HostFunction[] = [
  ERROR_FUNCTIONS,
  VERSION_FUNCTIONS,
  METRICS_FUNCTIONS,
  DISTRIBUTED_FUNCTIONS,
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

/**
 * The first import that no function fits, in words, or null: what makes `compile_module` fail.
 * `isProvided` says of imports besides ours whether somebody provides them.
 */
export function unknownImport(
  module: CompiledModule,
  isProvided: (namespace: string, name: string) => boolean = () => false,
): string | null {
  for (const { module: namespace, name, type } of module.imports) {
    if (isProvided(namespace, name)) continue;
    const fn = namespace === WASI_MODULE ? WASI_FUNCTIONS.get(name) : findFunction(namespace, name, type);
    const text = `${JSON.stringify(namespace)} ${JSON.stringify(name)}`;
    if (fn === undefined) return `unknown import: ${text}`;
    if (!fits(fn, type)) return `incompatible import type: ${text}`;
  }
  return null;
}

function fits({ params, results }: Pick<HostFunction, "params" | "results">, type: ExternDescriptor): boolean {
  return type.kind === "func" && equal(params, type.params) && equal(results, type.results);
}

function equal(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i]);
}
