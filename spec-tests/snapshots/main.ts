/**
 * `npm run snapshots`: the whole campaign, or the parts that are named. It counts where programs were saved, and ends
 * with 1 if anything differs or a number is missed. What is not installed is named.
 */

import { Engine } from "../../vm/index.ts";
import { firstDifference } from "../compare.ts";
import { runScript } from "../runner.ts";
import { atPowersOfFour, type SaveChoice } from "../saving.ts";
import { DEFAULT_FOLDERS, HOW_TO_GET_THE_SUITE, readScript, selectFiles, suiteRoot } from "../suite.ts";
import { Campaign } from "./campaign.ts";
import type { Program } from "./play.ts";
import { type Class, CLASSES } from "./census.ts";
import {
  beginOne,
  crowdedPrograms,
  exactPrograms,
  packagedPrograms,
  randomNumbers,
  randomReferences,
  ruby,
  wasiPrograms,
} from "./corpus.ts";

/** Pairs of a function and a byte offset that have to be reached. */
const WANTED: Readonly<Partial<Record<Class, number>>> & { readonly all: number } = {
  all: 20_000,
  "with live references": 2_000,
  "inside host frames and waits": 500,
};
const EXACT_PROGRAMS = 20;
const FORGERIES = 10_000;

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);
const print = (line: string): void => void process.stdout.write(`${line}\n`);

const campaign = new Campaign();
const { census } = campaign;

async function part(name: string, run: () => unknown): Promise<void> {
  const [pairs, snapshots, failures, start] = [
    census.pairs,
    census.snapshots,
    campaign.failures.length,
    performance.now(),
  ];
  await run();
  const seconds = ((performance.now() - start) / 1_000).toFixed(0);
  const counts = `${census.snapshots - snapshots} snapshots, ${census.pairs - pairs} new pairs, ${seconds} s`;
  print(`${name}: ${counts}, ${campaign.failures.length - failures} failures`);
}

let assertions = 0;

/** Every action of a folder of the suite, saved after 1, 4, 16 … pauses and wherever it has not been saved. */
async function suite(folder: string): Promise<void> {
  const root = suiteRoot();
  if (root === null) {
    print(HOW_TO_GET_THE_SUITE);
    return;
  }
  const engine = new Engine();
  const chooses: SaveChoice = (invocation, pause) => {
    const isChosen = campaign.isNew(invocation) || atPowersOfFour(invocation, pause);
    if (isChosen) census.count(invocation);
    return isChosen;
  };
  for (const file of selectFiles(root, [folder])) {
    const script = readScript(file);
    const run = { engine, lowering: "lazy", trace: true } as const;
    const alone = await runScript(file, script, { ...run, mode: { kind: "unlimited" } });
    const saved = await runScript(file, script, { ...run, mode: { kind: "snapshots", fuel: 1 }, chooses });
    assertions += saved.passed;
    const difference = firstDifference(alone, saved);
    if (difference !== null) campaign.failures.push(`${file.name}: ${difference}`);
    campaign.failures.push(...saved.failures.map(({ line, detail }) => `${file.name}:${line}: ${detail}`));
    saved.unsaved.forEach((reason) => {
      campaign.refused(reason);
    });
  }
}

const exact = exactPrograms();
const isQuickJs = ({ name }: Program): boolean => name.startsWith("QuickJS");

const PARTS: Readonly<Record<string, () => unknown>> = {
  exact: () => {
    print(`before every instruction:\n${exact.map(({ name }) => `  ${name}`).join("\n")}`);
    return campaign.run(exact, { visits: "every", parcels: 20, samples: 4 });
  },
  references: () => campaign.run(range(40).map(randomReferences), { visits: 2, parcels: 10, samples: 4 }),
  crowds: () => campaign.runCrowds(crowdedPrograms(range(40)), beginOne),
  numbers: () => campaign.run(range(150).map(randomNumbers), { visits: 1, parcels: 2, samples: 1 }),
  wasi: () => campaign.run(wasiPrograms(), { visits: 1 }),
  packages: () => {
    const programs = packagedPrograms().filter((program) => !isQuickJs(program));
    return campaign.run(programs, { visits: 1, oneIn: 4, parcels: 5 });
  },
  quickjs: () => {
    const turns = [{ fuel: 1, exact: true }];
    return campaign.run(packagedPrograms().filter(isQuickJs), { visits: 1, oneIn: 12, parcels: 2, turns });
  },
  ruby: () => {
    const program = ruby();
    if (program === null) print("Ruby is not installed, and skipped: npm run oracles:install");
    const turns = [{ fuel: 5_000_000 }, { fuel: 7_000_003, exact: true }];
    return program === null ? undefined : campaign.run([program], { visits: 1, turns });
  },
  ...Object.fromEntries(DEFAULT_FOLDERS.map((folder) => [`suite:${folder}`, () => suite(folder)])),
};

/** A folder or a file of the suite. */
const SUITE = "suite:";

const words = process.argv.slice(2);
const unknown = words.filter((word) => !Object.hasOwn(PARTS, word) && !word.startsWith(SUITE));
const asksForHelp = words.some((word) => word === "--help" || word === "-h");
if (asksForHelp || unknown.length > 0) {
  const usage = `npm run snapshots -- [PART …]\n\nWithout words all of them, or suite:FOLDER and suite:FILE. Parts:\n  ${Object.keys(PARTS).join("\n  ")}\n`;
  if (asksForHelp) process.stdout.write(usage);
  else process.stderr.write(`there is no part '${unknown.join("', '")}'\n\n${usage}`);
  process.exit(asksForHelp ? 0 : 2);
}
const start = performance.now();
for (const name of words.length === 0 ? Object.keys(PARTS) : words) {
  await part(name, PARTS[name] ?? (() => suite(name.slice(SUITE.length))));
}
await part("other processes", () => campaign.goOnElsewhere());
await part("forged snapshots", () => campaign.forge(FORGERIES));

print(`\n${census.snapshots} snapshots, restored in stores of their own; ${campaign.elsewhere} in other processes`);
print(`${assertions} assertions of the suite hold`);
print(`${campaign.forgeries.tried} forged ones, of which ${campaign.forgeries.accepted} were accepted and ran`);
for (const [reason, count] of campaign.refusals) print(`${count} times not saved: ${reason}`);
print("\npairs of a function and a byte offset:");
print(`${String(census.pairs).padStart(8)} in all`);
for (const name of CLASSES) print(`${String(census.of(name)).padStart(8)} ${name}`);
// A part by itself need not reach what all together have to.
const wanted = words.length === 0 ? Object.entries(WANTED) : [];
const missed = wanted.filter(([name, count]) => (name === "all" ? census.pairs : census.of(name as Class)) < count);
for (const [name, count] of missed) campaign.failures.push(`${name}: ${count} pairs are wanted`);
if (exact.length < EXACT_PROGRAMS) campaign.failures.push(`${exact.length} programs before every instruction`);
for (const failure of campaign.failures.slice(0, 50)) print(failure.slice(0, 2_000));
const seconds = ((performance.now() - start) / 1_000).toFixed(0);
print(`\n${campaign.failures.length} failures, ${seconds} s`);
process.exitCode = campaign.failures.length === 0 ? 0 : 1;
