/**
 * The module `spectest` that scripts import, as the reference interpreter provides it: a module in
 * text for what a module can define, and host functions that print nothing.
 */

import { compileSync, type Engine, type Extern, type HostDefinition, type Instance, type Store } from "../vm/index.ts";
import { encodeModule } from "../vm/binary/encode.ts";
import { parseModule } from "../vm/text/parser.ts";

const DEFINITIONS = `(module
  (global (export "global_i32") i32 (i32.const 666))
  (global (export "global_i64") i64 (i64.const 666))
  (global (export "global_f32") f32 (f32.const 666.6))
  (global (export "global_f64") f64 (f64.const 666.6))
  (table (export "table") 10 20 funcref)
  (table (export "table64") i64 10 20 funcref)
  (memory (export "memory") 1 2))`;

const SHARED = `(module (memory (export "shared_memory") 1 2 shared))`;

const PRINT_FUNCTIONS = {
  print: [],
  print_i32: ["i32"],
  print_i64: ["i64"],
  print_f32: ["f32"],
  print_f64: ["f64"],
  print_i32_f32: ["i32", "f32"],
  print_f64_f64: ["f64", "f64"],
} as const;

/** `spectest` in a store that has nothing else yet; its functions are found again by their names when it is restored. */
export class Spectest {
  /** Addresses of the print functions. */
  readonly #functions = new Map<string, number>();
  /** How many instances it takes: the first ones of the store. */
  readonly #instanceCount: number;

  constructor(store: Store, engine: Engine) {
    let count = 0;
    const define = (text: string): void => {
      store.instantiateSync(compileSync(encodeModule(parseModule(text)), { engine }), {});
      count++;
    };
    define(DEFINITIONS);
    define(SHARED);
    this.#instanceCount = count;
    for (const name of Object.keys(PRINT_FUNCTIONS)) {
      this.#functions.set(name, store.hostFunc(printFunction(name)!).address);
    }
  }

  /** `instances` are those of `store`. `shared_memory` is there if the engine has shared memories. */
  export(store: Store, instances: readonly Instance[], name: string): Extern | undefined {
    const address = this.#functions.get(name);
    if (address !== undefined) return store.funcAt(address);
    for (const instance of instances.slice(0, this.#instanceCount)) {
      const extern = instance.export(name);
      if (extern !== undefined) return extern;
    }
    return undefined;
  }
}

/** The definition of a function by its name, if there is one. */
export function printFunction(name: string): HostDefinition | undefined {
  const params = PRINT_FUNCTIONS[name as keyof typeof PRINT_FUNCTIONS] as readonly string[] | undefined;
  return params && { name, params, results: [], call: () => undefined };
}
