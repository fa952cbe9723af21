/**
 * `perilune lunatic …`: the commands of Lunatic with its grants, so that it can stand where Lunatic
 * does, as the runner of a Cargo project for one. Cargo's test programs run as tests.
 */

import { endOf } from "../end.ts";
import { EXIT_TIMEOUT, OptionError } from "../exit.ts";
import { compileModule, displayName, readModule } from "../input.ts";
import { Interruptions } from "../interruptions.ts";
import { type GrantOptions, grantOptions, lunaticGrants } from "../processes/grants.ts";
import { maxBytesOf, parseDuration } from "../options.ts";
import { errorReport } from "../report.ts";
import { guardOutput, leave, say } from "../streams.ts";
import { printStats, type RunStats, type StatsFormat, statsFormat } from "../stats.ts";
import { runTests, testsOf } from "./test.ts";
import { parseTestArguments } from "../tests/arguments.ts";

interface LunaticArguments {
  readonly file: string;
  readonly args: readonly string[];
  readonly isBench: boolean;
  readonly waitForever: boolean;
  readonly stats: StatsFormat | null;
  readonly timeoutMs?: number;
  readonly grants: GrantOptions;
}

const IMPLIED_RUN = /^(?:-.|.+\.wa(?:sm|t))/;
/** Ours, for programs that are started by hand. */
const VALUE_OPTIONS = ["--fuel", "--max-memory", "--max-processes", "--deny", "--timeout"];

/** The arguments of `run`. Ours come before the file; `--dir` and `--bench` may stand behind it too, as Lunatic has it. */
export function parseLunaticRun(args: readonly string[]): LunaticArguments | "help" {
  const values = new Map<string, string[]>();
  const positional: string[] = [];
  let isBench = false;
  let waitForever = false;
  let stats: StatsFormat | null = null;
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    const [name = "", inline] = arg.startsWith("--") ? arg.split(/=(.*)/s, 2) : [arg];
    const isOurs = positional.length === 0;
    if (arg === "--") {
      positional.push(...args.slice(i + 1));
      break;
    }
    if (name === "--dir" || (isOurs && VALUE_OPTIONS.includes(name))) {
      const value = inline ?? args[++i];
      if (value === undefined) throw new OptionError(`${name} needs a value`, "lunatic");
      values.set(name, [...(values.get(name) ?? []), value]);
    } else if (arg === "--bench") isBench = true;
    else if (!isOurs || !arg.startsWith("-") || arg === "-") positional.push(arg);
    else if (arg === "--help" || arg === "-h") return "help";
    else if (arg === "--wait-forever") waitForever = true;
    else if (name === "--stats") stats = statsFormat(inline ?? "text");
    else throw new OptionError(`unknown option '${arg}'`, "lunatic");
  }
  const [file, ...rest] = positional;
  if (file === undefined) throw new OptionError("lunatic run needs a module", "lunatic");
  const timeout = values.get("--timeout")?.at(-1);
  return {
    file,
    args: isBench ? [...rest, "--bench"] : rest,
    isBench,
    waitForever,
    stats,
    ...(timeout === undefined ? {} : { timeoutMs: parseDuration("--timeout", timeout) }),
    grants: grantOptions(values),
  };
}

/** `args` are those behind `lunatic`. */
export async function lunaticCommand(args: readonly string[], showHelp: () => void): Promise<number> {
  const [command = "", ...rest] = args;
  if (command === "help") {
    showHelp();
    return 0;
  }
  if (command === "--version") {
    guardOutput();
    process.stdout.write("lunatic 0.13.2 (perilune)\n");
    return 0;
  }
  if (command !== "run" && !IMPLIED_RUN.test(command)) {
    throw new OptionError(
      command === "" ? "lunatic needs a command: run" : `lunatic has no command '${command}' here; there is run`,
      "lunatic",
    );
  }
  const runArguments = command === "run" ? rest : args;
  const parsed = parseLunaticRun(runArguments);
  if (parsed === "help") {
    showHelp();
    return 0;
  }
  const exitCode = await run(parsed, runArguments);
  return leave(exitCode, exitCode === EXIT_TIMEOUT);
}

/** Test programs of Cargo run as tests: they read all arguments themselves. */
async function run(parsed: LunaticArguments, runArguments: readonly string[]): Promise<number> {
  const { file, stats: format } = parsed;
  const isCargo = process.env["CARGO_MANIFEST_DIR"] !== undefined && !parsed.isBench;
  const interruptions = new Interruptions();
  const release = interruptions.listen(parsed.timeoutMs);
  const started = performance.now();
  let compileMs = 0;
  let stats: RunStats;
  try {
    const maxBytes = maxBytesOf(parsed.grants.maxMemory);
    const module = await compileModule(await readModule(file), { maxBytes, signal: interruptions.signal });
    compileMs = performance.now() - started;
    if (isCargo && testsOf(module).length > 0) {
      release();
      return await runTests(module, parseTestArguments(runArguments), compileMs);
    }
    const programName = file.split(/[\\/]/).at(-1) ?? file;
    const grants = await lunaticGrants([programName, ...parsed.args], parsed.grants);
    const { runMain } = await import("../processes/main.ts");
    const { waitForever } = parsed;
    stats = await runMain({ name: displayName(file), module, grants, interruptions, waitForever });
  } catch (error) {
    say(errorReport(displayName(file), error));
    stats = { ...endOf(error), fuel: 0, slices: 0 };
  } finally {
    release();
  }
  if (format !== null) printStats({ ...stats, compileMs, runMs: performance.now() - started - compileMs }, format);
  return stats.exitCode;
}
