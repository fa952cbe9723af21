/**
 * `npm run bench:prices [-- --only mnemonic,…,host] [--json file]`: time per fuel of every instruction, of its worst operands, and
 * of host functions. A price is too low where it exceeds 25 times the instructions' median: such an instruction would stretch a slice.
 */

import { fileURLToPath } from "node:url";
import { encodeModule } from "../vm/binary/encode.ts";
import { compileSync, type CompiledModule, Store } from "../vm/index.ts";
import { INSTRUCTIONS } from "../vm/opcodes.ts";
import { parseModule } from "../vm/text/parser.ts";
import { benchArguments } from "./arguments.ts";
import { UNLIMITED } from "./engines.ts";
import { circumstances, circumstancesText, median, short, tableText, writeJson } from "./harness.ts";
import { HOST_CASES, hostRunnable, type HostCase, type HostRun } from "./host-price-cases.ts";
import { allCases, PRICED_ENGINE, LOOP_FUEL, type PriceCase } from "./price-cases.ts";

const MOST_TIMES_MEDIAN = 25;
/** Above so many other instructions in one repetition, the time is theirs as well, and their fuel counts. */
const FEW = 8;
const RUN_NS = 4e6;
const RUNS = 7;
const DEFAULT_JSON = fileURLToPath(new URL("../../bench/results/prices.json", import.meta.url));

interface Figure {
  readonly mnemonic: string;
  readonly operands: string;
  /** Fuel of one execution. */
  readonly price: number;
  /** Nanoseconds of one execution with its operands' `local.get` and `local.set`. */
  readonly ns: number;
  readonly nsPerFuel: number;
}

interface Runnable {
  readonly priceCase: PriceCase;
  /** Nanoseconds and fuel of one run. */
  run(rounds: number): { ns: number; fuel: number };
  rounds: number;
}

const USAGE = `npm run bench:prices -- [options]

  --only MNEMONICS   instructions, separated by commas: i32.add,memory.fill
  --json FILE        where the figures go for machines (bench/results/prices.json)`;

const { values } = benchArguments(USAGE, {
  only: { type: "string" },
  json: { type: "string", default: DEFAULT_JSON },
});
const only = values.only?.split(",");

print(circumstancesText(circumstances()));
const all = allCases();
const runnables = all
  .flatMap(({ cases }) => cases)
  .filter(({ mnemonic }) => only === undefined || only.includes(mnemonic))
  .map(runnable);

// Everything runs several times before anything is measured: an operation's first use makes V8 compile the interpreter again.
for (let warmUp = 0; warmUp < 4; warmUp++) {
  for (const each of runnables) {
    const fresh = each.priceCase.roundsOfFreshInstance;
    const { ns } = each.run(each.rounds);
    if (fresh === null) each.rounds = Math.max(1, Math.min(1e7, Math.round((each.rounds * RUN_NS) / ns)));
  }
}

const ofInstructions = runnables.map(measure);
const middle = median(ofInstructions.map(({ nsPerFuel }) => nsPerFuel));
const ofCalls: Figure[] = [];
for (const each of HOST_CASES) if (only === undefined || only.includes("host")) ofCalls.push(await measureCalls(each));
const figures = [...ofInstructions, ...ofCalls].sort((a, b) => b.nsPerFuel - a.nsPerFuel);
const tooCheap = figures.filter(({ nsPerFuel }) => nsPerFuel > MOST_TIMES_MEDIAN * middle);

const row = ({ mnemonic, operands, price, ns, nsPerFuel }: Figure): string[] => [
  `${mnemonic} ${operands}`.trim(),
  short(price),
  short(ns),
  short(nsPerFuel),
  short(nsPerFuel / middle),
];
print(`\n${tableText(["instruction", "fuel", "ns", "ns per fuel", "× median"], figures.map(row))}`);
print(
  `\nMedian ${short(middle)} ns per fuel; ${tooCheap.length} of ${figures.length} above ${MOST_TIMES_MEDIAN} × median`,
);
for (const figure of tooCheap) print(`too cheap: ${row(figure)[0]}`);
for (const [reason, mnemonics] of reasons())
  print(`not measured, ${reason}: ${mnemonics.length} (${shortList(mnemonics)})`);
writeJson(values.json, { circumstances: circumstances(), median: middle, figures });
process.exitCode = tooCheap.length === 0 ? 0 : 1;

function runnable(priceCase: PriceCase): Runnable {
  let module: CompiledModule;
  try {
    module = compileSync(encodeModule(parseModule(priceCase.text, PRICED_ENGINE)), { engine: PRICED_ENGINE });
  } catch (error) {
    throw new Error(`${priceCase.mnemonic} ${priceCase.operands}: ${(error as Error).message}`, { cause: error });
  }
  const makeInstance = () => new Store({ engine: PRICED_ENGINE }).instantiateSync(module, {});
  const fresh = priceCase.roundsOfFreshInstance;
  const kept = fresh === null ? makeInstance() : null;
  return {
    priceCase,
    rounds: fresh ?? 10,
    run(rounds) {
      const invocation = (kept ?? makeInstance()).invoke("run", [rounds]);
      const start = process.hrtime.bigint();
      let outcome = invocation.run({ fuel: UNLIMITED });
      while (outcome.kind === "yielded") outcome = invocation.run({ fuel: UNLIMITED });
      return { ns: Number(process.hrtime.bigint() - start), fuel: outcome.fuelUsed };
    },
  };
}

function measure({ priceCase, run, rounds }: Runnable): Figure {
  const { mnemonic, operands, repetitions, otherFuel } = priceCase;
  const runs = Array.from({ length: RUNS }, () => run(rounds));
  const executions = rounds * repetitions;
  const ns = median(runs.map((each) => each.ns)) / executions;
  // Two lengths cancel the fuel before the loop.
  const fuelPerRound = priceCase.roundsOfFreshInstance === null ? run(2).fuel - run(1).fuel : runs[0]!.fuel / rounds;
  const price = (fuelPerRound - LOOP_FUEL) / repetitions - otherFuel;
  return { mnemonic, operands, price, ns, nsPerFuel: ns / (otherFuel > FEW ? price + otherFuel : price) };
}

/** Host functions: a round of the loop with all its fuel. */
async function measureCalls(hostCase: HostCase): Promise<Figure> {
  const run = hostRunnable(hostCase);
  let rounds = 100;
  for (let warmUp = 0; warmUp < 8; warmUp++) {
    rounds = Math.max(100, Math.min(100_000, Math.round((rounds * RUN_NS) / (await run(rounds)).ns)));
  }
  const none = (await run(1)).fuel;
  const runs: HostRun[] = [];
  for (let i = 0; i < RUNS; i++) runs.push(await run(rounds));
  const ns = median(runs.map((each) => each.ns)) / rounds;
  const price = (runs[0]!.fuel - none) / (rounds - 1);
  return { mnemonic: "host:", operands: hostCase.name, price, ns, nsPerFuel: ns / price };
}

function reasons(): Map<string, string[]> {
  const byReason = new Map<string, string[]>();
  for (const { reason, op } of all) {
    if (reason !== null) byReason.set(reason, [...(byReason.get(reason) ?? []), INSTRUCTIONS[op].mnemonic]);
  }
  return byReason;
}

function shortList(items: readonly string[]): string {
  return items.length <= 8 ? items.join(" ") : `${items.slice(0, 8).join(" ")} …`;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
