/**
 * What the layers above need of the engine besides its public API: checks of options, costs, pieces of snapshots. No part
 * of the package.
 */

export * from "./index.ts";
export type { CountCheck, CountedItems } from "./binary/decode.ts";
export { DOUBLE_ZERO } from "./doubles.ts";
export { asError, unlessAborted, whenAborted } from "./abort.ts";
export { isLoopCold } from "./execute/loop-training.ts";
export { FRAME_RETURN_FUEL, FRAME_STEP_FUEL } from "./limits.ts";
export { checkHostDefinition } from "./runtime/func.ts";
export { UNLIMITED } from "./runtime/resources.ts";
export {
  amountFrom,
  ANYTHING,
  arrayOf,
  BYTES,
  check,
  checkOptions,
  COMPILED_MODULE,
  FLAG,
  FUNCTION,
  objectWith,
  oneOf,
  SIGNAL,
  TEXT,
  TEXTS,
  valueText,
  wholeFuel,
  wholeNumber,
  type Expected,
  type ExpectedOptions,
} from "./options.ts";
export { checksumOf, moduleHash, STEP_BYTES as SNAPSHOT_STEP_BYTES, type OutputAccount } from "./snapshot/index.ts";
