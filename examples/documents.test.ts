/**
 * The programs of README.md and docs/embedding.md, as an embedder has them: a project of its own that has installed the
 * package: compared with their types by TypeScript, file by file and under strict rules, and made JavaScript by another tool, which knows no
 * types and inlines nothing.
 */

import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { transformSync } from "esbuild";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

interface Program {
  readonly document: string;
  readonly line: number;
  readonly language: string;
  readonly text: string;
  /** What the document says that it prints. */
  readonly output: string | null;
}

function programsOf(document: string): Program[] {
  const text = readFileSync(join(ROOT, document), "utf8");
  const blocks = text.matchAll(/^```(ts|js)\n([\s\S]*?)^```\n(?:\n```text\n([\s\S]*?)^```\n)?/gm);
  return [...blocks].map(({ index, 1: language = "", 2: body = "", 3: output }) => ({
    document,
    line: text.slice(0, index).split("\n").length,
    language,
    text: body,
    output: output ?? null,
  }));
}

describe("the programs of the documents", function () {
  this.timeout(60_000);
  const programs = ["README.md", "docs/embedding.md"].flatMap(programsOf);
  let folder = "";

  before(() => {
    folder = mkdtempSync(join(tmpdir(), "perilune-embedder-"));
    mkdirSync(join(folder, "node_modules", "@types"), { recursive: true });
    symlinkSync(ROOT, join(folder, "node_modules", "perilune"));
    symlinkSync(join(ROOT, "node_modules/@types/node"), join(folder, "node_modules/@types/node"));
    symlinkSync(join(ROOT, "node_modules/undici-types"), join(folder, "node_modules/undici-types"));
    writeFileSync(join(folder, "package.json"), '{"type":"module"}');
    const compilerOptions = {
      target: "es2023",
      lib: ["es2023", "esnext.disposable"],
      module: "nodenext",
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      isolatedModules: true,
      verbatimModuleSyntax: true,
      noEmit: true,
      skipLibCheck: false,
      types: ["node"],
    };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
    programs.forEach(({ text, language }, i) => {
      writeFileSync(join(folder, `program${i}.${language}`), text);
      const { code } = transformSync(text, {
        loader: "ts",
        target: "node20.19",
        supported: { "top-level-await": true },
      });
      writeFileSync(join(folder, `program${i}.js`), code);
    });
  });
  after(() => rmSync(folder, { recursive: true }));

  it("fit their types, under strict rules", () => {
    const compiler = join(ROOT, "node_modules/typescript/bin/tsc");
    const { status, stdout } = spawnSync(process.execPath, [compiler, "-p", folder], { encoding: "utf8" });
    expect(stdout).to.equal("");
    expect(status).to.equal(0);
  });

  programs.forEach(({ document, line, output }, i) => {
    it(`${document}:${line} prints what it says`, () => {
      const printed = execFileSync(process.execPath, [join(folder, `program${i}.js`)], {
        encoding: "utf8",
        cwd: folder,
      });
      if (output !== null) expect(printed).to.equal(output);
      else expect(printed).to.not.equal("");
    });
  });
});
