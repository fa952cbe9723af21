/** The commands and their options, read by commander; each command is loaded when it is chosen. */

import { Command, CommanderError } from "commander";
import { EXIT_USAGE, OptionError } from "./exit.ts";
import { guardOutput, say } from "./streams.ts";

const COMMANDS = ["run", "resume", "test", "top", "lunatic", "validate", "inspect", "wast", "help"];

const PROPOSAL_HELP = "accept a proposal: custom-page-sizes, legacy-exceptions, wide-arithmetic; may be repeated";

const collect = (value: string, values: readonly string[] = []): string[] => [...values, value];

function program(): Command {
  const root = new Command("perilune")
    .description("Runs, checks and shows WebAssembly. 'perilune FILE' is 'perilune run FILE'.")
    .version("0.1.0")
    .enablePositionalOptions()
    .configureOutput({
      writeOut: (text) => {
        guardOutput();
        process.stdout.write(text);
      },
      writeErr: (text) => say(text.trimEnd()),
      // Errors are told where they are caught, as all others are.
      outputError: () => {},
    })
    .exitOverride();
  addRun(root);
  addResume(root);
  addTop(root);
  addTest(root);
  addLunatic(root);
  addValidate(root);
  addInspect(root);
  addWast(root);
  return root;
}

function addRun(root: Command): void {
  root
    .command("run")
    .summary("run a program (WASI preview 1), or one of its functions")
    .description(
      "Runs a WASI program, binary or text; '-' is standard input. It sees its arguments, the standard streams, " +
        "clocks and randomness, and nothing else unless an option gives it. Its exit code is ours; a trap is 134, " +
        "a limit 137, a timeout 124, 125 if it was to be saved and was not, wrong usage or a bad file 2.",
    )
    .argument("<file>", "the module")
    .argument("[args...]", "its arguments; options after FILE are the program's")
    .option("--dir <host[::guest][:ro]>", "give it a directory; may be repeated", collect)
    .option("--env <name=value>", "give it a variable, NAME alone with our value; may be repeated", collect)
    .option("--inherit-env", "give it all of our environment")
    .option("--fuel <n>", "end it after so much fuel (about one per instruction)")
    .option("--max-memory <bytes>", "what its memories, tables and stacks may take together: 65536, 64K, 16M, 2G")
    .option("--timeout <duration>", "end it after this time: 500ms, 2s, 5m; a bare number is seconds")
    .option("--threads <n>", "let it start threads, at most n at a time (wasi-threads)")
    .option("--max-processes <n>", "how many processes it may have at a time")
    .option("--allow <pattern>", "let it import more than WASI: 'lunatic::*', 'lunatic::process::spawn'", collect)
    .option("--deny <pattern>", "end it when it calls such an import, even if allowed", collect)
    .option("--wait-forever", "go on waiting when nothing can wake any process")
    .option("--proposal <name>", PROPOSAL_HELP, collect)
    .option("--slice <n>", "fuel between two looks at the event loop")
    .option("--stats [=json]", "say on stderr what it used, with =json for machines")
    .option("--invoke <name>", "call this exported function with the arguments and print its results")
    .option("--snapshot-at <fuel:file>", "save it when it has used so much fuel, and go on: see 'resume'")
    .option("--snapshot-on-timeout <file>", "save it before the timeout ends it: see 'resume'")
    .addHelpText(
      "after",
      `
Examples:
  perilune run hello.wasm one two
  perilune run --fuel 1e9 --max-memory 64M --timeout 10s untrusted.wasm
  perilune run --dir data::/data:ro --env LANG=C tool.wasm /data/input
  perilune run --invoke gcd math.wat 12 18
  perilune run --threads 8 --timeout 1m parallel.wasm
  perilune run --allow 'lunatic::*' --max-processes 1000 server.wasm
  generate | perilune run --stats=json -`,
    )
    .passThroughOptions()
    .action(async (file: string, args: string[], options) => {
      const { runCommand } = await import("./commands/run.ts");
      process.exitCode = await runCommand(file, args, options);
    });
}

function addResume(root: Command): void {
  root
    .command("resume")
    .summary("go on with a run that was saved")
    .description(
      "Goes on where 'run' with --snapshot-at or --snapshot-on-timeout has saved a program, here or on another machine. " +
        "Its arguments are in the file; directories and variables have to be given again. A program that has files open " +
        "cannot be saved. Exit codes are those of 'run'.",
    )
    .argument("<file>", "the saved run")
    .option("--dir <host[::guest][:ro]>", "give it a directory; in the order of 'run'", collect)
    .option("--env <name=value>", "give it a variable, NAME alone with our value; may be repeated", collect)
    .option("--inherit-env", "give it all of our environment")
    .option("--fuel <n>", "end it after so much fuel, that of before included")
    .option("--max-memory <bytes>", "what its memories, tables and stacks may take together")
    .option("--timeout <duration>", "end it after this time")
    .option("--slice <n>", "fuel between two looks at the event loop")
    .option("--stats [=json]", "say on stderr what it used, with =json for machines")
    .option("--snapshot-at <fuel:file>", "save it when it has used so much fuel, and go on")
    .option("--snapshot-on-timeout <file>", "save it before the timeout ends it")
    .addHelpText(
      "after",
      `
Examples:
  perilune run --timeout 1s --snapshot-on-timeout later.run program.wasm
  perilune resume later.run
  perilune resume --fuel 1e9 --timeout 1s --snapshot-on-timeout later.run later.run`,
    )
    .action(async (file: string, options) => {
      const { resumeCommand } = await import("./commands/resume.ts");
      process.exitCode = await resumeCommand(file, options);
    });
}

function addTop(root: Command): void {
  root
    .command("top")
    .summary("run a program and show its processes")
    .description(
      "Runs a program as 'run' does, and shows its processes in a table that is drawn anew on a terminal and printed " +
        "again and again elsewhere: state, unread messages, memory, fuel, and the share of the fuel since the last table.",
    )
    .argument("<file>", "the module")
    .argument("[args...]", "its arguments; options after FILE are the program's")
    .option("--interval <duration>", "between two tables", "1s")
    .option("--lunatic", "grant what Lunatic grants")
    .option("--dir <host[::guest][:ro]>", "give it a directory; may be repeated", collect)
    .option("--env <name=value>", "give it a variable; may be repeated", collect)
    .option("--inherit-env", "give it all of our environment")
    .option("--fuel <n>", "end it after so much fuel of all processes")
    .option("--max-memory <bytes>", "what all processes may take together")
    .option("--max-processes <n>", "how many processes it may have at a time")
    .option("--allow <pattern>", "let it import more than WASI", collect)
    .option("--deny <pattern>", "end it when it calls such an import", collect)
    .option("--timeout <duration>", "end it after this time")
    .option("--wait-forever", "go on waiting when nothing can wake any process")
    .addHelpText("after", "\nExample:\n  perilune top --allow 'lunatic::*' server.wasm")
    .passThroughOptions()
    .action(async (file: string, args: string[], options) => {
      const { topCommand } = await import("./commands/top.ts");
      process.exitCode = await topCommand(file, args, options);
    });
}

function addTest(root: Command): void {
  root
    .command("test")
    .summary("run the tests of a module made with Rust's library for Lunatic")
    .description(
      "Runs the exports named #lunatic_test_…, with Lunatic's grants, and prints what Rust's test program prints. " +
        "Takes what Cargo and nextest pass on: --list, --format terse, --exact, --skip TEXT, --ignored, " +
        "--include-ignored, --nocapture, --show-output, --test-threads N, --color WHEN; and --dir DIR, " +
        "--clock real (guest time is virtual and jumps while all wait); of each test --fuel N, --max-memory BYTES, " +
        "--max-processes N, --timeout DURATION, --deny PATTERN; --wait-forever, --stats[=json]. The exit code is 1 if one fails.",
    )
    .argument("<args...>", "FILE, options, and the part of the names to look for")
    .allowUnknownOption()
    .helpOption("-h, --help")
    .addHelpText(
      "after",
      "\nExamples:\n  perilune test tests.wasm\n  perilune test tests.wasm supervisor --nocapture --timeout 1m",
    )
    .passThroughOptions()
    .action(async (args: string[]) => {
      const { testCommand } = await import("./commands/test.ts");
      process.exitCode = await testCommand(args);
    });
}

function addLunatic(root: Command): void {
  root
    .command("lunatic")
    .summary("stand where Lunatic does, with what it grants")
    .description(
      "'perilune lunatic run FILE [ARGS]' gives a program the working directory, our whole environment, the network " +
        "and all imports, as Lunatic does, and runs Cargo's test programs as tests. As a runner in .cargo/config.toml: " +
        'runner = "perilune lunatic run". What stands behind FILE is the program\'s, but for --dir and --bench.',
    )
    .argument("<args...>", "run, FILE, its arguments")
    .addHelpText(
      "after",
      `
Options of run, before FILE; for tests they are of each test:
  --fuel <n>             end it after so much fuel of all processes
  --max-memory <bytes>   what all processes may take together
  --max-processes <n>    how many processes it may have at a time
  --timeout <duration>   end it after this time: 500ms, 2s, 5m; a bare number is seconds
  --deny <pattern>       end it when it calls such an import; may be repeated
  --wait-forever         go on waiting when nothing can wake any process
  --stats[=json]         say on stderr what it used, with =json for machines
Before or behind FILE:
  --dir <dir>            give it this directory too; may be repeated
  --bench                run the program also where it has tests, with --bench as its last argument

Examples:
  perilune lunatic run server.wasm
  perilune lunatic run --max-processes 1000 --timeout 1m server.wasm --port 8080`,
    )
    .allowUnknownOption()
    .passThroughOptions()
    .action(async (args: string[], _, command: Command) => {
      const { lunaticCommand } = await import("./commands/lunatic.ts");
      process.exitCode = await lunaticCommand(args, () => command.outputHelp());
    });
}

function addValidate(root: Command): void {
  root
    .command("validate")
    .summary("check modules")
    .description("Decodes and validates each module. One line each; the exit code is 2 if one is not valid.")
    .argument("<files...>", "binary or text; '-' is standard input")
    .option("--proposal <name>", PROPOSAL_HELP, collect)
    .addHelpText("after", "\nExample:\n  perilune validate a.wasm b.wat")
    .action(async (files: string[], options) => {
      const { validateCommand } = await import("./commands/validate.ts");
      process.exitCode = await validateCommand(files, options);
    });
}

function addInspect(root: Command): void {
  root
    .command("inspect")
    .summary("show what is in a module")
    .description("Shows the sections with their offsets and sizes, the types, imports and exports.")
    .argument("<file>", "binary or text; '-' is standard input")
    .option("--wat", "print the module as text instead")
    .option("--json", "print for machines")
    .option("--proposal <name>", PROPOSAL_HELP, collect)
    .addHelpText(
      "after",
      "\nExamples:\n  perilune inspect program.wasm\n  perilune inspect --wat program.wasm > program.wat",
    )
    .action(async (file: string, options) => {
      const { inspectCommand } = await import("./commands/inspect.ts");
      process.exitCode = await inspectCommand(file, options);
    });
}

function addWast(root: Command): void {
  root
    .command("wast")
    .summary("run test scripts")
    .description(
      "Runs .wast scripts, or all in the given folders, and prints a table. The exit code is 1 for failures.",
    )
    .argument("<paths...>", "scripts and folders")
    .option("--slice <n>", "pause at the first safe point after every n fuel")
    .option("--exact <n>", "pause at the very instruction after every n fuel")
    .addHelpText("after", "\nExamples:\n  perilune wast test.wast\n  perilune wast --exact 1 suite/core")
    .action(async (paths: string[], options) => {
      const { wastCommand } = await import("./commands/wast.ts");
      process.exitCode = await wastCommand(paths, options);
    });
}

/** `perilune FILE …` implies `run`; everything that begins with a dash is ours. */
function withCommand(args: readonly string[]): readonly string[] {
  const [first] = args;
  const isFile = first !== undefined && !COMMANDS.includes(first) && (first === "-" || !first.startsWith("-"));
  return isFile ? ["run", ...args] : args;
}

/** Gives a bare `--stats` its value, or it would take the file for it. Stops where the guest's arguments begin. */
function withStatsFormat(root: Command, args: readonly string[]): readonly string[] {
  const command = root.commands.find((candidate) => candidate.name() === args[0]);
  for (let i = 1; command !== undefined && i < args.length; i++) {
    const arg = args[i] ?? "";
    const isStats = arg === "--stats" && command.options.some((option) => option.long === arg);
    if (isStats) return [...args.slice(0, i), "--stats=text", ...args.slice(i + 1)];
    if (!arg.startsWith("-") || arg === "-" || arg === "--") break;
    if (command.options.some((option) => option.required && option.long === arg)) i++;
  }
  return args;
}

/** Commander's words for what is wrong, as ours: one line, and whose help tells more. */
function asOptionError({ message }: CommanderError, command: string): OptionError {
  const text = message.replace(/^error: /, "").replace(/\s+\(Did you mean (.+)\?\)/, ": did you mean $1?");
  return new OptionError(text, COMMANDS.includes(command) ? command : "");
}

/** Runs what the arguments say and sets the exit code. Rejects with what a command does not report itself. */
export async function runProgram(args: readonly string[]): Promise<void> {
  const asked = withCommand(args);
  const [command = "", topic] = asked;
  const isTopic = command === "help" && topic !== undefined && !topic.startsWith("-");
  if (isTopic && !COMMANDS.includes(topic)) throw new OptionError(`there is no command '${topic}'`, "");
  const root = program();
  try {
    await root.parseAsync(topic === "help" && isTopic ? ["help"] : withStatsFormat(root, asked), { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    process.exitCode = error.exitCode === 0 ? 0 : EXIT_USAGE;
    // Help and the version are printed.
    if (error.exitCode !== 0 && error.code !== "commander.help") throw asOptionError(error, command);
  }
}
