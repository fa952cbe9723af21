/**
 * Decoding and validating large real modules from npm, each in a process of its own (fresh.ts): MB/s in cold code
 * and warm, the memory that a compiled module keeps and the peak on the way there.
 */

import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { decodeModule } from "../vm/binary/decode.ts";
import { encodeModule } from "../vm/binary/encode.ts";
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
  readonly own: FreshFigures;
  /** MB/s in a fresh process, of the first megabyte alone. */
  readonly firstMegabyte: number;
  /** Median MB/s of V8's own engine, which compiles lazily. */
  readonly native: number;
}

/** Figures of those modules that are installed. */
export function measureModules(repetitions: number): ModuleFigures[] {
  return MODULES.map((path) => ROOT + path)
    .filter(existsSync)
    .map((path) => measureModule(path, repetitions));
}

function measureModule(path: string, repetitions: number): ModuleFigures {
  const bytes = new Uint8Array(readFileSync(path));
  const native = Array.from({ length: repetitions }, () => {
    const start = performance.now();
    new WebAssembly.Module(bytes);
    return bytes.length / 1000 / (performance.now() - start);
  });
  return {
    name: basename(path),
    bytes: bytes.length,
    own: freshFigures(path, repetitions),
    firstMegabyte: freshSpeed(firstMegabyte(bytes)),
    native: median(native),
  };
}

function freshFigures(path: string, repetitions: number): FreshFigures {
  const script = fileURLToPath(new URL("./fresh.js", import.meta.url));
  const output = execFileSync(process.execPath, ["--expose-gc", script, path, String(repetitions)]);
  return JSON.parse(output.toString()) as FreshFigures;
}

/** MB/s of a fresh process on the module's first megabyte. */
function freshSpeed(first: Uint8Array): number {
  const folder = mkdtempSync(join(tmpdir(), "perilune-bench-"));
  try {
    writeFileSync(join(folder, "first.wasm"), first);
    return freshFigures(join(folder, "first.wasm"), 1).speed;
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
  const rows = figures.map(({ name, bytes, own, firstMegabyte, native }) => [
    name,
    (bytes / 1e6).toFixed(2),
    short(own.decode),
    short(own.warm),
    short(firstMegabyte),
    short(own.speed),
    short(native),
    short(own.retained),
    short(own.peak),
  ]);
  return tableText(
    ["module", "MB", "decode", "+ validate", "fresh 1st MB", "fresh all", "V8 MB/s", "retained ×", "peak ×"],
    rows,
  );
}
