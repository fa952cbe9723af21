/** The command lines of the benchmarks: `--help`, and usage in place of a stack for what is wrong. */

import { type ParseArgsConfig, parseArgs } from "node:util";

type Options = NonNullable<ParseArgsConfig["options"]>;

type Values<T extends Options> = {
  readonly [K in keyof T]: T[K]["type"] extends "boolean"
    ? boolean
    : T[K] extends { readonly default: string }
      ? string
      : string | undefined;
};

/** Options, and the words that were chosen. Ends the process after `--help`, and with code 2 for wrong usage. */
export function benchArguments<T extends Options>(
  usage: string,
  options: T,
  words: readonly string[] = [],
): { readonly values: Values<T>; readonly chosen: readonly string[] } {
  try {
    const all: Options = { ...options, help: { type: "boolean", short: "h" } };
    const { values, positionals } = parseArgs({ allowPositionals: true, options: all });
    const { help, ...others } = values;
    if (help === true) {
      process.stdout.write(`${usage}\n`);
      process.exit(0);
    }
    const unknown = positionals.find((word) => !words.includes(word));
    if (unknown !== undefined) throw new Error(`there is no '${unknown}'`);
    return { values: others as Values<T>, chosen: positionals };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${usage}\n`);
    process.exit(2);
  }
}

/** The value of an option that is a whole number above 0. */
export function wholeNumber(option: string, text: string, usage: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 1) return value;
  process.stderr.write(`${option} needs a whole number above 0, not '${text}'\n\n${usage}\n`);
  process.exit(2);
}
