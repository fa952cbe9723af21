/**
 * A fork bomb beside honest work. The bomb has a group of its own with at most a hundred processes:
 * however many it makes, together they get the share of one group, and the neighbour keeps its own.
 */

import { guestFunctions, LineOutput, Runtime } from "../host/index.ts";
import { guestBytes } from "./guest.ts";

const MAX_PROCESSES = 100;
const ROUNDS = 10_000;

const honest = new Runtime({ functions: [guestFunctions] });
const pingPong = await honest.compile(guestBytes("ping-pong"));

/** Milliseconds that the honest work takes. */
async function work(): Promise<number> {
  const started = performance.now();
  await honest.spawn(pingPong, { config: { args: ["ping-pong", String(ROUNDS)] } }).exited;
  return performance.now() - started;
}

// The first runs are slower: the interpreter itself is still being optimised.
for (let i = 0; i < 3; i++) await work();
const alone = await work();

let most = 0;
let made = 0;
const bombs = new Runtime({
  functions: [guestFunctions],
  maxProcesses: MAX_PROCESSES,
  services: { stderr: new LineOutput(() => {}) },
  trace(event) {
    if (event.kind !== "spawn") return;
    made++;
    most = Math.max(most, bombs.processCount);
  },
});
bombs.spawn(await bombs.compile(guestBytes("fork-bomb")));
while (made < MAX_PROCESSES) await new Promise(setImmediate);
const beside = await work();
const fuel = bombs.group.used("fuel");
await bombs.dispose();
const afterwards = await work();
await honest.dispose();

console.log(
  `the bomb made ${made} processes, of which at most ${most} lived, and burnt ${fuel.toLocaleString("en")} fuel`,
);
console.log(
  `the neighbour worked ${alone.toFixed(0)} ms alone, ${beside.toFixed(0)} ms beside it, ${afterwards.toFixed(0)} ms afterwards`,
);
console.log(
  `that is ${(beside / alone).toFixed(1)} times as long; when the bomb was ended, ${bombs.processCount} of its processes were left`,
);
