/**
 * Random modules of binaryen's fuzzer (`wasm-opt -ttf`), made from seeds. The tool is one script that compiles its
 * own WebAssembly and runs; here it is compiled once and runs as often as it is asked to.
 */

import fs, { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomWords } from "../../vm/testing.ts";
import { ORACLES } from "./v8-process.ts";

/**
 * Features by name. All that both engines have: relaxed SIMD is left out, as its results may differ between
 * engines; so is everything that is no part of 3.0 or threads.
 */
const NEVER = [
  "relaxed-simd",
  "shared-everything",
  "custom-descriptors",
  "strings",
  "fp16",
  "stack-switching",
  "custom-page-sizes",
  "wide-arithmetic",
  "relaxed-atomics",
  "multibyte",
];
/** Left out for some seeds, so that the others' instructions are denser. */
const SOMETIMES = [
  ["gc"],
  ["exception-handling"],
  ["simd"],
  ["threads"],
  ["memory64", "multimemory"],
  ["tail-call"],
  ["gc", "exception-handling", "simd"],
  ["threads", "simd", "memory64"],
];
const LEAST_BYTES = 200;
/** Of the input, unless asked for: the module has half as many. */
export const INPUT_BYTES = 6_000;

interface FuzzerOptions {
  readonly args: readonly string[];
  readonly input: Uint8Array;
}

/** What the tool is run with for a seed, with an input of at most so many bytes. */
function optionsOf(seed: number, inputBytes: number): FuzzerOptions {
  const next = randomWords(seed);
  const left = next() % 2 === 0 ? [] : SOMETIMES[next() % SOMETIMES.length]!;
  const args = ["-all", ...[...NEVER, ...left].map((name) => `--disable-${name}`), "-ttf"];
  if (next() % 3 === 0) args.push("--fuzz-passes");
  // Which bits a NaN has differs between engines, and flows everywhere: here it becomes 0.
  args.push("--denan");
  const input = Uint8Array.from({ length: LEAST_BYTES + (next() % (inputBytes - LEAST_BYTES)) }, () => next());
  // The fuzzer makes the older instructions for exceptions; most seeds have the newer ones, which mean the same.
  if (next() % 4 !== 0) args.push("--emit-exnref");
  return { args, input };
}

/** The tool's JavaScript as a function of what it finds around it, so that it can run many times in one process. */
type Script = (
  program: {
    readonly arguments: readonly string[];
    readonly print: () => void;
    readonly printErr: () => void;
    readonly postRun: () => void;
    readonly instantiateWasm?: (
      imports: WebAssembly.Imports,
      receive: (instance: WebAssembly.Instance) => void,
    ) => object;
  },
  webAssembly: object,
  process: object,
  require: (name: string) => unknown,
  folder: string,
) => void;

export class Fuzzer {
  readonly #folder = mkdtempSync(join(tmpdir(), "perilune-fuzzer-"));
  readonly #script: Script;
  readonly #compiled: WebAssembly.Module;

  private constructor(script: Script, compiled: WebAssembly.Module) {
    this.#script = script;
    this.#compiled = compiled;
  }

  /** Reads the tool and compiles what is in it, by asking for its version. */
  static async load(): Promise<Fuzzer> {
    const source = readFileSync(join(ORACLES, "binaryen", "bin", "wasm-opt"), "utf8").replace(/^#!.*\n/, "");
    const names = ["Module", "WebAssembly", "process", "require", "__dirname"];
    const script = new Function(...names, source) as Script;
    const compiled = await new Promise<WebAssembly.Module>((resolve) => {
      const instantiate = async (bytes: Uint8Array, imports: WebAssembly.Imports): Promise<object> => {
        const module = await WebAssembly.compile(bytes);
        resolve(module);
        return { module, instance: await WebAssembly.instantiate(module, imports) };
      };
      const host = Object.create(WebAssembly, { instantiate: { value: instantiate } }) as object;
      run(script, ["--version"], host);
    });
    return new Fuzzer(script, compiled);
  }

  close(): void {
    rmSync(this.#folder, { recursive: true });
  }

  /** The module of a seed, or null where the tool fails. */
  module(seed: number, inputBytes = INPUT_BYTES): Uint8Array | null {
    const { args, input } = optionsOf(seed, inputBytes);
    const [from, to] = [join(this.#folder, "in"), join(this.#folder, "out.wasm")];
    writeFileSync(from, input);
    rmSync(to, { force: true });
    try {
      run(this.#script, [from, ...args, "-o", to], WebAssembly, this.#compiled);
      return readFileSync(to);
    } catch {
      return null;
    }
  }
}

/** The file system without the streams that the tool prints to. */
const QUIET_FILES = Object.create(fs, {
  writeSync: {
    value: (fd: number, bytes: Uint8Array, offset: number, length: number, position: number | null) =>
      fd <= 2 ? length : fs.writeSync(fd, bytes, offset, length, position),
  },
}) as typeof fs;

function run(script: Script, args: readonly string[], host: object, compiled: WebAssembly.Module | null = null): void {
  const silent = (): void => undefined;
  const program = { arguments: [...args], print: silent, printErr: silent, postRun: silent };
  const instantiateWasm = (imports: WebAssembly.Imports, receive: (instance: WebAssembly.Instance) => void): object => {
    receive(new WebAssembly.Instance(compiled!, imports));
    return {};
  };
  // The tool sets the exit code of its process.
  const own = Object.create(process, { exitCode: { value: 0, writable: true } }) as object;
  const load = (name: string): unknown => (name === "node:fs" ? QUIET_FILES : createRequire(import.meta.url)(name));
  script(compiled === null ? program : { ...program, instantiateWasm }, host, own, load, ORACLES);
}
