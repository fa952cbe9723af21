/**
 * How calls give way that go on in promises: whoever has done its step waits here until the event
 * loop has gone on, behind those who waited before it. A few go on at a time, so that many calls
 * at once hold it up no longer than one of them.
 */

import { eventLoopTurn } from "../vm/index.ts";

/** Calls that go on before the event loop does. */
const AT_ONCE = 8;

const waiting: (() => void)[] = [];
let isServing = false;

/** Resolves when it is the caller's turn again. */
export function laterTurn(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    if (!isServing) void serve();
  });
}

async function serve(): Promise<void> {
  isServing = true;
  while (waiting.length > 0) {
    await eventLoopTurn();
    for (const goOn of waiting.splice(0, AT_ONCE)) goOn();
  }
  isServing = false;
}
