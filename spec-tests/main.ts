/** The entry of `npm run spec`. */

import { specCommand } from "./command.ts";

process.exitCode = await specCommand(process.argv.slice(2), (text) => console.log(text));
