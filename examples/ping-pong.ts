/** Two processes send each other a number, a thousand times. `node dist/examples/ping-pong.js [rounds]`. */

import { guestFunctions, LineOutput, reasonText, Runtime } from "../host/index.ts";
import { guestBytes } from "./guest.ts";

const rounds = process.argv[2] ?? "1000";

await using runtime = new Runtime({
  functions: [guestFunctions],
  services: { stdout: new LineOutput((line) => console.log(line)) },
});
const module = await runtime.compile(guestBytes("ping-pong"));
const started = performance.now();
const main = runtime.spawn(module, { config: { args: ["ping-pong", rounds] } });
const reason = await main.exited;
const seconds = (performance.now() - started) / 1_000;
console.log(
  `ended: ${reasonText(reason)}, ${Math.round((Number(rounds) * 2) / seconds).toLocaleString("en")} messages a second`,
);
