/** How long V8's collections of young objects take, and whose time that is. */

import { setFlagsFromString } from "node:v8";

/**
 * From now on the young generation of every isolate of this program stays as small as it is: one or two MiB, if nothing much
 * has run yet. A collection of it then takes less than a millisecond, where those of the 16 MiB that V8 lets it grow to take up
 * to 6 while a guest has much alive, and whoever is to be woken meanwhile waits. And it takes place where memory is asked for,
 * in the turn of whoever asks, who pays for it, not between the turns, and without helpers on other threads, which have to be
 * waited for longer than so little takes. The same is `node --max-semi-space-size=2 --no-minor-gc-task --no-parallel-scavenge`;
 * for the size alone workers have `resourceLimits: { maxYoungGenerationSizeMb }`.
 */
export function keepCollectionsShort(): void {
  // Of V8's flags for the size this is the one that is read again and again.
  setFlagsFromString("--semi-space-growth-factor=1");
  setFlagsFromString("--no-minor-gc-task");
  setFlagsFromString("--no-parallel-scavenge");
}
