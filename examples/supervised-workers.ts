/**
 * A supervisor and three workers, all in the guest: one worker panics and another takes its place
 * and its name. The runtime's trace shows who ended and why.
 */

import { guestFunctions, LineOutput, reasonText, Runtime } from "../host/index.ts";
import { guestBytes } from "./guest.ts";

await using runtime = new Runtime({
  functions: [guestFunctions],
  services: {
    stdout: new LineOutput((line) => console.log(line)),
    stderr: new LineOutput((line) => console.log(`stderr: ${line}`)),
  },
  trace(event) {
    if (event.kind === "spawn") console.log(`  process ${event.pid} was spawned by ${event.creator ?? "the embedder"}`);
    if (event.kind === "exit") console.log(`  process ${event.pid} ended: ${reasonText(event.reason)}`);
  },
});
const module = await runtime.compile(guestBytes("supervised-workers"));
const main = runtime.spawn(module, { name: "main" });
await main.exited;
