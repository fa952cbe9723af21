/**
 * `perilune lunatic …`: the commands of Lunatic with its grants, so that it can stand where Lunatic
 * does, as the runner of a Cargo project for one. Cargo's test programs run as tests.
 */

import { endOf } from "../end.ts";
import { Interrupted, UsageError } from "../exit.ts";
import { compileModule, displayName, readModule } from "../input.ts";
import { Interruptions } from "../interruptions.ts";
import { type GrantOptions, lunaticGrants } from "../processes/grants.ts";
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
}

const IMPLIED_RUN = /^(?:--bench|--dir|.+\.wasm)/;
/** Ours, for programs that are started by hand. */
const VALUE_OPTIONS = ["--fuel", "--max-memory", "--max-processes", "--deny"];

/** The arguments of `run`. Ours come before the file; `--dir` and `--bench` may stand behind it too, as Lunatic has it. */
export function parseLunaticRun(args: readonly string[]): LunaticArguments {
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
      if (text === undefined) throw new UsageError(`${name} needs a value`);
      return text;
    };
    if (arg === "--") {
      positional.push(...args.slice(i + 1));
      break;
    }
    if (name === "--dir") dir.push(value());
    else if (arg === "--bench") isBench = true;
    else if (positional.length > 0 || !arg.startsWith("-") || arg === "-") positional.push(arg);
    else if (arg === "--wait-forever") waitForever = true;
    else if (name === "--stats") stats = statsFormat(inline ?? "text");
    else if (name === "--deny") deny.push(value());
    else if (VALUE_OPTIONS.includes(name)) values.set(name, value());
    else throw new UsageError(`unknown option '${arg}' of lunatic run`);
  }
  const [file, ...rest] = positional;
  if (file === undefined) throw new UsageError("lunatic run needs a module");
  const fuel = values.get("--fuel");
  const maxMemory = values.get("--max-memory");
  const maxProcesses = values.get("--max-processes");
  return {
    file,
    args: isBench ? [...rest, "--bench"] : rest,
    isBench,
    waitForever,
    stats,
    dir,
    deny,
    ...(fuel === undefined ? {} : { fuel }),
    ...(maxMemory === undefined ? {} : { maxMemory }),
    ...(maxProcesses === undefined ? {} : { maxProcesses }),
  };
}

/** `args` are those behind `lunatic`. */
export async function lunaticCommand(args: readonly string[]): Promise<number> {
  const [command = "", ...rest] = args;
  if (command === "--version") {
    guardOutput();
    process.stdout.write("lunatic 0.13.2 (perilune)\n");
    return 0;
  }
  if (command !== "run" && !IMPLIED_RUN.test(command)) {
    throw new UsageError(
      command === "" ? "lunatic needs a command: run" : `lunatic has no command '${command}' here; there is run`,
    );
  }
  const runArguments = command === "run" ? rest : args;
  // Test programs are chosen before their arguments are read: they have others.
  const isCargo = process.env["CARGO_MANIFEST_DIR"] !== undefined && !runArguments.includes("--bench");
  const file = runArguments.find((arg) => !arg.startsWith("-")) ?? "";
  let exitCode: number;
  try {
    exitCode =
      (isCargo ? await runCargoTests(runArguments) : null) ?? (await runProgram(parseLunaticRun(runArguments)));
  } catch (error) {
    say(errorReport(displayName(file), error));
    exitCode = endOf(error).exitCode;
  }
  return leave(exitCode);
}

/** Null when the module has no tests. */
async function runCargoTests(args: readonly string[]): Promise<number | null> {
  const file = args.find((arg) => arg.endsWith(".wasm"));
  if (file === undefined) return null;
  const module = await compileModule(await readModule(file));
  return testsOf(module).length === 0 ? null : runTests(module, parseTestArguments(args));
}

async function runProgram({ file, args, waitForever, stats, ...options }: LunaticArguments): Promise<number> {
  const interruptions = new Interruptions();
  const release = interruptions.listen();
  const name = displayName(file);
  const started = performance.now();
  try {
    const module = await compileModule(await readModule(file), { signal: interruptions.signal });
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
