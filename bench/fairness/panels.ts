/** What the picture shows: moments of equal, weighted and unlike hogs, with a process that wakes every 5 ms. */

import type { Runtime } from "../../host/index.ts";
import { compileSync } from "../../vm/index.ts";
import { HOGS, periodic } from "./guests.ts";
import type { Lane, Panel } from "./picture.ts";
import { sleep, tracedSetting, type TurnRecord } from "./setting.ts";

const WARM_MS = 300;
const SHOWN_MS = 100;

interface Actor {
  readonly name: string;
  readonly group: number;
  start(runtime: Runtime, environment: ReturnType<Runtime["createEnvironment"]>): void;
}

/** Each actor has an environment of its own, by which its turns are known. */
async function panel(title: string, actors: readonly Actor[]): Promise<Panel> {
  const turns: TurnRecord[] = [];
  let isShown = false;
  const { runtime } = tracedSetting((turn) => {
    if (isShown) turns.push(turn);
  });
  const ids = actors.map((actor) => {
    const environment = runtime.createEnvironment();
    actor.start(runtime, environment);
    return environment.id;
  });
  await sleep(WARM_MS);
  isShown = true;
  const startMs = performance.now();
  await sleep(SHOWN_MS);
  isShown = false;
  await runtime.dispose();
  const lanes = actors.map(
    ({ name, group }, i): Lane => ({
      name,
      group,
      turns: turns
        .filter(({ environment }) => environment === ids[i])
        .map((turn) => [turn.startMs - startMs, turn.lengthMs] as const),
    }),
  );
  return { title, lanes, lengthMs: SHOWN_MS };
}

export async function panels(): Promise<Panel[]> {
  const alu = compileSync(HOGS.alu());
  const waking = compileSync(periodic());
  const every5ms: Actor = {
    name: "every 5 ms",
    group: 1,
    start: (runtime, environment) => {
      runtime.spawn(waking, { entry: "periodic", args: [1_000n], environment });
    },
  };
  const hog = (name: string, group: number): Actor => ({
    name,
    group,
    start: (runtime, environment) => {
      runtime.spawn(alu, { entry: "hog", environment });
    },
  });
  const weighted = [1, 2, 4].map(
    (weight): Actor => ({
      name: `weight ${weight}`,
      group: weight,
      start: (runtime, environment) => {
        runtime.spawn(alu, { entry: "hog", environment, group: runtime.createGroup({ weight: weight * 100 }) });
      },
    }),
  );
  const unlike = Object.entries(HOGS).map(
    ([name, make], i): Actor => ({
      name,
      group: i,
      start: (runtime, environment) => {
        runtime.spawn(compileSync(make()), { entry: "hog", environment, group: runtime.createGroup({ name }) });
      },
    }),
  );
  return [
    await panel("Eight equal loops, and a process that works a little every 5 ms", [
      ...Array.from({ length: 8 }, (_, i) => hog(`loop ${i + 1}`, 0)),
      every5ms,
    ]),
    await panel("Groups of the weights 1, 2 and 4", weighted),
    await panel("Hogs of unlike kinds, a group each", unlike),
  ];
}
