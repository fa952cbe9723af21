/**
 * `npm run bench:fairness`: who gets how much, how late, how fast and in how much memory, and what neighbours
 * feel of attacks; tables, JSON, and a picture of who ran when. Node is started as whoever hosts guests should start it
 * (docs/fairness.md); `node dist/bench/fairness.js` is the same without.
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { compileSync, warmUp } from "../vm/index.ts";
import { benchArguments } from "./arguments.ts";
import { adversaries, adversariesBars, adversariesText } from "./fairness/adversaries.ts";
import { HOGS } from "./fairness/guests.ts";
import { hibernation, hibernationText, idle, idleText } from "./fairness/idle.ts";
import { coldLatency, emptyLoop, latency, latencyText } from "./fairness/latency.ts";
import { panels } from "./fairness/panels.ts";
import { pictureHtml } from "./fairness/picture.ts";
import { rates, ratesText, spawnCosts, spawnCostsText } from "./fairness/rates.ts";
import { coldRestarts, restartsText } from "./fairness/restarts.ts";
import { warmUpProcesses } from "./fairness/setting.ts";
import {
  deterministicShares,
  equalShares,
  kindsText,
  sharesText,
  unlikeShares,
  weightedShares,
} from "./fairness/shares.ts";
import {
  type Bar,
  hibernationBars,
  idleBars,
  latencyBars,
  ratesBars,
  sharesBars,
  verdictText,
} from "./fairness/verdicts.ts";
import { circumstances, circumstancesText, isBusy, writeJson } from "./harness.ts";
import { ATTACKS } from "../host/adversary/attacks.ts";

const SECTIONS = ["shares", "latency", "rates", "idle", "hibernation", "adversaries", "picture"];
const result = (name: string): string => fileURLToPath(new URL(`../../bench/results/${name}`, import.meta.url));

const USAGE = `npm run bench:fairness -- [options] [${SECTIONS.join(" | ")} …]

  --quick          a few seconds of each, without the largest numbers of processes
  --million        a million idle processes too
  --attack NUMBERS of the adversaries only those of these numbers of the set, such as 9,13
  --json FILE      where the figures go for machines (bench/results/fairness.json)
  --picture FILE   where the picture of who ran when goes (bench/results/fairness.html)

Without words: all sections. Each ends with a verdict: met, missed, or "machine busy: not judged" for what is timed.`;

const { values, chosen } = benchArguments(
  USAGE,
  {
    attack: { type: "string", default: "" },
    quick: { type: "boolean", default: false },
    million: { type: "boolean", default: false },
    json: { type: "string", default: result("fairness.json") },
    picture: { type: "string", default: result("fairness.html") },
  },
  SECTIONS,
);
const wanted = (section: string): boolean => chosen.length === 0 || chosen.includes(section);
const { quick } = values;
const attacks = values.attack === "" ? [] : values.attack.split(",");
const known = Object.keys(ATTACKS).map((name) => name.split(" ")[0]!);
const strange = attacks.find((number) => !known.includes(number));
if (strange !== undefined) {
  process.stderr.write(`there is no attack '${strange}': ${[...new Set(known)].join(", ")}\n`);
  process.exit(2);
}

const figures: Record<string, unknown> = { circumstances: circumstances() };
print(circumstancesText(circumstances()));
warmUp();
await warmUpProcesses(compileSync(HOGS.alu()), "hog");

if (wanted("shares")) {
  const milliseconds = quick ? 1_000 : 4_000;
  const fixed = deterministicShares();
  const unlike = await unlikeShares(milliseconds);
  const shares = [fixed, await equalShares(10, milliseconds), await weightedShares(milliseconds), unlike];
  figures["shares"] = shares;
  print("\nShares: Jain at least 0.9995 by fuel, 0.9 by time for unlike hogs\n");
  print(sharesText(shares));
  print(
    `\nGreatest difference of two of the 1,000: ${fixed.spread.toLocaleString("en")} fuel (slice ${fixed.sliceFuel})`,
  );
  print(`Unlike hogs: ${kindsText(unlike)}`);
  verdict("shares", sharesBars(fixed, shares.slice(1)));
}

if (wanted("latency")) {
  const turns = quick ? 250 : 1_250;
  const cold = await coldLatency(10, 200);
  const all: Awaited<ReturnType<typeof latency>>[] = [];
  // Until V8 has optimised the interpreter for all operations, and what waking a process needs.
  await latency(10, quick ? 100 : 400);
  const empty = [await emptyLoop(4, turns)];
  for (const hogs of quick ? [1, 10, 100, 1_000] : [1, 10, 100, 1_000, 10_000]) {
    all.push(await latency(hogs, quick ? 200 : 1_000));
  }
  empty.push(await emptyLoop(4, turns));
  figures["latency"] = { warm: all, cold, empty };
  print("\nWake-up of a process that works 20,000 fuel every 5 ms, and turns of the event loop: p99 at most 2 ms,");
  print("at the most hogs at most 1.5 times that at 10; messages of the embedder at most 6 ms; p99.9 of the loop");
  print("at most 6 ms, 25 cold\n");
  print(latencyText(all, cold, empty));
  verdict("latency", latencyBars(all, cold));
}

if (wanted("rates")) {
  const all = await rates(quick ? 2 : 7);
  const costs = await spawnCosts(quick ? 3 : 15);
  const restarts = await coldRestarts(20);
  figures["rates"] = all;
  figures["spawn"] = costs;
  figures["restarts"] = restarts;
  print("");
  print(ratesText(all));
  print("");
  print(spawnCostsText(costs));
  print("");
  print(restartsText(restarts));
  verdict("rates", ratesBars(all, costs, restarts));
}

if (wanted("idle")) {
  const all = [
    await idle("small", 10_000),
    await idle("two-pages", 10_000),
    await idle("rust", quick ? 1_000 : 10_000),
  ];
  if (!quick) all.push(await idle("two-pages", 100_000));
  if (values.million) all.push(await idle("small", 1_000_000));
  figures["idle"] = all;
  print(
    "\nMemory: 100,000 with two pages touched within 1,500 MB, 10,000 of a Rust guest's shape within 2,500, growth below 5 %\n",
  );
  print(idleText(all));
  verdict("idle", idleBars(all));
}

if (wanted("hibernation")) {
  const few = quick ? 1_000 : 10_000;
  const all = [
    await hibernation("small", few),
    await hibernation("two-pages", few),
    await hibernation("rust", quick ? 500 : 2_000),
  ];
  figures["hibernation"] = all;
  print("");
  print(hibernationText(all));
  verdict("hibernation", hibernationBars(all));
}

if (wanted("adversaries")) {
  const isChosen = (name: string) => attacks.length === 0 || attacks.includes(name.split(" ")[0]!);
  const all = await adversaries(isChosen, ({ attack, wakeMs: { p99 } }) =>
    print(`${attack}: p99 ${p99.toFixed(2)} ms`),
  );
  figures["adversaries"] = all;
  print(
    "\nAttacks: a neighbour's p99 at most twice the quiet one's or 2 ms, 90 % of a half kept, memory back within 10 %\n",
  );
  print(adversariesText(all));
  verdict("adversaries", adversariesBars(all));
}

if (wanted("picture")) {
  mkdirSync(dirname(values.picture), { recursive: true });
  writeFileSync(values.picture, pictureHtml(circumstancesText(circumstances()), await panels()));
  print(`\n${values.picture}`);
}

figures["after"] = circumstances();
writeJson(values.json, figures);
print(`\n${circumstancesText(circumstances())}\n${values.json}`);
process.exit(0);

/** The machine is looked at when a section is over: what disturbed it shows in the load of its last minute. */
function verdict(section: string, bars: readonly Bar[]): void {
  const text = verdictText(section, bars, isBusy(circumstances()));
  figures[`${section} verdict`] = text;
  print(`\n${text}`);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
