/**
 * Checks of what embedders give: options and arguments, where they come in. A limit that is not a number compares as if
 * there were none, and a wrong value elsewhere shows up as an error about something else. What guests give never comes here.
 */

/** What is expected of a value. */
export interface Expected {
  /** What follows "expected". */
  readonly text: string;
  readonly type: "bigint" | "boolean" | "function" | "number" | "object" | "string";
  /** Asked for values of `type` alone, which are never null. */
  readonly accepts: (value: never) => boolean;
}

/** What is expected of each option. */
export type ExpectedOptions<T> = { readonly [Name in keyof T]-?: Expected };

/** Throws `TypeError` for a value of another type, `RangeError` for another value. `what` names it: "maxFuel of Config". */
export function check(what: string, value: unknown, { text, type, accepts }: Expected): void {
  const hasType = typeof value === type && value !== null;
  if (hasType && accepts(value as never)) return;
  const message = `${what}: expected ${text}, got ${valueText(value)}`;
  throw hasType ? new RangeError(message) : new TypeError(message);
}

/** Checks all options that are given. Throws as {@link check} does, and `TypeError` for an option that does not exist. */
export function checkOptions<T extends object>(of: string, options: T, expected: ExpectedOptions<T>): void {
  check(`options of ${of}`, options, { text: "an object", type: "object", accepts: (value) => !Array.isArray(value) });
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue;
    if (!Object.hasOwn(expected, name)) {
      throw new TypeError(`${of} has no option ${valueText(name)}: it has ${Object.keys(expected).join(", ")}`);
    }
    check(`${name} of ${of}`, value, expected[name as keyof T]);
  }
}

/** A value in a message, bounded. */
export function valueText(value: unknown): string {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
    case "bigint":
      return `${value}n`;
    case "function":
      return "a function";
    case "object": {
      if (value === null) return "null";
      const name: unknown = value.constructor?.name;
      return typeof name !== "string" || name === "Object" || name === "" ? "an object" : `an object of ${name}`;
    }
    default:
      return String(value);
  }
}

/** A number of at least `least`; `what` says of what: "bytes". Fractions are for whoever takes it to round down. */
export function amountFrom(least: number, what: string): Expected {
  const text = `${what} as a number from ${least} on, or Infinity for no limit`;
  return { text, type: "number", accepts: (value: number) => value >= least };
}

/** A whole number between two. */
export function wholeNumber(least: number, most: number): Expected {
  const accepts = (value: number): boolean => Number.isInteger(value) && value >= least && value <= most;
  return { text: `a whole number from ${least} to ${most}`, type: "number", accepts };
}

/** One of some words. */
export function oneOf(words: readonly string[]): Expected {
  const text = words.map((word) => JSON.stringify(word)).join(" or ");
  return { text, type: "string", accepts: (value: string) => words.includes(value) };
}

/** An object that has what `accepts` looks for. */
export function objectThat(text: string, accepts: (value: object) => boolean = () => true): Expected {
  return { text, type: "object", accepts };
}

/** An array or another iterable of texts, which a text itself is not. */
export const TEXTS: Expected = objectThat(
  "an array of strings",
  (value) => Array.isArray(value) && value.every((text) => typeof text === "string"),
);
/** Any text. */
export const TEXT: Expected = { text: "a string", type: "string", accepts: () => true };
/** A boolean. */
export const FLAG: Expected = { text: "true or false", type: "boolean", accepts: () => true };
/** Something to call. */
export const FUNCTION: Expected = { text: "a function", type: "function", accepts: () => true };
/** A number with neither limit nor unit. */
export const ANY_NUMBER: Expected = {
  text: "a number that is finite",
  type: "number",
  accepts: (value: number) => Number.isFinite(value),
};
/** What can be aborted. */
export const SIGNAL: Expected = objectThat(
  "an AbortSignal",
  (value) => "aborted" in value && "addEventListener" in value,
);

const FUEL = amountFrom(0, "fuel");

/** A whole amount of fuel of the embedder's, rounded down. Throws as {@link check} does. */
export function wholeFuel(what: string, fuel: number): number {
  check(what, fuel, FUEL);
  return Math.floor(fuel);
}
