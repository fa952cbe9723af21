/** For tests: what is left when garbage has been collected. */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { eventLoopTurn } from "../../vm/index.ts";

export function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
}

/** How many of them something still refers to. */
export async function countReachable(references: Iterable<WeakRef<object>>): Promise<number> {
  // What a WeakRef was made for stays until the event loop goes on.
  await eventLoopTurn();
  collectGarbage();
  let count = 0;
  for (const reference of references) if (reference.deref() !== undefined) count++;
  return count;
}
