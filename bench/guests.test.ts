import { expect } from "chai";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { nativeRun, ownRun } from "./engines.ts";
import { KERNELS, kernelBytes, VECTOR_KERNELS } from "./kernels.ts";

const GUESTS = fileURLToPath(new URL("../../guests/", import.meta.url));
const WASI_LIBC = "/usr/include/wasm32-wasi/stdio.h";
/** Whose bytes are committed. */
const COMMITTED_BY = "19.1.7";
/** The first of them that can make a module is taken. */
const COMPILERS = [
  process.env["CLANG"] ?? "clang-19",
  "clang",
  "clang-22",
  "clang-21",
  "clang-20",
  "clang-18",
  "clang-17",
];
/** A smaller amount of work than the benchmark's: both engines must agree on it. */
const SMALL = 5;

/** The name and version of a clang that compiles and links for wasm32. */
function findCompiler(folder: string): { readonly clang: string; readonly version: string } | null {
  const args = "--target=wasm32 -nostdlib -Wl,--no-entry -Wl,--export=run -x c -o".split(" ");
  for (const clang of COMPILERS) {
    const input = "int run(int n) { return n; }";
    const { status } = spawnSync(clang, [...args, join(folder, "probe.wasm"), "-"], { input });
    if (status !== 0) continue;
    const text = spawnSync(clang, ["--version"], { encoding: "utf8" }).stdout;
    return { clang, version: /version (\S+)/.exec(text)?.[1] ?? "" };
  }
  return null;
}

describe("guests", () => {
  it("every kernel of guests/c is in the benchmark's list", () => {
    const sources = ["", "simd/"].flatMap((folder) =>
      readdirSync(join(GUESTS, "c", folder))
        .filter((name) => name.endsWith(".c"))
        .map((name) => folder + name),
    );
    const kernels = [...KERNELS, ...VECTOR_KERNELS];
    expect(kernels.map(({ name }) => `${name}.c`).sort()).to.deep.equal(sources.sort());
  });

  for (const { name, n, checksum } of [...KERNELS, ...VECTOR_KERNELS]) {
    it(`${name} gives its checksum by the host's engine`, () => {
      expect(nativeRun(kernelBytes(name))(n)).to.equal(checksum);
    });

    it(`${name} gives the same by ours, in one turn and in turns of 1000 fuel`, () => {
      const expected = nativeRun(kernelBytes(name))(SMALL);
      const unlimited = ownRun(kernelBytes(name));
      const sliced = ownRun(kernelBytes(name), 1000);
      expect(unlimited.run(SMALL)).to.equal(expected);
      expect(sliced.run(SMALL)).to.equal(expected);
      expect(sliced.fuelUsed()).to.equal(unlimited.fuelUsed());
    });
  }

  it("programs stay below 100 KB", () => {
    for (const folder of ["wasm", "wasm/wasi"]) {
      const files = readdirSync(join(GUESTS, folder)).filter((name) => name.endsWith(".wasm"));
      expect(files).to.not.deep.equal([]);
      for (const name of files) expect(statSync(join(GUESTS, folder, name)).size, name).to.be.below(100_000);
    }
  });

  it("the committed modules are what their sources compile to; another clang's do the same", function () {
    this.timeout(60_000);
    const folder = mkdtempSync(join(tmpdir(), "perilune-guests-"));
    try {
      const compiler = findCompiler(folder);
      if (compiler === null) {
        process.stdout.write(
          "    skipped: needs a clang with the target wasm32 and its linker, such as clang-19 and lld-19\n",
        );
        return this.skip();
      }
      const hasLibrary = existsSync(WASI_LIBC);
      const isCommitted = compiler.version.startsWith(COMMITTED_BY) && hasLibrary;
      const build = [folder, ...(hasLibrary ? [] : ["kernels"])];
      execFileSync(join(GUESTS, "build.sh"), build, { stdio: "pipe", env: { ...process.env, CLANG: compiler.clang } });
      if (!isCommitted) {
        process.stdout.write(
          `    clang ${compiler.version} in place of ${COMMITTED_BY}: results are compared, not bytes\n`,
        );
        for (const { name } of [...KERNELS, ...VECTOR_KERNELS]) {
          const rebuilt = new Uint8Array(readFileSync(join(folder, `${name}.wasm`)));
          expect(ownRun(rebuilt).run(SMALL), name).to.equal(nativeRun(kernelBytes(name))(SMALL));
        }
        return;
      }
      const programs = readdirSync(join(GUESTS, "c/lunatic")).filter((name) => name.endsWith(".c"));
      const lunatic = programs.map((name) => `lunatic/${name.replace(/\.c$/, ".wasm")}`);
      for (const path of [
        ...modules(""),
        ...modules("simd/"),
        ...modules("wasi/"),
        ...modules("threads/"),
        ...lunatic,
      ]) {
        const rebuilt = readFileSync(join(folder, path));
        expect(rebuilt.equals(readFileSync(join(GUESTS, "wasm", path))), path).to.equal(true);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  function modules(folder: string): string[] {
    const files = readdirSync(join(GUESTS, "wasm", folder)).filter((name) => name.endsWith(".wasm"));
    return files.map((name) => folder + name);
  }
});
