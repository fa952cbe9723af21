/** Compiling that gives the event loop its turn. */

import { Compilation, type CompiledModule, type CompileOptions } from "./compiled-module.ts";
import { eventLoopTurn } from "./event-loop.ts";
import { check, SIGNAL } from "./options.ts";

/** Options of {@link compile}. */
export interface AsyncCompileOptions extends CompileOptions {
  /** Ends compiling with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Milliseconds of work before the event loop gets its turn. */
const BUDGET_MS = 1;

/** Decodes and validates. Rejects with `CompileError`, which has the byte offset of the fault, or the signal's reason. (spec: embed-module-decode) */
export async function compile(bytes: Uint8Array, options: AsyncCompileOptions = {}): Promise<CompiledModule> {
  const { signal } = options;
  if (signal !== undefined) check("signal of compile", signal, SIGNAL);
  signal?.throwIfAborted();
  const compilation = new Compilation(bytes, options);
  let turnStart = performance.now();
  try {
    while (!compilation.step()) {
      if (performance.now() - turnStart < BUDGET_MS) continue;
      await eventLoopTurn();
      signal?.throwIfAborted();
      turnStart = performance.now();
    }
    return compilation.module;
  } finally {
    compilation.release();
  }
}
