/** Reads the data of a saved process strictly: whoever made it may have lied about everything. */

import { type FrameState, SnapshotError } from "../../vm/index.ts";

export function invalid(detail: string): SnapshotError {
  return new SnapshotError("invalid", `the process: ${detail}`);
}

export function unsavable(detail: string): SnapshotError {
  return new SnapshotError("unsavable", detail);
}

export function mismatch(detail: string): SnapshotError {
  return new SnapshotError("mismatch", detail);
}

/** The fields of one record. Every method throws `SnapshotError` for a field that is missing or of another kind. */
export class Fields {
  readonly #record: { readonly [key: string]: FrameState };
  readonly #what: string;

  constructor(state: FrameState | undefined, what: string) {
    this.#what = what;
    if (typeof state !== "object" || state === null || Array.isArray(state) || state instanceof Uint8Array) {
      throw invalid(`${what} is no record`);
    }
    this.#record = state as { readonly [key: string]: FrameState };
  }

  #wrong(key: string): SnapshotError {
    return invalid(`${this.#what}: ${key}`);
  }

  get(key: string): FrameState {
    const value = Object.hasOwn(this.#record, key) ? this.#record[key] : undefined;
    if (value === undefined) throw this.#wrong(key);
    return value;
  }

  has(key: string): boolean {
    return this.get(key) !== null;
  }

  /** Not negative, and no NaN; possibly infinite. */
  amount(key: string): number {
    const value = this.get(key);
    if (typeof value !== "number" || !(value >= 0)) throw this.#wrong(key);
    return value;
  }

  amountOrNull(key: string): number | null {
    return this.has(key) ? this.amount(key) : null;
  }

  count(key: string, max = Number.MAX_SAFE_INTEGER): number {
    const value = this.amount(key);
    if (!Number.isSafeInteger(value) || value > max) throw this.#wrong(key);
    return value;
  }

  flag(key: string): boolean {
    const value = this.get(key);
    if (typeof value !== "boolean") throw this.#wrong(key);
    return value;
  }

  text(key: string): string {
    const value = this.get(key);
    if (typeof value !== "string") throw this.#wrong(key);
    return value;
  }

  /** One of a few words. */
  word<T extends string>(key: string, words: readonly T[]): T {
    const found = words.find((word) => word === this.get(key));
    if (found === undefined) throw this.#wrong(key);
    return found;
  }

  /** Signed, of 64 bits. */
  i64(key: string): bigint {
    const value = this.get(key);
    if (typeof value !== "bigint" || BigInt.asIntN(64, value) !== value) throw this.#wrong(key);
    return value;
  }

  /** Unsigned, of 64 bits. */
  u64(key: string): bigint {
    const value = this.get(key);
    if (typeof value !== "bigint" || BigInt.asUintN(64, value) !== value) throw this.#wrong(key);
    return value;
  }

  bytes(key: string): Uint8Array {
    const value = this.get(key);
    if (!(value instanceof Uint8Array)) throw this.#wrong(key);
    return value;
  }

  /** A list of bytes. */
  allBytes(key: string): readonly Uint8Array[] {
    return this.list(key).map((value) => {
      if (!(value instanceof Uint8Array)) throw this.#wrong(key);
      return value;
    });
  }

  list(key: string): readonly FrameState[] {
    const value = this.get(key);
    if (!Array.isArray(value)) throw this.#wrong(key);
    return value as readonly FrameState[];
  }

  texts(key: string): string[] {
    return this.list(key).map((value) => {
      if (typeof value !== "string") throw this.#wrong(key);
      return value;
    });
  }

  records(key: string): Fields[] {
    return this.list(key).map((value) => new Fields(value, `${this.#what}: ${key}`));
  }

  record(key: string): Fields {
    return new Fields(this.get(key), `${this.#what}: ${key}`);
  }
}
