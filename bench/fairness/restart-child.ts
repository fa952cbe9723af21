/** A fresh process in which restarts are measured while V8 has optimised nothing. Prints JSON. */

import { restartTimes } from "./restarts.ts";

process.stdout.write(JSON.stringify(await restartTimes(Number(process.argv[2] ?? "20"))));
process.exit(0);
