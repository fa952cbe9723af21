/** The random modules of the differential tests, which compute, load and store, branch and call. */

import { encodeModule } from "../../vm/binary/encode.ts";
import { parseModule } from "../../vm/text/parser.ts";
import { randomModule } from "../../vm/testing/random-module.ts";
import type { Program } from "./play.ts";
import { single } from "./small-programs.ts";

export function randomNumbers(seed: number): Program {
  const bytes = encodeModule(parseModule(randomModule(seed).text));
  return single(`random numbers ${seed}`, bytes, ["main", 7, -3n, 1.5, -2.25]);
}
