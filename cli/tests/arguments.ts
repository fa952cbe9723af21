/** The arguments of `perilune test`: those of Rust's test program, which Cargo and nextest pass on, and our own. */

import { OptionError } from "../exit.ts";
import { parseDuration } from "../options.ts";
import { type GrantOptions, grantOptions } from "../processes/grants.ts";
import { type StatsFormat, statsFormat } from "../stats.ts";
import type { Selection } from "./cases.ts";

export interface TestArguments extends Selection {
  readonly file: string;
  /** What the guest's processes get as arguments, without a program name. */
  readonly args: readonly string[];
  readonly list: boolean;
  readonly noCapture: boolean;
  readonly showOutput: boolean;
  /** Tests at the same time. */
  readonly threads: number;
  readonly color: "always" | "auto" | "never";
  readonly clock: "real" | "virtual";
  /** Directories and limits, of each test. */
  readonly grants: GrantOptions;
  /** Of each test. */
  readonly timeoutMs?: number;
  /** Tests wait also when nothing can wake them. */
  readonly waitForever: boolean;
  readonly stats: StatsFormat | null;
}

const VALUE_OPTIONS = new Set([
  ...["--format", "--test-threads", "--skip", "--color"],
  ...["--clock", "--dir", "--fuel", "--max-memory", "--max-processes", "--deny", "--timeout"],
]);
const FLAGS = new Set([
  "--ignored",
  "--include-ignored",
  "--nocapture",
  "--no-capture",
  "--show-output",
  "--list",
  "--exact",
  "--wait-forever",
]);
/** Options of Rust's test program that mean nothing here; the first may have a value. */
const IGNORED_FLAGS = new Set(["--quiet", "-q", "--force-run-in-process"]);

export function parseTestArguments(args: readonly string[]): TestArguments {
  const values = new Map<string, string[]>();
  const flags = new Set<string>();
  let stats: StatsFormat | null = null;
  const positional: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (arg === "--") {
      positional.push(...args.slice(i + 1));
      break;
    }
    if (!arg.startsWith("-") || arg === "-") {
      positional.push(arg);
      continue;
    }
    const equals = arg.indexOf("=");
    const name = equals < 0 ? arg : arg.slice(0, equals);
    if (VALUE_OPTIONS.has(name)) {
      const value = equals < 0 ? args[++i] : arg.slice(equals + 1);
      if (value === undefined) throw new OptionError(`${name} needs a value`, "test");
      values.set(name, [...(values.get(name) ?? []), value]);
    } else if (name === "--stats") stats = statsFormat(equals < 0 ? "text" : arg.slice(equals + 1));
    else if (equals < 0 && FLAGS.has(name)) flags.add(name);
    else if (equals >= 0 || !IGNORED_FLAGS.has(name)) throw new OptionError(`unknown option '${arg}'`, "test");
  }
  const [file, filter, ...rest] = positional;
  if (file === undefined) throw new OptionError("test needs a module", "test");
  const last = (name: string) => values.get(name)?.at(-1);
  const format = last("--format");
  const timeout = last("--timeout");
  if (format !== undefined && !["pretty", "terse"].includes(format)) {
    throw new OptionError(`--format is 'pretty' or 'terse', not '${format}'`);
  }
  return {
    file,
    filter: filter ?? null,
    args: rest,
    exact: flags.has("--exact"),
    skip: values.get("--skip") ?? [],
    ignored: flags.has("--ignored"),
    includeIgnored: flags.has("--include-ignored"),
    list: flags.has("--list"),
    noCapture: flags.has("--nocapture") || flags.has("--no-capture"),
    showOutput: flags.has("--show-output"),
    threads: threadsOf(last("--test-threads")),
    color: choice("--color", last("--color") ?? "auto", ["always", "auto", "never"]),
    clock: choice("--clock", last("--clock") ?? "virtual", ["real", "virtual"]),
    grants: grantOptions(values),
    ...(timeout === undefined ? {} : { timeoutMs: parseDuration("--timeout", timeout) }),
    waitForever: flags.has("--wait-forever"),
    stats,
  };
}

/** All tests run at the same time unless told otherwise. */
function threadsOf(text: string | undefined): number {
  if (text === undefined) return Number.POSITIVE_INFINITY;
  const threads = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (threads < 1) throw new OptionError(`--test-threads needs a whole number of at least 1, not '${text}'`);
  return threads;
}

function choice<T extends string>(name: string, value: string, choices: readonly T[]): T {
  const found = choices.find((each) => each === value);
  if (found === undefined) throw new OptionError(`${name} is one of ${choices.join(", ")}, not '${value}'`);
  return found;
}
