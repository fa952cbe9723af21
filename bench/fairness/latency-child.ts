/** A fresh process in which latency is measured from the first instruction on, while V8 has optimised nothing. Prints JSON. */

import { latency } from "./latency.ts";

const [hogs = "10", wakeUps = "200"] = process.argv.slice(2);
const figure = await latency(Number(hogs), Number(wakeUps), { settleMs: 0 });
process.stdout.write(JSON.stringify(figure));
process.exit(0);
