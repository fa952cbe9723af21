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
/** A smaller amount of work than the benchmark's: both engines must agree on it. */
const SMALL = 5;

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

  it("the committed modules are what their sources compile to", function () {
    const version = spawnSync("clang-19", ["--version"], { encoding: "utf8" }).stdout ?? "";
    if (!version.includes("19.1.7") || !existsSync(WASI_LIBC)) {
      process.stdout.write("    skipped: needs Debian's clang-19 (19.1.7), lld-19 and wasi-libc\n");
      this.skip();
    }
    this.timeout(60_000);
    const folder = mkdtempSync(join(tmpdir(), "perilune-guests-"));
    try {
      execFileSync(join(GUESTS, "build.sh"), [folder], { stdio: "pipe" });
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
