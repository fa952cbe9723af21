/**
 * Restores snapshots in a process that has seen nothing of what they come from. Parent and child speak through one
 * file: `node fresh-process.js FILE` plays every snapshot in it to its end and prints what came out, a line each.
 */

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { argv } from "node:process";
import { fileURLToPath } from "node:url";
import { Store, type TurnOptions } from "../../vm/index.ts";
import { programNamed } from "./corpus.ts";
import { compileCopy, goOn, type Trace } from "./play.ts";

/** One snapshot on its way. */
export interface Parcel {
  readonly program: string;
  readonly turn: TurnOptions;
  readonly bytes: Uint8Array;
  /** What has to come out: {@link remainder} of the program left alone. */
  readonly expected: string;
}

/** All that happens from a pause on, as a hash. */
export function remainder({ pauses, end, fuelUsed, state }: Trace, from: number): string {
  const hash = createHash("sha1").update(new Uint8Array(Float64Array.from(pauses.slice(from)).buffer));
  return hash.update(`${end} ${fuelUsed} ${state}`).digest("base64");
}

/** What differs when the parcels are played in one new process, a line each. */
export function playElsewhere(parcels: readonly Parcel[]): string[] {
  const directory = mkdtempSync(join(tmpdir(), "perilune-"));
  try {
    const file = join(directory, "snapshots");
    const heads = parcels.map(({ program, turn, bytes }) => ({ program, turn, length: bytes.length }));
    const head = Buffer.from(JSON.stringify(heads));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(head.length);
    writeFileSync(file, Buffer.concat([length, head, ...parcels.map(({ bytes }) => bytes)]));
    const script = fileURLToPath(import.meta.url);
    const { stdout, stderr, status } = spawnSync(process.execPath, [script, file], { encoding: "utf8" });
    if (status !== 0) return [`the process ended with ${status}: ${stderr}`];
    const lines = stdout.trimEnd().split("\n");
    return parcels.flatMap(({ program, turn, expected }, index) => {
      const line = lines[index] ?? "nothing";
      return line === expected ? [] : [`${program}, ${JSON.stringify(turn)}, snapshot ${index}: ${line}`];
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function main(file: string): Promise<void> {
  const content = readFileSync(file);
  let at = 4 + content.readUInt32LE(0);
  const heads = JSON.parse(content.toString("utf8", 4, at)) as { program: string; turn: TurnOptions; length: number }[];
  let modules: ReturnType<typeof compileCopy> = [];
  let compiled = "";
  for (const { program: name, turn, length } of heads) {
    const program = programNamed(name);
    if (compiled !== name) modules = compileCopy(program);
    compiled = name;
    const world = program.world();
    const bytes = content.subarray(at, at + length);
    at += length;
    let line: string;
    try {
      const [invocation] = Store.restore(bytes, { ...world, modules }).invocations;
      line = remainder(await goOn(program, invocation!, world, turn, null), 0);
    } catch (error) {
      line = String(error);
    }
    process.stdout.write(`${line}\n`);
  }
}

if (argv[1] === fileURLToPath(import.meta.url)) await main(argv[2] ?? "");
