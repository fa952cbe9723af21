/**
 * The last step of `npm run build`: puts the command line's 200 modules into a few files, in place of the main.js that
 * tsc has written. Loading them one by one takes as long as all else at the start of a short run. Without this step
 * the command line works the same, so tsc alone is enough while developing.
 */

import { chmod, rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const dist = fileURLToPath(new URL("../dist/", import.meta.url));

await rm(`${dist}chunks`, { recursive: true, force: true });
await build({
  entryPoints: { "cli/main": `${dist}cli/main.js` },
  outdir: dist,
  allowOverwrite: true,
  // As deep as the folders that they come from: some files find the checkout by their place.
  chunkNames: "chunks/[name]-[hash]",
  bundle: true,
  // A command loads only what it needs.
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20.19",
  packages: "external",
  logLevel: "warning",
});
// For whoever starts it by a link of their own, such as one named lunatic; npm does this for its links alone.
await chmod(`${dist}cli/main.js`, 0o755);
