/**
 * Compiles the programs of this folder to guests/wasm/lunatic, or to the folder that is given:
 * `node guests/assemblyscript/build.mjs [folder]`. Needs `npm run oracles:install`.
 */

import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const compiler = new URL("../../spec-tests/oracles/node_modules/assemblyscript/dist/asc.js", import.meta.url);
const { main } = await import(compiler.href);

const folder = process.argv[2] ?? join(here, "../wasm/lunatic");
mkdirSync(folder, { recursive: true });
const sources = readdirSync(here).filter((name) => name.endsWith(".ts"));
for (const source of sources) {
  const options = [
    source,
    ["--baseDir", here],
    ["--outFile", join(folder, source.replace(/\.ts$/, ".wasm"))],
    ["--use", "abort=lunatic/console/abort"],
    ["--runtime", "incremental"],
    ["--stackSize", "8192"],
    "-O2",
    ["--shrinkLevel", "1"],
    "--converge",
  ].flat();
  const { error, stderr } = await main(options);
  if (error !== null) {
    process.stderr.write(`${source}: ${error.message}\n${stderr.toString()}\n`);
    process.exit(1);
  }
}
