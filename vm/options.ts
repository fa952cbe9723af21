/**
 * Checks of what embedders give: options and arguments, where they come in. A limit that is not a number compares as if
 * there were none, and a wrong value elsewhere shows up as an error about something else. What guests give never comes here.
 */

/** What is expected of a value. */
export interface Expected {
  /** What follows "expected". */
  readonly text: string;
  /** Null where several will do: `accepts` is asked for every value then. */
  readonly type: "bigint" | "boolean" | "function" | "number" | "object" | "string" | null;
  /** Asked for values of `type` alone, and never for null if there is one. */
  readonly accepts: (value: never) => boolean;
}

/** What is expected of each option. */
export type ExpectedOptions<T> = { readonly [Name in keyof T]-?: Expected };

/** Throws `TypeError` for a value of another type, `RangeError` for another value. `what` names it: "maxFuel of Config". */
export function check(what: string, value: unknown, expected: Expected): void {
  if (!fits(value, expected)) throw refused(what, value, expected);
}

function fits(value: unknown, { type, accepts }: Expected): boolean {
  return (type === null || (typeof value === type && value !== null)) && accepts(value as never);
}

function refused(what: string, value: unknown, { text, type }: Expected): Error {
  const message = `${what}: expected ${text}, got ${valueText(value)}`;
  return typeof value === type && type !== "object" ? new RangeError(message) : new TypeError(message);
}

const OPTIONS: Expected = { text: "an object", type: "object", accepts: (value) => !Array.isArray(value) };

/** Checks all options that are given. Throws as {@link check} does, and `TypeError` for an option that does not exist. */
export function checkOptions<T extends object>(of: string, options: T, expected: ExpectedOptions<T>): void {
  if (!fits(options, OPTIONS)) throw refused(`options of ${of}`, options, OPTIONS);
  // Every process has a store whose options come here: a list of their names would be garbage.
  for (const name in options) {
    const value: unknown = options[name as keyof T];
    if (value === undefined || !Object.hasOwn(options, name)) continue;
    const wanted = Object.hasOwn(expected, name) ? expected[name as keyof T] : null;
    if (wanted === null) {
      throw new TypeError(`${of} has no option ${valueText(name)}, but ${Object.keys(expected).join(", ")}`);
    }
    if (!fits(value, wanted)) throw refused(`${name} of ${of}`, value, wanted);
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
      if (Array.isArray(value)) return "an array";
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

/** An object that has all these members. */
export function objectWith(text: string, ...members: readonly (string | symbol)[]): Expected {
  const accepts = (value: object): boolean => {
    for (const member of members) if (!(member in value)) return false;
    return true;
  };
  return { text, type: "object", accepts };
}

/** An array, or nothing but `each`. */
export function arrayOf(text: string, each: Expected): Expected {
  const accepts = (value: object): boolean => Array.isArray(value) && value.every((item) => fits(item, each));
  return { text, type: "object", accepts };
}

/** Any text. */
export const TEXT: Expected = { text: "a string", type: "string", accepts: () => true };
/** A list of texts. */
export const TEXTS: Expected = arrayOf("an array of strings", TEXT);
/** A boolean. */
export const FLAG: Expected = { text: "true or false", type: "boolean", accepts: () => true };
/** Something to call. */
export const FUNCTION: Expected = { text: "a function", type: "function", accepts: () => true };
/** Whatever it is, null included. */
export const ANYTHING: Expected = { text: "anything", type: null, accepts: () => true };
/** What can be aborted. */
export const SIGNAL: Expected = objectWith("an AbortSignal", "aborted", "addEventListener");

/** What a module or a snapshot is read from; of another realm too. */
export const BYTES: Expected = {
  text: "a Uint8Array",
  type: "object",
  accepts: (value) => Object.prototype.toString.call(value) === "[object Uint8Array]",
};
/** What `compile` gives. */
export const COMPILED_MODULE: Expected = objectWith("a module of compile", "data", "imports");

const FUEL = amountFrom(0, "fuel");

/** A whole amount of fuel of the embedder's, rounded down. Throws as {@link check} does. */
export function wholeFuel(what: string, fuel: number): number {
  check(what, fuel, FUEL);
  return Math.floor(fuel);
}
