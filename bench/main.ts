/**
 * `npm run bench [-- kernels vectors fuel modules] [--only name,…] [--rounds N] [--json file]`: tables with medians and
 * ratios, and the same as JSON.
 */

import { fileURLToPath } from "node:url";
import { benchArguments, wholeNumber } from "./arguments.ts";
import { fuelCostText, measureFuelCost } from "./fuel-cost.ts";
import { circumstances, circumstancesText, short, writeJson } from "./harness.ts";
import { kernelTableText, measureKernel, summarise, warmIsolate } from "./kernel-table.ts";
import { KERNELS, VECTOR_KERNELS } from "./kernels.ts";
import { measureModules, moduleTableText } from "./modules.ts";
import { measureVectorKernel, vectorTableText } from "./vector-table.ts";

const SECTIONS = ["kernels", "vectors", "fuel", "modules"];
const DEFAULT_JSON = fileURLToPath(new URL("../../bench/results/bench.json", import.meta.url));

const USAGE = `npm run bench -- [options] [${SECTIONS.join(" | ")} …]

  --only NAMES     kernels, separated by commas: ${KERNELS.map(({ name }) => name).join(" ")}
  --rounds COUNT   turns of each contender (7)
  --json FILE      where the figures go for machines (bench/results/bench.json)

Without words: all sections.`;

const { values, chosen } = benchArguments(
  USAGE,
  {
    only: { type: "string" },
    rounds: { type: "string", default: "7" },
    json: { type: "string", default: DEFAULT_JSON },
  },
  SECTIONS,
);

const wanted = (section: string): boolean => chosen.length === 0 || chosen.includes(section);
const names = values.only?.split(",");
const kernels = KERNELS.filter(({ name }) => names === undefined || names.includes(name));
const rounds = wholeNumber("--rounds", values.rounds, USAGE);

const result: Record<string, unknown> = { circumstances: circumstances() };
print(circumstancesText(circumstances()));

if (wanted("kernels")) {
  warmIsolate(kernels);
  const figures = kernels.map((kernel) => measureKernel(kernel, { rounds, turnMs: 25 }));
  const summary = summarise(figures);
  result["kernels"] = { figures, summary };
  print("\nTime per executed wasm instruction, medians\n");
  print(kernelTableText(figures));
  print(
    `\nOurs: ${short(summary.toNative)} × native, at worst ${short(summary.worstToNative)} × (at most 40 and 80); ` +
      `on i64 ${short(summary.toPolywasmI64)} × polywasm (below 1)`,
  );
}

if (wanted("vectors")) {
  const figures = VECTOR_KERNELS.map((kernel) => measureVectorKernel(kernel, { rounds, turnMs: 25 }));
  result["vectors"] = figures;
  print("\nThe same with vectors, beside V8's own WebAssembly\n");
  print(vectorTableText(figures));
}

if (wanted("fuel")) {
  const costs = await measureFuelCost(kernels, { rounds: rounds * 2, turnMs: 25 });
  result["fuel"] = costs;
  print("\nWhat fuel costs: slices at most 2 %, counting at most 5 %\n");
  print(fuelCostText(costs));
}

if (wanted("modules")) {
  const figures = measureModules(rounds);
  result["modules"] = figures;
  print("\nReal modules, MB/s: at least 20 warm and 5 fresh; retained at most 3 × the file, peak 8 ×\n");
  print(moduleTableText(figures));
}

result["after"] = circumstances();
writeJson(values.json, result);
print(`\n${circumstancesText(circumstances())}\n${values.json}`);

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
