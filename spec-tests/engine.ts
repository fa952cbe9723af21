/** The engine a run of the suite uses. */

import { Engine } from "../vm/index.ts";
import type { Options } from "./options.ts";

/** One engine for the run, so that types of different scripts meet in one registry. */
export function engineFor(lowering: Options["lowering"]): Engine {
  return lowering === null ? new Engine() : new Engine({ lowering });
}
