/** The package as those see it who install it: what is in it, and that all but Node's parts bundle for a browser. */

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { expect } from "chai";
import { build } from "esbuild";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const MANIFEST = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
  readonly exports: Readonly<Record<string, { readonly types: string; readonly default: string }>>;
  readonly bin: Readonly<Record<string, string>>;
};

describe("the package", function () {
  this.timeout(30_000);

  it("has its exports with their types and all that they import, and no tests", () => {
    const [packed] = JSON.parse(
      execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], {
        cwd: ROOT,
        stdio: ["ignore", "pipe", "ignore"],
      }).toString(),
    ) as { readonly files: readonly { readonly path: string }[] }[];
    const paths = new Set(packed!.files.map(({ path }) => path));
    expect(
      [...paths].filter((path) => /\.test\.|testing|adversary|^dist\/(?:bench|spec-tests|examples)/.test(path)),
    ).to.deep.equal([]);
    const missing: string[] = [];
    const seen = new Set<string>();
    const visit = (path: string, from: string): void => {
      if (!paths.has(path)) missing.push(`${from} -> ${path}`);
      if (seen.has(path) || !paths.has(path)) return;
      seen.add(path);
      const text = readFileSync(join(ROOT, path), "utf8");
      for (const [, target = ""] of text.matchAll(/(?:\bfrom |\bimport\(|^import )"(\.[^"]+)"/gm)) {
        // Types name the source file, and mean its declarations.
        visit(join(path, "..", target.replace(/\.ts$/, ".d.ts")), path);
      }
    };
    for (const { types, default: file } of Object.values(MANIFEST.exports)) {
      visit(join(file), "exports");
      visit(join(types), "exports");
    }
    for (const file of Object.values(MANIFEST.bin)) visit(file, "bin");
    // tsc alone, without the bundle, leaves a command line that is not published.
    const isBundled = readFileSync(join(ROOT, "dist/cli/main.js"), "utf8").includes("/chunks/");
    expect(missing.filter((line) => isBundled || !line.startsWith("dist/cli/"))).to.deep.equal([]);
  });

  it("has every value at run time that its types export: no enumeration that compilers would have to inline", async () => {
    for (const { types, default: file } of Object.values(MANIFEST.exports)) {
      const values = Object.keys((await import(pathToFileURL(join(ROOT, file)).href)) as object);
      const text = readFileSync(join(ROOT, types), "utf8");
      const declared = [
        ...[...text.matchAll(/^export \{([^}]+)\} from/gm)].flatMap(([, list = ""]) => list.split(",")),
        ...[...text.matchAll(/^export declare (?:const|(?:async )?function|class|enum) (\w+)/gm)].map(
          ([, name = ""]) => name,
        ),
      ].flatMap((each) => (/^\s*(?:type |$)/.test(each) ? [] : [each.replace(/.*\bas /, "").trim()]));
      expect(declared).to.not.deep.equal([]);
      expect([...new Set(declared)].sort(), types).to.deep.equal(values.sort());
    }
  });

  for (const name of [".", "./vm", "./text"]) {
    it(`${name} bundles for a browser, without a module of Node's or of others`, async () => {
      const { metafile, warnings } = await build({
        entryPoints: [join(ROOT, MANIFEST.exports[name]!.default)],
        bundle: true,
        platform: "browser",
        format: "esm",
        write: false,
        metafile: true,
        logLevel: "silent",
      });
      expect(warnings).to.deep.equal([]);
      const inputs = Object.entries(metafile.inputs);
      expect(inputs.length).to.be.above(10);
      expect(inputs.flatMap(([, { imports }]) => imports.filter(({ external }) => external))).to.deep.equal([]);
      expect(
        inputs.map(([path]) => path).filter((path) => !path.includes("dist/vm") && !path.includes("dist/host")),
      ).to.deep.equal([]);
      expect(inputs.map(([path]) => path).filter((path) => path.includes("dist/host/node"))).to.deep.equal([]);
    });
  }
});
