/** The command line of `npm run spec`: which scripts, and how they are run. */

import { parseArgs } from "node:util";

/** How much fuel a turn gets: all there is, or `fuel` up to a safe point or to the exact instruction. */
export type Mode =
  | { readonly kind: "unlimited" }
  | { readonly kind: "slice"; readonly fuel: number }
  | { readonly kind: "exact"; readonly fuel: number }
  /** Turns of both kinds; at some pauses everything is saved, and goes on in a restored store. */
  | { readonly kind: "snapshots"; readonly fuel: number };

/** The modes whose results and fuel have to agree. */
export const COMPARED_MODES: readonly Mode[] = [
  { kind: "unlimited" },
  { kind: "slice", fuel: 1000 },
  { kind: "exact", fuel: 1 },
  { kind: "exact", fuel: 2 },
  { kind: "exact", fuel: 7 },
];

export function modeText(mode: Mode): string {
  return mode.kind === "unlimited" ? "unlimited" : `${mode.kind} ${mode.fuel}`;
}

export interface Options {
  /** Folders of the suite, files of the suite, or paths; empty: the default folders. */
  readonly words: readonly string[];
  readonly mode: Mode;
  readonly lowering: "eager" | "lazy";
  readonly validateOnly: boolean;
  readonly compare: boolean;
  /** Where to write the results for machines, or null. */
  readonly json: string | null;
  /** Failures to show. */
  readonly failures: number;
  readonly help: boolean;
}

export const USAGE = `npm run spec -- [options] [folders or files …]

  --folder NAMES     folders of the suite, separated by commas (as words do)
  --unlimited        each action in one turn (the default)
  --slice FUEL       turns of FUEL, each ending at a safe point
  --exact FUEL       turns of FUEL, each ending at that very instruction
  --snapshots FUEL   turns of FUEL; after 1, 4, 16 … pauses of each action the store with all that runs is saved,
                     and goes on as another one. Compared with --unlimited
  --eager, --lazy    lower all bodies at once, or each at its first call (the default)
  --validate-only    malformed, invalid and valid modules only; nothing is executed
  --compare          unlimited, slice 1000, exact 1, 2 and 7, eager and lazy: equal results and fuel
  --json FILE        results for machines
  --failures COUNT   failures to list (50)

Words are folders of the suite (core, simd, …), its files, or paths of .wast files and folders.
Without words: all of WebAssembly 3.0, custom, threads, and proposals that engines can be asked to accept. Fuel counts as the price table says.
The suite's data is found through SPEC_TESTSUITE, or in shared/spec-testsuite beside the checkout.`;

/** Throws a RangeError or TypeError that says what is wrong. */
export function parseOptions(args: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      folder: { type: "string", multiple: true },
      unlimited: { type: "boolean" },
      slice: { type: "string" },
      exact: { type: "string" },
      snapshots: { type: "string" },
      eager: { type: "boolean" },
      lazy: { type: "boolean" },
      "validate-only": { type: "boolean" },
      compare: { type: "boolean" },
      json: { type: "string" },
      failures: { type: "string" },
      help: { type: "boolean", short: "h" },
    },
  });
  const modes: Mode[] = [];
  if (values.unlimited) modes.push({ kind: "unlimited" });
  if (values.slice !== undefined) modes.push({ kind: "slice", fuel: count("--slice", values.slice) });
  if (values.exact !== undefined) modes.push({ kind: "exact", fuel: count("--exact", values.exact) });
  if (values.snapshots !== undefined) {
    modes.push({ kind: "snapshots", fuel: count("--snapshots", values.snapshots) });
  }
  if (modes.length > 1) throw new RangeError("--unlimited, --slice, --exact and --snapshots exclude each other");
  if (values.eager && values.lazy) throw new RangeError("--eager and --lazy exclude each other");
  return {
    words: [...(values.folder ?? []).flatMap((names) => names.split(",")), ...positionals],
    mode: modes[0] ?? { kind: "unlimited" },
    lowering: values.eager ? "eager" : "lazy",
    validateOnly: values["validate-only"] ?? false,
    compare: values.compare ?? false,
    json: values.json ?? null,
    failures: values.failures === undefined ? 50 : count("--failures", values.failures),
    help: values.help ?? false,
  };
}

function count(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new RangeError(`${option} needs a whole number above 0, not ${text}`);
  return value;
}
