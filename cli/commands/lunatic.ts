/**
 * `perilune lunatic …`: the commands of Lunatic with its grants, so that it can stand where Lunatic
 * does, as the runner of a Cargo project for one. Cargo's test programs run as tests.
 */

import { endOf } from "../end.ts";
import { EXIT_TIMEOUT, Interrupted, OptionError } from "../exit.ts";
import { compileModule, displayName, readModule } from "../input.ts";
import { Interruptions } from "../interruptions.ts";
import { type GrantOptions, lunaticGrants } from "../processes/grants.ts";
import { maxBytesOf, parseDuration } from "../options.ts";
import { errorReport } from "../report.ts";
import { guardOutput, leave, say } from "../streams.ts";
import { printStats, type StatsFormat, statsFormat } from "../stats.ts";
import { runTests, testsOf } from "./test.ts";
import { parseTestArguments } from "../tests/arguments.ts";

interface LunaticArguments extends GrantOptions {
  readonly file: string;
  readonly args: readonly string[];
  readonly isBench: boolean;
  readonly waitForever: boolean;
  readonly stats: StatsFormat | null;
  readonly timeoutMs?: number;
}

const IMPLIED_RUN = /^(?:--bench|--dir|.+\.wasm)/;
/** Ours, for programs that are started by hand. */
const VALUE_OPTIONS = ["--fuel", "--max-memory", "--max-processes", "--deny", "--timeout"];

/** The arguments of `run`. Ours come before the file; `--dir` and `--bench` may stand behind it too, as Lunatic has it. */
export function parseLunaticRun(args: readonly string[]): LunaticArguments | "help" {
  const dir: string[] = [];
  const deny: string[] = [];
  const values = new Map<string, string>();
  const positional: string[] = [];
  let isBench = false;
  let waitForever = false;
  let stats: StatsFormat | null = null;
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    const [name = "", inline] = arg.startsWith("--") ? arg.split(/=(.*)/s, 2) : [arg];
    const value = (): string => {
      const text = inline ?? args[++i];
      if (text === undefined) throw new OptionError(`${name} needs a value`, "lunatic");
      return text;
    };
    if (arg === "--") {
      positional.push(...args.slice(i + 1));
      break;
    }
    if (name === "--dir") dir.push(value());
    else if (arg === "--bench") isBench = true;
    else if (positional.length > 0 || !arg.startsWith("-") || arg === "-") positional.push(arg);
    else if (arg === "--help" || arg === "-h") return "help";
    else if (arg === "--wait-forever") waitForever = true;
    else if (name === "--stats") stats = statsFormat(inline ?? "text");
    else if (name === "--deny") deny.push(value());
    else if (VALUE_OPTIONS.includes(name)) values.set(name, value());
    else throw new OptionError(`unknown option '${arg}'`, "lunatic");
  }
  const [file, ...rest] = positional;
  if (file === undefined) throw new OptionError("lunatic run needs a module", "lunatic");
  const fuel = values.get("--fuel");
  const maxMemory = values.get("--max-memory");
  const maxProcesses = values.get("--max-processes");
  const timeout = values.get("--timeout");
  return {
    file,
    args: isBench ? [...rest, "--bench"] : rest,
    isBench,
    waitForever,
    stats,
    ...(timeout === undefined ? {} : { timeoutMs: parseDuration("--timeout", timeout) }),
    dir,
    deny,
    ...(fuel === undefined ? {} : { fuel }),
    ...(maxMemory === undefined ? {} : { maxMemory }),
    ...(maxProcesses === undefined ? {} : { maxProcesses }),
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
  // Test programs are chosen before their arguments are read: they have others.
  const isCargo = process.env["CARGO_MANIFEST_DIR"] !== undefined && !runArguments.includes("--bench");
  let file = isCargo ? runArguments.find((arg) => arg.endsWith(".wasm")) : undefined;
  let exitCode: number | null = null;
  try {
    if (file !== undefined) exitCode = await runCargoTests(file, runArguments);
    if (exitCode === null) {
      const parsed = parseLunaticRun(runArguments);
      if (parsed === "help") {
        showHelp();
        return 0;
      }
      file = parsed.file;
      exitCode = await runProgram(parsed);
    }
  } catch (error) {
    say(errorReport(file === undefined ? null : displayName(file), error));
    exitCode = endOf(error).exitCode;
  }
  return leave(exitCode, exitCode === EXIT_TIMEOUT);
}

/** Null when the module has no tests. */
async function runCargoTests(file: string, args: readonly string[]): Promise<number | null> {
  const module = await compileModule(await readModule(file));
  return testsOf(module).length === 0 ? null : runTests(module, parseTestArguments(args));
}

async function runProgram({
  file,
  args,
  waitForever,
  stats,
  timeoutMs,
  ...options
}: LunaticArguments): Promise<number> {
  const interruptions = new Interruptions();
  const release = interruptions.listen(timeoutMs);
  const name = displayName(file);
  const started = performance.now();
  try {
    const module = await compileModule(await readModule(file), {
      maxBytes: maxBytesOf(options.maxMemory),
      signal: interruptions.signal,
    });
    const compileMs = performance.now() - started;
    const programName = file.split(/[\\/]/).at(-1) ?? file;
    const grants = await lunaticGrants([programName, ...args], options);
    const { runMain } = await import("../processes/main.ts");
    const used = await runMain({ name, module, grants, interruptions, waitForever });
    if (stats !== null) printStats({ ...used, compileMs, runMs: performance.now() - started - compileMs }, stats);
    return used.exitCode;
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    say(errorReport(name, error));
    return error.exitCode;
  } finally {
    release();
  }
}
