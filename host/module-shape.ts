/**
 * How many of each a module may have that runs as a process. Linking and starting it look at every one of
 * these in one step, which others wait for; the engine's own limits are for whoever runs a module alone.
 */

import { CompileError, type CompiledModule, type CountedItems } from "../vm/internal.ts";

export const MAX_SHAPE: Readonly<Record<CountedItems, number>> = {
  imports: 4_096,
  exports: 16_384,
  tables: 1_024,
  tags: 4_096,
  globals: 65_536,
  elements: 65_536,
};

/** Throws `CompileError` of kind `limit` for so many. */
export function checkCount(items: CountedItems, count: number): void {
  const limit = MAX_SHAPE[items];
  if (count > limit) throw new CompileError("limit", `too many ${items} of a process: ${count}, at most ${limit}`);
}

/** Throws `CompileError` of kind `limit` for a module that has too many of anything. */
export function checkShape(data: CompiledModule["data"]): void {
  for (const items of Object.keys(MAX_SHAPE) as CountedItems[]) checkCount(items, data[items].length);
}
