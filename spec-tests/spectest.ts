/**
 * The module `spectest` that scripts import, as the reference interpreter provides it: a module in
 * text for what a module can define, and host functions that print nothing.
 */

import { CompileError } from "../vm/errors.ts";
import { compileSync, type Engine, type Extern, type Store } from "../vm/index.ts";
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

/** The externs of `spectest` in this store, by name. `shared_memory` is there if the engine has shared memories. */
export function spectestExterns(store: Store, engine: Engine): ReadonlyMap<string, Extern> {
  const externs = new Map<string, Extern>();
  const define = (text: string): void => {
    const module = compileSync(encodeModule(parseModule(text)), { engine });
    for (const [name, extern] of store.instantiateSync(module, {}).exports) externs.set(name, extern);
  };
  define(DEFINITIONS);
  try {
    define(SHARED);
  } catch (error) {
    if (!(error instanceof CompileError && error.kind === "unsupported")) throw error;
  }
  for (const [name, params] of Object.entries(PRINT_FUNCTIONS)) {
    externs.set(name, store.hostFunc({ params, results: [], call: () => undefined }));
  }
  return externs;
}
