/**
 * How to study the scheduler by itself: tasks that only use up charge, no WebAssembly and no clock. Change what they do,
 * `npm run build`, and `node dist/bench/fairness/study.js`; docs/fairness.md explains it.
 */

import { argv } from "node:process";
import { pathToFileURL } from "node:url";
import { TurnEnd } from "../../host/task.ts";
import { type Behaviour, Simulation } from "../../host/simulation.ts";

/** Uses 95 % of each slice, and sleeps for a microsecond. */
const cheater: Behaviour = (task, fuel) => {
  task.use(Math.floor(fuel * 0.95));
  return task.sleep(1_000);
};

/** Uses its first slice, starts another one like itself, and ends: `used` counts for all of them. */
function chainOf(used: (charge: number) => void): Behaviour {
  const link: Behaviour = (task, fuel) => {
    task.use(fuel);
    used(fuel);
    task.simulation.start(link, { creator: task });
    return TurnEnd.Ended;
  };
  return link;
}

/** The parts of nine hogs, a cheater and a chain, in a second of charge. */
export function study(seed = 7): {
  readonly hogs: readonly number[];
  readonly cheater: number;
  readonly chain: number;
} {
  const simulation = new Simulation(seed);
  const hogs = simulation.hogs(9);
  const one = simulation.start(cheater);
  let chained = 0;
  simulation.start(
    chainOf((charge) => {
      chained += charge;
    }),
  );
  simulation.run(1_000_000_000);
  const part = (charge: number): number => charge / simulation.now;
  return { hogs: hogs.map(({ used }) => part(used)), cheater: part(one.used), chain: part(chained) };
}

if (import.meta.url === pathToFileURL(argv[1] ?? "").href) {
  const { hogs, cheater: one, chain } = study();
  const percent = (value: number): string => `${(value * 100).toFixed(1)} %`;
  process.stdout.write(
    `hogs ${hogs.map(percent).join(", ")}; the cheater ${percent(one)}; the chain ${percent(chain)}\n`,
  );
}
