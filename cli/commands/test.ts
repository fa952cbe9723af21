/** `perilune test`: the tests of a module, as Rust's library for Lunatic exports them. */

import { standardError, standardOutput } from "../../host/node/stdio.ts";
import type { CompiledModule } from "../../vm/index.ts";
import { EXIT_FAILURE, EXIT_USAGE } from "../exit.ts";
import { compileModule, displayName, readModule } from "../input.ts";
import { lunaticGrants } from "../processes/grants.ts";
import { errorReport } from "../report.ts";
import { guardOutput, leave, say } from "../streams.ts";
import { parseTestArguments, type TestArguments } from "../tests/arguments.ts";
import { select, type TestCase, testCase } from "../tests/cases.ts";
import { Listing, nameText } from "../tests/listing.ts";

export function testsOf(module: CompiledModule): TestCase[] {
  return module.exports.flatMap(({ name, type }) => {
    const test = type.kind === "func" ? testCase(name) : null;
    return test === null ? [] : [test];
  });
}

export async function testCommand(args: readonly string[]): Promise<number> {
  const options = parseTestArguments(args);
  let exitCode: number;
  try {
    const module = await compileModule(await readModule(options.file));
    exitCode = await runTests(module, options);
  } catch (error) {
    say(errorReport(displayName(options.file), error));
    exitCode = EXIT_USAGE;
  }
  return leave(exitCode);
}

/** Prints what Rust's test program prints. Returns the exit code. */
export async function runTests(module: CompiledModule, options: TestArguments): Promise<number> {
  guardOutput();
  const selected = select(testsOf(module), options);
  const print = (text: string): void => {
    process.stdout.write(text);
  };
  if (options.list) {
    const lines = selected.tests.map(({ test }) => `${nameText(test.name)}: test\n`);
    print(lines.join(""));
    return 0;
  }
  const { TestRun } = await import("../tests/run.ts");
  const { config } = await lunaticGrants(options.args, { dir: options.dirs });
  const listing = new Listing(isColoured(options.color));
  print(listing.start(selected.tests.length));
  const run = new TestRun(module, {
    config,
    clock: options.clock,
    threads: options.threads,
    echo: options.noCapture ? { stdout: standardOutput(), stderr: standardError() } : null,
    onResult: (test, word) => print(listing.line(test, word)),
  });
  const summary = await run.run(selected);
  print(listing.summary(summary, options.showOutput));
  return summary.finished.every(({ passed }) => passed) ? 0 : EXIT_FAILURE;
}

function isColoured(color: TestArguments["color"]): boolean {
  if (color !== "auto") return color === "always";
  const { NO_COLOR } = process.env;
  return (NO_COLOR === undefined || NO_COLOR === "") && process.stdout.isTTY === true;
}
