/**
 * Where modules come from: files or standard input, binary or text, told apart by their content.
 * Everything that is no core module ends here with one clear line.
 */

import { readFile, stat } from "node:fs/promises";
import {
  compile,
  CompileError,
  LimitAccountant,
  Termination,
  type CompiledModule,
  type Engine,
  type Proposal,
  type ResourceKind,
} from "../vm/index.ts";
import { UsageError } from "./exit.ts";
import { systemText } from "./system-text.ts";

/** The largest file that is read at all; the engine's limit on modules is the same. */
const MAX_FILE_BYTES = 1_073_741_824;
/** The second half of the version field of a component. */
const COMPONENT_LAYER = 1;

/** For messages: the file, or what "-" stands for. */
export function displayName(path: string): string {
  return path === "-" ? "standard input" : path;
}

/**
 * The bytes of a binary module; text is translated. Throws a UsageError for what is no module at
 * all, and a CompileError for text that is malformed. The binary itself is not looked at further.
 */
export async function readModule(path: string, proposals: ReadonlySet<Proposal> = new Set()): Promise<Uint8Array> {
  const bytes = await readBytes(path);
  if (bytes.length === 0) throw new UsageError("the file is empty, not a WebAssembly module");
  if (hasMagic(bytes)) {
    if (bytes.length >= 8 && (bytes[6]! | (bytes[7]! << 8)) === COMPONENT_LAYER) {
      throw new UsageError("this is a WebAssembly component; only core modules are supported");
    }
    return bytes;
  }
  const text = textOf(bytes);
  if (text === null) return bytes;
  if (!/^(?:\s|;;[^\n]*)*\(/.test(text)) {
    throw new UsageError("neither a WebAssembly binary (magic header not detected) nor its text format");
  }
  const { textToBinary } = await import("../vm/text/to-binary.ts");
  const binary = textToBinary(text, { proposals });
  texts.set(binary, text);
  return binary;
}

/** What binaries were written as, for errors. */
const texts = new WeakMap<Uint8Array, string>();

export interface ModuleOptions {
  readonly engine?: Engine;
  readonly signal?: AbortSignal;
  /** The most that the module may take, its bytes among them. */
  readonly maxBytes?: number;
}

/** What compiling may take, which an error of compiling does not tell from the engine's own limits. */
class CompileAccountant extends LimitAccountant {
  /** Of the last that was asked for. */
  isRefused = false;

  override reserve(kind: ResourceKind, byteLength: number): boolean {
    this.isRefused = !super.reserve(kind, byteLength);
    return !this.isRefused;
  }
}

/**
 * Compiles what {@link readModule} has read. What is invalid in a text is named by line and column. Throws a Termination
 * where `maxBytes` is what is in the way.
 */
export async function compileModule(
  bytes: Uint8Array,
  { maxBytes = Number.MAX_SAFE_INTEGER, ...options }: ModuleOptions = {},
): Promise<CompiledModule> {
  const accountant = new CompileAccountant(Math.max(0, maxBytes - bytes.length));
  try {
    return await compile(bytes, { ...options, accountant });
  } catch (error) {
    if (error instanceof CompileError && error.kind === "limit" && accountant.isRefused) {
      throw new Termination("memory limit", error.reason);
    }
    const text = texts.get(bytes);
    if (!(error instanceof CompileError) || text === undefined) throw error;
    const { invalidText } = await import("../vm/text/places.ts");
    const placed = invalidText(text, { proposals: options.engine?.proposals ?? new Set() });
    throw placed?.line !== undefined && placed.reason === error.reason ? placed : error;
  }
}

/** The content of a file, or of standard input for "-". Throws a UsageError when it cannot be read. */
export async function readBytes(path: string): Promise<Uint8Array> {
  try {
    if (path === "-") return await readStandardInput();
    const { size } = await stat(path);
    if (size > MAX_FILE_BYTES) throw new UsageError("the file is larger than a module or a saved run may be");
    return await readFile(path);
  } catch (error) {
    if (error instanceof UsageError || !(error instanceof Error) || !("code" in error)) throw error;
    throw new UsageError(systemText(error, "file"));
  }
}

async function readStandardInput(): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let byteLength = 0;
  for await (const chunk of process.stdin) {
    const bytes = chunk as Uint8Array;
    byteLength += bytes.length;
    if (byteLength > MAX_FILE_BYTES) throw new UsageError("more input than a module or a saved run may have");
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

function hasMagic(bytes: Uint8Array): boolean {
  return bytes[0] === 0x00 && bytes[1] === 0x61 && bytes[2] === 0x73 && bytes[3] === 0x6d;
}

/** Null for bytes that are no text in UTF-8. */
function textOf(bytes: Uint8Array): string | null {
  if (bytes.includes(0)) return null;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}
