/**
 * Decoding and validating large real modules from npm: MB/s warm in this process, and in a process of its own
 * (fresh.ts) the speed of cold code, the memory that a compiled module keeps and the peak on the way there.
 */

import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { decodeModule } from "../vm/binary/decode.ts";
import { encodeModule } from "../vm/binary/encode.ts";
import { compileSync, Engine } from "../vm/index.ts";
import type { FreshFigures } from "./fresh.ts";
import { median, short, tableText } from "./harness.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Those under spec-tests/oracles are there after `npm run oracles:install`. */
const MODULES = [
  "node_modules/source-map/lib/mappings.wasm",
  "node_modules/quickjs-wasi/quickjs.wasm",
  "spec-tests/oracles/node_modules/@bytecodealliance/jco-transpile/vendor/wasm-tools.core.wasm",
  "spec-tests/oracles/node_modules/@bytecodealliance/jco-transpile/vendor/js-component-bindgen-component.core.wasm",
  "spec-tests/oracles/node_modules/esbuild-wasm/esbuild.wasm",
  "spec-tests/oracles/node_modules/@ruby/3.4-wasm-wasi/dist/ruby.wasm",
  "spec-tests/oracles/node_modules/@ruby/3.4-wasm-wasi/dist/ruby+stdlib.wasm",
];

export interface ModuleFigures {
  readonly name: string;
  readonly bytes: number;
  /** Median MB/s in a process that has done it before. */
  readonly decode: number;
  readonly decodeAndValidate: number;
  readonly native: number;
  /** MB/s in a fresh process, of the first megabyte alone. */
  readonly firstMegabyte: number;
  readonly fresh: FreshFigures;
}

/** Figures of those modules that are installed. */
export function measureModules(repetitions: number): ModuleFigures[] {
  return MODULES.map((path) => ROOT + path)
    .filter(existsSync)
    .map((path) => measureModule(path, repetitions));
}

function measureModule(path: string, repetitions: number): ModuleFigures {
  const bytes = new Uint8Array(readFileSync(path));
  // Small modules several times per measurement, or the clock shows noise.
  const times = Math.max(1, Math.round(500_000 / bytes.length));
  const speed = (work: () => void): number => {
    work();
    const speeds = Array.from({ length: repetitions }, () => {
      const start = performance.now();
      for (let i = 0; i < times; i++) work();
      return (bytes.length * times) / 1000 / (performance.now() - start);
    });
    return median(speeds);
  };
  return {
    name: basename(path),
    bytes: bytes.length,
    decode: speed(() => void decodeModule(bytes)),
    decodeAndValidate: speed(() => void compileSync(bytes, { engine: new Engine({}) })),
    native: speed(() => void new WebAssembly.Module(bytes)),
    firstMegabyte: freshSpeed(firstMegabyte(bytes)),
    fresh: freshFigures(path),
  };
}

function freshFigures(path: string): FreshFigures {
  const script = fileURLToPath(new URL("./fresh.js", import.meta.url));
  return JSON.parse(execFileSync(process.execPath, ["--expose-gc", script, path]).toString()) as FreshFigures;
}

/** MB/s of a fresh process on the module's first megabyte. */
function freshSpeed(first: Uint8Array): number {
  const folder = mkdtempSync(join(tmpdir(), "perilune-bench-"));
  try {
    writeFileSync(join(folder, "first.wasm"), first);
    return freshFigures(join(folder, "first.wasm")).speed;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The module with the bodies of about its first megabyte of code; those after it are `unreachable`. */
function firstMegabyte(bytes: Uint8Array): Uint8Array {
  const module = decodeModule(bytes);
  const unreachable = Uint8Array.of(0, 0x00, 0x0b);
  const extended = new Uint8Array(bytes.length + unreachable.length);
  extended.set(bytes);
  extended.set(unreachable, bytes.length);
  const bodyStarts = module.bodyStarts.slice();
  const bodyEnds = module.bodyEnds.slice();
  let length = 0;
  for (let i = 0; i < bodyStarts.length; i++) {
    length += bodyEnds[i]! - bodyStarts[i]!;
    if (length <= 1_000_000) continue;
    bodyStarts[i] = bytes.length;
    bodyEnds[i] = extended.length;
  }
  const data = module.dataCount === null ? [] : module.data;
  return encodeModule({ ...module, bytes: extended, bodyStarts, bodyEnds, data, customs: [] });
}

export function moduleTableText(figures: readonly ModuleFigures[]): string {
  const rows = figures.map(({ name, bytes, decode, decodeAndValidate, native, firstMegabyte, fresh }) => [
    name,
    (bytes / 1e6).toFixed(2),
    short(decode),
    short(decodeAndValidate),
    short(firstMegabyte),
    short(fresh.speed),
    short(native),
    short(fresh.retained),
    short(fresh.peak),
  ]);
  return tableText(
    ["module", "MB", "decode", "+ validate", "fresh 1st MB", "fresh all", "V8 MB/s", "retained ×", "peak ×"],
    rows,
  );
}
