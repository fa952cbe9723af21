/**
 * A run that is saved in a file: the module, the snapshot of its store, and where the command stood. Whoever has the
 * file can go on with it; what the program was given of this machine has to be given again.
 */

import { writeFile } from "node:fs/promises";
import { OptionError, UsageError } from "./exit.ts";
import { readBytes } from "./input.ts";
import { systemText } from "./system-text.ts";

/** What the command was doing, in this order. */
export type Phase = "instantiation" | "initialize" | "start" | "invoke";

const PHASES: readonly Phase[] = ["instantiation", "initialize", "start", "invoke"];

export interface SavedRun {
  /** As the program knows itself. */
  readonly file: string;
  readonly args: readonly string[];
  readonly proposals: readonly string[];
  /** The function that is called, if it is no program. */
  readonly invoke: string | null;
  readonly phase: Phase;
  /** Used by all that has run so far. */
  readonly fuel: number;
  /** The guest's names of its directories, in order. */
  readonly preopens: readonly string[];
  readonly module: Uint8Array;
  readonly snapshot: Uint8Array;
  /** What the command had taken from its input, and the program had not read. */
  readonly input: Uint8Array;
}

const MAGIC = new TextEncoder().encode("PLRUN\u0002");

/** The file holds the magic, and four parts with their lengths in four bytes: a JSON text, the module, the snapshot, the input. Throws a UsageError where it cannot be written. */
export async function writeRun(path: string, { module, snapshot, input, ...head }: SavedRun): Promise<void> {
  const parts = [new TextEncoder().encode(JSON.stringify(head)), module, snapshot, input];
  const lengths = parts.map(({ length }) => {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, length, true);
    return bytes;
  });
  try {
    await writeFile(path, Buffer.concat([MAGIC, ...parts.flatMap((part, i) => [lengths[i]!, part])]));
  } catch (error) {
    throw new UsageError(`cannot be written: ${systemText(error, "directory")}`);
  }
}

/** Throws a UsageError for a file that cannot be read or is no saved run. */
export async function readRun(path: string): Promise<SavedRun> {
  const bytes = await readBytes(path);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (MAGIC.some((byte, i) => bytes[i] !== byte)) throw new UsageError("this is no saved run");
  let at = MAGIC.length;
  const part = (): Uint8Array => {
    const length = at + 4 <= bytes.length ? view.getUint32(at, true) : Number.POSITIVE_INFINITY;
    const start = at + 4;
    at = start + length;
    if (at > bytes.length) throw new UsageError("the saved run is cut off");
    return bytes.subarray(start, at);
  };
  const head = headOf(part());
  return { ...head, module: part(), snapshot: part(), input: part() };
}

function headOf(bytes: Uint8Array): Omit<SavedRun, "module" | "snapshot" | "input"> {
  let head: unknown;
  try {
    head = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    head = null;
  }
  if (typeof head !== "object" || head === null) throw new UsageError("the saved run is damaged");
  const { file, args, proposals, invoke, phase, fuel, preopens } = head as Record<string, unknown>;
  const isTexts = (list: unknown): list is string[] =>
    Array.isArray(list) && list.every((each) => typeof each === "string");
  const known = PHASES.find((each) => each === phase);
  if (
    typeof file !== "string" ||
    !isTexts(args) ||
    !isTexts(proposals) ||
    !isTexts(preopens) ||
    (invoke !== null && typeof invoke !== "string") ||
    known === undefined ||
    typeof fuel !== "number" ||
    !(Number.isSafeInteger(fuel) && fuel >= 0)
  ) {
    throw new UsageError("the saved run is damaged");
  }
  return { file, args, proposals, invoke, phase: known, fuel, preopens };
}

/** "1e6:FILE": when, and where to. Throws a UsageError. */
export function parseSnapshotAt(text: string): { readonly fuel: number; readonly path: string } {
  const colon = text.indexOf(":");
  const fuel = Number(text.slice(0, Math.max(0, colon)).replaceAll("_", ""));
  const path = text.slice(colon + 1);
  if (colon <= 0 || path === "" || !Number.isSafeInteger(fuel) || fuel < 1) {
    throw new OptionError(`--snapshot-at needs FUEL:FILE, such as 1e6:run.snapshot, not '${text}'`);
  }
  return { fuel, path };
}
