/** The values of options: numbers with units, directories, variables. Each throws a OptionError that names the option. */

import { defaultEngine, Engine, PROPOSALS } from "../vm/index.ts";
import { OptionError } from "./exit.ts";
import { systemText } from "./system-text.ts";

/** A whole number from `least` up; underscores may group digits, and 1e6 is a million. */
export function parseCount(option: string, text: string, least = 1): number {
  const digits = text.replaceAll("_", "");
  const value = /^\d+(e\d+)?$/i.test(digits) ? Number(digits) : Number.NaN;
  if (!(value >= least)) throw new OptionError(`${option} needs a whole number of at least ${least}, not '${text}'`);
  return safe(option, value, text);
}

/** Larger ones are not exact. */
function safe(option: string, value: number, text: string): number {
  if (value <= Number.MAX_SAFE_INTEGER) return value;
  throw new OptionError(`${option} is at most ${Number.MAX_SAFE_INTEGER}, less than '${text}'`);
}

const BYTE_UNITS: ReadonlyMap<string, number> = new Map([
  ["", 1],
  ["K", 2 ** 10],
  ["M", 2 ** 20],
  ["G", 2 ** 30],
]);

/** "65536", "64K", "16M", "2GiB": bytes, in powers of 1,024. */
export function parseBytes(option: string, text: string): number {
  const match = /^(\d[\d_]*)([KMG]?)(i?B)?$/i.exec(text);
  const unit = BYTE_UNITS.get((match?.[2] ?? "").toUpperCase());
  const value = Number(match?.[1]?.replaceAll("_", "")) * (unit ?? Number.NaN);
  if (!(value > 0))
    throw new OptionError(`${option} needs a number of bytes such as 65536, 64K, 16M or 2G, not '${text}'`);
  return safe(option, value, text);
}

/** Of `--max-memory`; without it there is no limit. */
export function maxBytesOf(maxMemory: string | undefined): number {
  return maxMemory === undefined ? Number.MAX_SAFE_INTEGER : parseBytes("--max-memory", maxMemory);
}

const DURATION_UNITS: ReadonlyMap<string, number> = new Map([
  ["ms", 1],
  ["", 1_000],
  ["s", 1_000],
  ["m", 60_000],
  ["h", 3_600_000],
]);

/** "500ms", "2s", "1.5m", "1h"; a bare number is seconds. In milliseconds. */
export function parseDuration(option: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text);
  const milliseconds = Number(match?.[1]) * (DURATION_UNITS.get(match?.[2] ?? "") ?? Number.NaN);
  if (!(milliseconds > 0) || !Number.isFinite(milliseconds)) {
    throw new OptionError(`${option} needs a duration such as 500ms, 2s or 5m, not '${text}'`);
  }
  return milliseconds;
}

/** An engine that accepts the named proposals; the common one if there are none. */
export function engineWith(names: readonly string[] = []): Engine {
  if (names.length === 0) return defaultEngine();
  const proposals = names.map((name) => {
    const known = PROPOSALS.find((proposal) => proposal === name);
    if (known === undefined) throw new OptionError(`--proposal is ${PROPOSALS.join(" or ")}, not '${name}'`);
    return known;
  });
  return new Engine({ proposals });
}

export interface DirectoryOption {
  readonly hostPath: string;
  readonly guestPath: string;
  readonly readOnly: boolean;
}

/** HOST, HOST::GUEST, either with ":ro" behind; a single colon separates too where HOST has none of its own. */
export function parseDirectory(text: string): DirectoryOption {
  const readOnly = text.endsWith(":ro");
  const paths = text.replace(/:r[ow]$/, "");
  const double = paths.indexOf("::");
  const single = /^[A-Za-z]:[\\/]/.test(paths) ? -1 : paths.indexOf(":");
  const [at, length] = double >= 0 ? [double, 2] : [single, 1];
  const hostPath = at < 0 ? paths : paths.slice(0, at);
  const guestPath = at < 0 ? paths : paths.slice(at + length);
  if (hostPath === "" || guestPath === "") {
    throw new OptionError(`--dir needs HOST or HOST::GUEST, with :ro behind for read-only, not '${text}'`);
  }
  return { hostPath, guestPath, readOnly };
}

/** What stands in the way of a directory that is asked for. */
export function directoryError(hostPath: string, error: unknown): OptionError {
  return new OptionError(`--dir ${hostPath}: ${systemText(error, "directory")}`);
}

/** NAME=VALUE, or NAME for the value of our own environment, if it is there. Later ones win. */
export function environmentOf(
  options: readonly string[],
  inherit: boolean,
  own: Readonly<Record<string, string | undefined>>,
): string[] {
  const variables = new Map<string, string>();
  if (inherit) {
    for (const [name, value] of Object.entries(own)) if (value !== undefined) variables.set(name, value);
  }
  for (const option of options) {
    const at = option.indexOf("=");
    if (at === 0 || option === "") throw new OptionError(`--env needs NAME=VALUE or NAME, not '${option}'`);
    const name = at < 0 ? option : option.slice(0, at);
    const value = at < 0 ? own[name] : option.slice(at + 1);
    if (value !== undefined) variables.set(name, value);
  }
  return [...variables].map(([name, value]) => `${name}=${value}`);
}
