/** Plain data (`FrameState`) in a snapshot: what frame functions and pending host calls keep. */

import { SnapshotError } from "../errors.ts";
import type { FrameState } from "../runtime/func.ts";
import type { Input } from "./input.ts";
import type { Output } from "./output.ts";

const enum Tag {
  Null,
  False,
  True,
  Number,
  BigInt,
  Text,
  List,
  Record,
  Bytes,
}

/** Lists and records inside each other. */
const MAX_DEPTH = 64;

/** `what` names the data's owner. Throws `SnapshotError` for what is not plain. */
export function writePlain(out: Output, value: unknown, what: string, depth = 0): void {
  if (depth > MAX_DEPTH)
    throw new SnapshotError("unsavable", `${what}: more than ${MAX_DEPTH} lists inside each other`);
  switch (typeof value) {
    case "boolean":
      out.u8(value ? Tag.True : Tag.False);
      return;
    case "number":
      out.u8(Tag.Number);
      out.f64(value);
      return;
    case "bigint":
      out.u8(Tag.BigInt);
      out.text(value.toString(16));
      return;
    case "string":
      out.u8(Tag.Text);
      out.text(value);
      return;
    default:
  }
  if (value === null) {
    out.u8(Tag.Null);
  } else if (value instanceof Uint8Array) {
    out.u8(Tag.Bytes);
    out.count(value.length);
    out.raw(value);
  } else if (Array.isArray(value)) {
    out.u8(Tag.List);
    out.count(value.length);
    for (const item of value) writePlain(out, item, what, depth + 1);
  } else if (typeof value === "object" && isPlainObject(value)) {
    const entries = Object.entries(value);
    out.u8(Tag.Record);
    out.count(entries.length);
    for (const [key, item] of entries) {
      out.text(key);
      writePlain(out, item, what, depth + 1);
    }
  } else throw new SnapshotError("unsavable", `${what} is not plain data: ${describe(value)}`);
}

function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** A value of the host in few words. */
export function describe(value: unknown): string {
  if (typeof value !== "object" || value === null) return typeof value;
  const { constructor: made } = value;
  return typeof made === "function" ? `an object of ${made.name || "a class"}` : "an object";
}

export function readPlain(input: Input, depth = 0): FrameState {
  if (depth > MAX_DEPTH) throw input.invalid(`more than ${MAX_DEPTH} lists inside each other`);
  switch (input.u8()) {
    case Tag.Null:
      return null;
    case Tag.False:
      return false;
    case Tag.True:
      return true;
    case Tag.Number:
      return input.f64();
    case Tag.BigInt: {
      const text = input.text();
      if (!/^-?[0-9a-f]{1,100000}$/.test(text)) throw input.invalid("a whole number");
      return text.startsWith("-") ? -BigInt(`0x${text.slice(1)}`) : BigInt(`0x${text}`);
    }
    case Tag.Text:
      return input.text();
    case Tag.List:
      return Array.from({ length: input.items() }, () => readPlain(input, depth + 1));
    case Tag.Record: {
      const record: { [key: string]: FrameState } = {};
      for (let left = input.items(); left > 0; left--) {
        const key = input.text();
        const value = readPlain(input, depth + 1);
        Object.defineProperty(record, key, { value, enumerable: true, configurable: true, writable: true });
      }
      return record;
    }
    case Tag.Bytes:
      return input.raw(input.count()).slice();
    default:
      throw input.invalid("unknown kind of plain data");
  }
}
