import { expect } from "chai";
import { execFileSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = join(HERE, "..", "..");

describe("README.md", () => {
  // That the others run is tested with the other documents.
  it("the first program it shows prints what it should", () => {
    const text = readFileSync(join(ROOT, "README.md"), "utf8");
    const [, program = ""] = /^```js\n([\s\S]*?)^```/m.exec(text) ?? [];
    // Inside the package, so that "perilune/vm" is this one.
    const file = join(HERE, `readme-${process.pid}.mjs`);
    writeFileSync(file, program);
    try {
      const lines = execFileSync(process.execPath, [file], { encoding: "utf8" }).trimEnd().split("\n");
      expect(lines.slice(0, 3)).to.deep.equal(["1", "4", "1"]);
      expect(lines.filter((line) => /^yielded after \d+ fuel$/.test(line))).to.have.length.greaterThan(0);
      expect(lines.filter((line) => /^\d+$/.test(line))).to.deep.equal(["1", "4", "1", "4", "9"]);
    } finally {
      rmSync(file);
    }
  });

  it("every script it names is in package.json", () => {
    const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
      scripts: Record<string, string>;
    };
    const text = readFileSync(join(ROOT, "README.md"), "utf8");
    const named = [...text.matchAll(/\bnpm (?:run )?(?!ci\b|link\b|run\b)([a-z][\w:-]*)/g)].map(
      ([, name]) => name ?? "",
    );
    expect(named).to.include.members(["start", "test", "spec", "bench"]);
    for (const name of named) expect(manifest.scripts, name).to.have.property(name);
  });
});
