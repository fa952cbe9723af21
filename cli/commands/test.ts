/** `perilune test`: the tests of a module, as Rust's library for Lunatic exports them. */

import { standardError, standardOutput } from "../../host/node/stdio.ts";
import type { CompiledModule } from "../../vm/index.ts";
import { endOf } from "../end.ts";
import { EXIT_FAILURE } from "../exit.ts";
import { compileModule, displayName, readModule } from "../input.ts";
import { Interruptions } from "../interruptions.ts";
import { maxBytesOf } from "../options.ts";
import { lunaticGrants } from "../processes/grants.ts";
import { errorReport } from "../report.ts";
import { printStats } from "../stats.ts";
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
  const { file, timeoutMs } = options;
  const interruptions = new Interruptions();
  const release = interruptions.listen(timeoutMs);
  let exitCode: number;
  try {
    const started = performance.now();
    const maxBytes = maxBytesOf(options.grants.maxMemory);
    const module = await compileModule(await readModule(file), { maxBytes, signal: interruptions.signal });
    // From here on it is the time of each test, and a signal ends the command as it ends others.
    release();
    exitCode = await runTests(module, options, performance.now() - started);
  } catch (error) {
    say(errorReport(displayName(file), error));
    exitCode = endOf(error).exitCode;
  } finally {
    release();
  }
  return leave(exitCode);
}

/** Prints what Rust's test program prints. Returns the exit code. */
export async function runTests(module: CompiledModule, options: TestArguments, compileMs: number): Promise<number> {
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
  const started = performance.now();
  const listing = new Listing(isColoured(options.color));
  const { timeoutMs } = options;
  const run = new TestRun(module, {
    ...(await lunaticGrants(options.args, options.grants)),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    waitForever: options.waitForever,
    clock: options.clock,
    threads: options.threads,
    echo: options.noCapture ? { stdout: standardOutput(), stderr: standardError() } : null,
    onResult: (test, word) => print(listing.line(test, word)),
  });
  print(listing.start(selected.tests.length));
  const summary = await run.run(selected);
  print(listing.summary(summary, options.showOutput));
  const exitCode = summary.finished.every(({ passed }) => passed) ? 0 : EXIT_FAILURE;
  if (options.stats !== null) {
    const reason = exitCode === 0 ? "returned" : "failed";
    printStats({ exitCode, reason, ...run.used, compileMs, runMs: performance.now() - started }, options.stats);
  }
  return exitCode;
}

function isColoured(color: TestArguments["color"]): boolean {
  if (color !== "auto") return color === "always";
  const { NO_COLOR } = process.env;
  return (NO_COLOR === undefined || NO_COLOR === "") && process.stdout.isTTY === true;
}
