/** What host functions return, checked against their types and written where their caller expects it. */

import { encodeValue, slotsOf, type Value } from "../runtime/values.ts";
import type { HostFunc } from "../runtime/func.ts";
import type { Store } from "../runtime/store.ts";
import { Num, type FuncType, type ValType } from "../types.ts";

export function hostName({ name }: HostFunc): string {
  return `host function ${name}`;
}

/** What it returned does not fit: the error of whoever wrote it, who has to know which one it is. */
export function wrongResult(host: HostFunc, result: unknown, error: unknown): unknown {
  if (isThenable(result)) {
    return new TypeError(`${hostName(host)} returned a promise: its definition needs kind "async"`);
  }
  return error instanceof TypeError ? new TypeError(`${hostName(host)}: ${error.message}`) : error;
}

/** Writes one result. Throws `TypeError` for a value of another type. */
export function encodeResult(
  store: Store,
  host: HostFunc,
  type: ValType,
  value: Value,
  words: Int32Array,
  at: number,
): void {
  try {
    encodeValue(store, type, value, words, at);
  } catch (error) {
    throw wrongResult(host, value, error);
  }
}

/** Writes all results. Throws `TypeError` if they are too few, too many, or of other types. */
export function encodeResults(
  store: Store,
  host: HostFunc,
  values: readonly Value[],
  words: Int32Array,
  at: number,
): void {
  const { results } = host.type;
  if (values.length !== results.length) {
    throw new TypeError(`${hostName(host)} returned ${values.length} values, ${results.length} expected`);
  }
  for (const [i, type] of results.entries()) {
    encodeResult(store, host, type, values[i], words, at);
    at += 2 * slotsOf(type);
  }
}

/** Writes what a direct host function returned. Throws `TypeError` for a value of another type. */
export function encodeDirect(store: Store, host: HostFunc, result: unknown, words: Int32Array, at: number): void {
  const type = host.directResult;
  if (type === null) {
    if (isThenable(result)) throw wrongResult(host, result, null);
    return;
  }
  if (typeof result !== "number") {
    encodeResult(store, host, type, result, words, at);
  } else if (type === Num.I32) words[at] = result;
  else {
    if (!Number.isSafeInteger(result)) {
      throw wrongResult(host, result, new TypeError(`expected a value of type i64, got the number ${result}`));
    }
    words[at] = result;
    words[at + 1] = Math.floor(result / 2 ** 32);
  }
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}

/** What a host function returned, as the list of its results. */
export function asList({ results }: FuncType, value: unknown): readonly Value[] {
  if (results.length === 0) return [];
  if (results.length === 1 && !Array.isArray(value)) return [value];
  return Array.isArray(value) ? value : [value];
}
