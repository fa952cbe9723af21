/** The layers of docs/architecture.md hold: read off the import lines of every source file. */

import { expect } from "chai";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const FOLDERS = ["vm", "host", "cli", "spec-tests", "bench", "examples"];

interface ImportLine {
  /** As written, or relative to the root of the checkout if it is a file of ours. */
  readonly target: string;
  readonly ours: boolean;
  /** Written `import(…)`: loaded when it is needed. */
  readonly lazy: boolean;
  /** Written `import type`: gone in the compiled file. */
  readonly typesOnly: boolean;
}

interface SourceFile {
  readonly path: string;
  readonly text: string;
  readonly imports: readonly ImportLine[];
}

const FILES: readonly SourceFile[] = FOLDERS.flatMap((folder) => sourcePaths(folder)).map(readSource);
const isTest = (path: string): boolean => path.endsWith(".test.ts");
const TEST_FOLDERS = [
  "vm/testing",
  "vm/snapshot/testing",
  "host/adversary/arena",
  "host/testing-heap-prices",
  "spec-tests/snapshots/",
  "spec-tests/differential/",
];
/** Tests, and what only tests import. */
const isForTests = (path: string): boolean => isTest(path) || TEST_FOLDERS.some((start) => path.startsWith(start));
const sources = (folder: string): SourceFile[] =>
  FILES.filter(({ path }) => path.startsWith(`${folder}/`) && !isForTests(path));
const tests = (folder: string): SourceFile[] =>
  FILES.filter(({ path }) => path.startsWith(`${folder}/`) && isTest(path));

function sourcePaths(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return entry.name === "node_modules" ? [] : sourcePaths(path);
    return path.endsWith(".ts") && !path.endsWith(".d.ts") ? [path] : [];
  });
}

function readSource(path: string): SourceFile {
  const text = withoutComments(readFileSync(join(ROOT, path), "utf8"));
  const imports: ImportLine[] = [];
  for (const match of text.matchAll(/^(?:import|export)\s(?:[\w$*,{}\s]+?\sfrom\s)?\s*["']([^"'\n]+)["'];/gm)) {
    imports.push(importLine(path, match[1] ?? "", false, /^(?:import|export) type\b/.test(match[0])));
  }
  for (const match of text.matchAll(/\bimport\(\s*["']([^"']+)["']/g)) {
    imports.push(importLine(path, match[1] ?? "", true, false));
  }
  return { path, text, imports };
}

function importLine(path: string, specifier: string, lazy: boolean, typesOnly: boolean): ImportLine {
  const ours = specifier.startsWith(".");
  return { target: ours ? posix.join(posix.dirname(path), specifier) : specifier, ours, lazy, typesOnly };
}

/** Strings are matched first, so that `"//"` begins no comment. */
function withoutComments(text: string): string {
  const tokens = /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\[\s\S])*`|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;
  return text.replace(tokens, (token) => (token.startsWith("/") ? "" : token));
}

/** "file -> import" of every import line that `allowed` refuses. */
function offences(files: readonly SourceFile[], allowed: (line: ImportLine, file: SourceFile) => boolean): string[] {
  return files.flatMap((file) =>
    file.imports.filter((line) => !allowed(line, file)).map((line) => `${file.path} -> ${line.target}`),
  );
}

const inFolder = ({ target, ours }: ImportLine, ...folders: string[]): boolean =>
  ours && folders.some((folder) => target.startsWith(`${folder}/`));
const isPackage = ({ target, ours }: ImportLine): boolean => !ours && !target.startsWith("node:");
const isNode = ({ target, ours }: ImportLine): boolean => !ours && target.startsWith("node:");
const isVmApi = ({ target }: ImportLine): boolean => target === "vm/index.ts";
const isVmForUs = ({ target }: ImportLine): boolean => target === "vm/internal.ts";
const isTextApi = ({ target }: ImportLine): boolean => target === "vm/text/index.ts";
const isHostApi = ({ target }: ImportLine): boolean =>
  ["host/index.ts", "host/single.ts"].includes(target) || target.startsWith("host/node/");

describe("layers", () => {
  it("vm imports vm and nothing else", () => {
    expect(offences(sources("vm"), (line) => inFolder(line, "vm"))).to.deep.equal([]);
  });

  it("vm's stages import only the stages below them, apart from types", () => {
    const layer = (path: string): number => {
      const [, name = "", inside] = path.split("/");
      const place = inside === undefined ? name.replace(/\.ts$/, "") : name;
      const found = VM_LAYERS.findIndex((names) => names.includes(place));
      expect(found, `${path} has no place in VM_LAYERS`).to.not.equal(-1);
      return found;
    };
    expect(
      offences(sources("vm"), (line, { path }) => !line.ours || line.typesOnly || layer(line.target) <= layer(path)),
    ).to.deep.equal([]);
  });

  it("only tests import test files, vm/testing.ts and vm/testing/", () => {
    const files = FILES.filter(({ path }) => !isForTests(path));
    expect(offences(files, ({ target }) => !isForTests(target))).to.deep.equal([]);
  });

  it("host sees vm through its index and what it exports for us alone, and the platform in host/node alone", () => {
    const allowed = (line: ImportLine, { path }: SourceFile): boolean =>
      inFolder(line, "host") ||
      isVmApi(line) ||
      isVmForUs(line) ||
      (path.startsWith("host/node/") && (isNode(line) || isPackage(line))) ||
      (path.endsWith("/testing.ts") && isTextApi(line));
    expect(offences(sources("host"), allowed)).to.deep.equal([]);
  });

  it("cli uses host and vm, and loads spec-tests only when asked", () => {
    const allowed = (line: ImportLine): boolean =>
      inFolder(line, "cli", "vm") || isHostApi(line) || !line.ours || (inFolder(line, "spec-tests") && line.lazy);
    expect(offences(sources("cli"), allowed)).to.deep.equal([]);
  });

  it("spec-tests uses vm, and of it the index and the stages under test", () => {
    expect(offences(sources("spec-tests"), (line) => inFolder(line, "spec-tests", "vm") || !line.ours)).to.deep.equal(
      [],
    );
  });

  it("the campaign of snapshots uses what it saves: programs of vm and of host", () => {
    const files = FILES.filter(({ path }) => path.startsWith("spec-tests/snapshots/"));
    expect(offences(files, (line) => inFolder(line, "spec-tests", "vm", "host") || !line.ours)).to.deep.equal([]);
  });

  it("bench uses vm and host", () => {
    expect(offences(sources("bench"), (line) => inFolder(line, "bench", "vm", "host") || !line.ours)).to.deep.equal([]);
  });

  it("examples use what an embedder can", () => {
    const allowed = (line: ImportLine): boolean =>
      isVmApi(line) || isTextApi(line) || isHostApi(line) || inFolder(line, "examples") || !line.ours;
    expect(offences(sources("examples"), allowed)).to.deep.equal([]);
  });

  it("tests import their own layer and those below", () => {
    const below: Record<string, string[]> = {
      vm: ["vm"],
      host: ["host", "vm"],
      cli: ["cli", "host", "vm", "spec-tests"],
      "spec-tests": ["spec-tests", "vm"],
      "spec-tests/snapshots": ["spec-tests", "vm", "host"],
      bench: ["bench", "host", "vm"],
      examples: ["examples", "host", "vm"],
    };
    for (const [folder, folders] of Object.entries(below)) {
      expect(offences(tests(folder), (line) => !line.ours || inFolder(line, ...folders))).to.deep.equal([]);
    }
  });

  it("run-time files import only packages that npm installs for users, and optional ones lazily", () => {
    const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
      dependencies: Record<string, string>;
      peerDependencies: Record<string, string>;
    };
    const files = [...sources("vm"), ...sources("host"), ...sources("cli")];
    const packageOf = (target: string): string => target.split("/", target.startsWith("@") ? 2 : 1).join("/");
    expect(
      offences(
        files,
        (line) =>
          !isPackage(line) ||
          packageOf(line.target) in manifest.dependencies ||
          // Optional ones are loaded when somebody asks for what needs them.
          ((line.lazy || line.typesOnly) && packageOf(line.target) in manifest.peerDependencies),
      ),
    ).to.deep.equal([]);
  });

  it("the host's own engine is used in tests, spec-tests and bench alone", () => {
    const mentions = /\bWebAssembly\s*\.\s*\w|\bglobalThis\s*\.\s*WebAssembly|\[\s*["'`]WebAssembly["'`]\s*\]/;
    const files = [...sources("vm"), ...sources("host"), ...sources("cli"), ...sources("examples")];
    expect(files.filter(({ text }) => mentions.test(text)).map(({ path }) => path)).to.deep.equal([]);
  });

  it("vm and host do without eval", () => {
    const files = [...sources("vm"), ...sources("host")];
    expect(files.filter(({ text }) => /\beval\(|new Function\(/.test(text)).map(({ path }) => path)).to.deep.equal([]);
  });
});

/** The files and folders of vm from the bottom; those of one line may use each other. */
const VM_LAYERS: readonly (readonly string[])[] = [
  [
    "types",
    "proposals",
    "opcodes",
    "opcodes-simd",
    "instruction",
    "module",
    "layouts",
    "errors",
    "limits",
    "options",
    "doubles",
    "event-loop",
    "abort",
    "footprint",
    "type-uses",
    "type-registry",
    "engine",
  ],
  ["binary"],
  ["validate", "text"],
  ["lower"],
  ["module-parts"],
  ["compiled-module"],
  // Objects of the store and what runs on them: `Instance.call` begins an invocation, which changes instances.
  ["runtime", "execute", "snapshot"],
  ["compile", "index", "internal", "testing"],
];

describe("docs/architecture.md", () => {
  it("has one line for every source file, and for no other", () => {
    const text = readFileSync(join(ROOT, "docs", "architecture.md"), "utf8");
    const listed = [...text.matchAll(/^- `([^`]+\.ts)`: \S/gm)].map((match) => match[1] ?? "");
    const existing = FILES.map(({ path }) => path).filter((path) => !isTest(path) && !path.startsWith("examples/"));
    expect(listed.toSorted()).to.deep.equal(existing.toSorted());
  });
});
