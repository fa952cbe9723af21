/**
 * `npm run differential`: our engine against a newer V8, on the suite's scripts and on random modules. Prints
 * mismatches as they are found, then counts; exits with 1 if there was one. Without the oracles it says so and exits with 0.
 */

import { parseArgs } from "node:util";
import { DEFAULT_FOLDERS, HOW_TO_GET_THE_SUITE, selectFiles, suiteRoot } from "../suite.ts";
import { Campaign } from "./campaign.ts";
import { record } from "./corpus.ts";
import { Fuzzer, INPUT_BYTES } from "./fuzzer.ts";
import { HOW_TO_GET_THE_ORACLES, isInstalled, V8Process } from "./v8-process.ts";

const USAGE = `npm run differential -- [options] [folders or files of the suite …]

  --random COUNT   random modules (1000, or 0 if there are words)
  --seed FIRST     the first one's seed (1)
  --size BYTES     of the fuzzer's input, at most (6000): larger ones test more instructions in the same time
  --seconds COUNT  begin no random module after that time
  --no-suite       random modules only
  --record COUNT   write the corpus that npm test runs, and nothing else`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    allowNegative: true,
    options: {
      random: { type: "string" },
      seed: { type: "string", default: "1" },
      size: { type: "string", default: String(INPUT_BYTES) },
      seconds: { type: "string", default: "Infinity" },
      suite: { type: "boolean", default: true },
      record: { type: "string" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  if (!isInstalled()) {
    console.log(HOW_TO_GET_THE_ORACLES);
    return 0;
  }
  const v8 = new V8Process();
  try {
    if (values.record !== undefined) {
      console.log(await record(v8, Number(values.record)));
      return 0;
    }
    const campaign = new Campaign(v8, console.log);
    const root = suiteRoot();
    if (values.suite && root === null) console.log(HOW_TO_GET_THE_SUITE);
    if (values.suite && root !== null) {
      await campaign.suite(selectFiles(root, positionals.length === 0 ? DEFAULT_FOLDERS : positionals));
      console.log(`suite\n${campaign.summary()}`);
    }
    const count = Number(values.random ?? (positionals.length === 0 ? 1_000 : 0));
    const random = new Campaign(v8, console.log);
    if (count > 0) {
      const fuzzer = await Fuzzer.load();
      const first = Number(values.seed);
      const [seconds, inputBytes] = [Number(values.seconds), Number(values.size)];
      const next = await random.random(fuzzer, first, { count, seconds, inputBytes });
      fuzzer.close();
      console.log(`random modules, seeds ${first} to ${next - 1}\n${random.summary()}`);
    }
    return campaign.mismatches + random.mismatches === 0 ? 0 : 1;
  } finally {
    v8.close();
  }
}

process.exitCode = await main();
