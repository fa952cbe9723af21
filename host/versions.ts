/**
 * Semantic versions and version requirements as Lunatic 0.6 took them, which are Cargo's: "1.2"
 * means "^1.2", comparators are joined by commas, "*" stands for any number. Reading is one pass
 * over the text without regular expressions, so no text takes more than linear time.
 */

export interface Version {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
  /** Identifiers of the pre-release part; a number compares as one. Build metadata is dropped. */
  readonly pre: readonly (number | string)[];
}

type Operator = "<" | "<=" | "=" | ">" | ">=" | "^" | "~" | "*";

/** Null parts were left out or are wildcards. */
interface Comparator {
  readonly operator: Operator;
  readonly major: number | null;
  readonly minor: number | null;
  readonly patch: number | null;
  readonly pre: readonly (number | string)[];
}

/** All of them must hold. An empty list is "*". */
export type VersionRange = readonly Comparator[];

/** Bytes of a requirement and comparators in it: far above what anybody writes. */
export const MAX_RANGE_LENGTH = 256;
const MAX_COMPARATORS = 32;

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#text.length;
  }

  skipSpaces(): void {
    while (this.#text[this.#at] === " ") this.#at++;
  }

  take(expected: string): boolean {
    if (!this.#text.startsWith(expected, this.#at)) return false;
    this.#at += expected.length;
    return true;
  }

  /** Decimal digits without a leading zero, or null. */
  number(): number | null {
    const start = this.#at;
    while (isDigit(this.#text.charCodeAt(this.#at))) this.#at++;
    const digits = this.#text.slice(start, this.#at);
    return toNumber(digits);
  }

  /** Identifiers separated by dots: of a pre-release part, or of build metadata. Null when malformed. */
  identifiers(isBuild: boolean): (number | string)[] | null {
    const found: (number | string)[] = [];
    do {
      const start = this.#at;
      while (isIdentifierChar(this.#text.charCodeAt(this.#at))) this.#at++;
      const text = this.#text.slice(start, this.#at);
      if (text === "") return null;
      const isNumeric = [...text].every((char) => isDigit(char.charCodeAt(0)));
      if (isNumeric && !isBuild) {
        const value = toNumber(text);
        if (value === null) return null;
        found.push(value);
      } else found.push(text);
    } while (this.take("."));
    return found;
  }
}

function toNumber(digits: string): number | null {
  if (digits === "" || digits.length > 15) return null;
  if (digits.length > 1 && digits.startsWith("0")) return null;
  return Number(digits);
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

function isIdentifierChar(code: number): boolean {
  return isDigit(code) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122) || code === 45;
}

/** Null when the text is no semantic version. */
export function parseVersion(text: string): Version | null {
  if (text.length > MAX_RANGE_LENGTH) return null;
  const reader = new Reader(text);
  const major = reader.number();
  const minor = major !== null && reader.take(".") ? reader.number() : null;
  const patch = minor !== null && reader.take(".") ? reader.number() : null;
  if (major === null || minor === null || patch === null) return null;
  const pre = suffixes(reader);
  return pre !== null && reader.isAtEnd ? { major, minor, patch, pre } : null;
}

/** The pre-release part, if any, and build metadata, which means nothing. Null when malformed. */
function suffixes(reader: Reader): (number | string)[] | null {
  const pre = reader.take("-") ? reader.identifiers(false) : [];
  if (pre === null) return null;
  return reader.take("+") && reader.identifiers(true) === null ? null : pre;
}

/** Null when the text is no version requirement. */
export function parseVersionRange(text: string): VersionRange | null {
  if (text.length > MAX_RANGE_LENGTH) return null;
  const reader = new Reader(text);
  reader.skipSpaces();
  const range: Comparator[] = [];
  for (;;) {
    const comparator = parseComparator(reader);
    if (comparator === null || range.length === MAX_COMPARATORS) return null;
    range.push(comparator);
    reader.skipSpaces();
    if (reader.isAtEnd) break;
    if (!reader.take(",")) return null;
    reader.skipSpaces();
  }
  // A lone "*" is a requirement; among others it is a mistake.
  const hasAny = range.some(({ major }) => major === null);
  if (!hasAny) return range;
  return range.length === 1 ? [] : null;
}

const OPERATORS: readonly Operator[] = ["<=", "<", ">=", ">", "=", "^", "~"];

function parseComparator(reader: Reader): Comparator | null {
  const operator = OPERATORS.find((candidate) => reader.take(candidate));
  reader.skipSpaces();
  if (isWildcard(reader)) {
    const any: Comparator = { operator: "*", major: null, minor: null, patch: null, pre: [] };
    return operator === undefined ? any : null;
  }
  const major = reader.number();
  if (major === null) return null;
  let minor: number | null = null;
  let patch: number | null = null;
  let hasWildcard = false;
  let pre: readonly (number | string)[] | null = [];
  if (reader.take(".")) {
    if (isWildcard(reader)) hasWildcard = true;
    else if ((minor = reader.number()) === null) return null;
    if (reader.take(".")) {
      if (isWildcard(reader)) hasWildcard = true;
      // "1.*.3" has no meaning.
      else if (hasWildcard || (patch = reader.number()) === null) return null;
      else pre = suffixes(reader);
    }
  }
  if (pre === null) return null;
  return { operator: operator ?? (hasWildcard ? "*" : "^"), major, minor, patch, pre };
}

function isWildcard(reader: Reader): boolean {
  return reader.take("*") || reader.take("x") || reader.take("X");
}

/** Below 0, 0 or above 0, by precedence. */
export function compareVersions(a: Version, b: Version): number {
  return a.major - b.major || a.minor - b.minor || a.patch - b.patch || comparePre(a.pre, b.pre);
}

/** A version without a pre-release part comes after all that have one. */
function comparePre(a: readonly (number | string)[], b: readonly (number | string)[]): number {
  if (a.length === 0 || b.length === 0) return b.length - a.length;
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const left = a[i]!;
    const right = b[i]!;
    if (left === right) continue;
    if (typeof left === "number" && typeof right === "number") return left - right;
    if (typeof left === "number" || typeof right === "number") return typeof left === "number" ? -1 : 1;
    return left < right ? -1 : 1;
  }
  return a.length - b.length;
}

/**
 * Whether a version fits. A pre-release fits only when some comparator names a pre-release of the
 * same major, minor and patch: nobody gets one without asking.
 */
export function isInRange(version: Version, range: VersionRange): boolean {
  if (!range.every((comparator) => fits(version, comparator))) return false;
  if (version.pre.length === 0) return true;
  return range.some(
    ({ major, minor, patch, pre }) =>
      pre.length > 0 && major === version.major && minor === version.minor && patch === version.patch,
  );
}

/** Whether a version comes after all that fit: then so does every later one. */
export function isPast(version: Version, range: VersionRange): boolean {
  return range.some((comparator) => {
    switch (comparator.operator) {
      case ">":
      case ">=":
        return false;
      case "<":
        return !fits(version, comparator);
      default:
        return !fits(version, comparator) && compareVersions(version, firstOf(comparator)) > 0;
    }
  });
}

/** What was left out is 0. */
function firstOf({ major, minor, patch, pre }: Comparator): Version {
  return { major: major ?? 0, minor: minor ?? 0, patch: patch ?? 0, pre };
}

function fits(version: Version, comparator: Comparator): boolean {
  switch (comparator.operator) {
    case "=":
    case "*":
      return isExact(version, comparator);
    case ">":
      return isGreater(version, comparator);
    case ">=":
      return isExact(version, comparator) || isGreater(version, comparator);
    case "<":
      return !isExact(version, comparator) && !isGreater(version, comparator);
    case "<=":
      return !isGreater(version, comparator);
    case "~":
      return isTilde(version, comparator);
    default:
      return isCaret(version, comparator);
  }
}

function isExact(version: Version, { major, minor, patch, pre }: Comparator): boolean {
  if (version.major !== major) return false;
  if (minor === null) return true;
  if (version.minor !== minor) return false;
  if (patch === null) return true;
  return version.patch === patch && comparePre(version.pre, pre) === 0;
}

function isGreater(version: Version, { major, minor, patch, pre }: Comparator): boolean {
  if (version.major !== major) return version.major > (major ?? 0);
  if (minor === null) return false;
  if (version.minor !== minor) return version.minor > minor;
  if (patch === null) return false;
  if (version.patch !== patch) return version.patch > patch;
  return comparePre(version.pre, pre) > 0;
}

/** The last part that is given may grow. */
function isTilde(version: Version, { major, minor, patch, pre }: Comparator): boolean {
  if (version.major !== major) return false;
  if (minor === null) return true;
  if (version.minor !== minor) return false;
  if (patch === null) return true;
  return version.patch === patch ? comparePre(version.pre, pre) >= 0 : version.patch > patch;
}

/** Everything right of the leftmost part that is not zero may grow. */
function isCaret(version: Version, { major, minor, patch, pre }: Comparator): boolean {
  if (version.major !== major) return false;
  if (minor === null) return true;
  if (patch === null) return major > 0 ? version.minor >= minor : version.minor === minor;
  if (major > 0) {
    if (version.minor !== minor) return version.minor > minor;
    if (version.patch !== patch) return version.patch > patch;
  } else if (minor > 0) {
    if (version.minor !== minor) return false;
    if (version.patch !== patch) return version.patch > patch;
  } else if (version.minor !== minor || version.patch !== patch) return false;
  return comparePre(version.pre, pre) >= 0;
}
