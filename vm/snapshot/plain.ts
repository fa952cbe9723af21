/** Plain data (`FrameState`) in a snapshot: what frame functions and pending host calls keep. */

import { SnapshotError } from "../errors.ts";
import type { FrameState } from "../runtime/func.ts";
import type { Input } from "./input.ts";
import type { Output } from "./output.ts";
import { Pace } from "./pace.ts";

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
/** What a value costs of a step, besides its bytes. */
const VALUE_BYTES = 128;

/** `what` names the data's owner. Throws `SnapshotError` for what is not plain. */
export function writePlain(out: Output, value: unknown, what: string): void {
  for (const _ of writePlainSteps(out, value, what));
}

/** As {@link writePlain}, in steps of about a megabyte. */
export function* writePlainSteps(
  out: Output,
  value: unknown,
  what: string,
  pace = new Pace(),
  depth = 0,
): Generator<void> {
  if (pace.isOver(VALUE_BYTES + (value instanceof Uint8Array ? value.length : 0))) yield;
  if (writeLeaf(out, value)) return;
  const isList = Array.isArray(value);
  if (!isList && !isPlainObject(value)) {
    throw new SnapshotError("unsavable", `${what} is not plain data: ${describe(value)}`);
  }
  const items = isList ? (value as readonly unknown[]) : Object.entries(value as object);
  if (depth === MAX_DEPTH && items.length > 0) {
    throw new SnapshotError("unsavable", `${what}: more than ${MAX_DEPTH} lists inside each other`);
  }
  out.u8(isList ? Tag.List : Tag.Record);
  out.count(items.length);
  for (const each of items) {
    if (!isList) out.text((each as [string, unknown])[0]);
    yield* writePlainSteps(out, isList ? each : (each as [string, unknown])[1], what, pace, depth + 1);
  }
}

/** False for what is not written: lists, records, and what is not plain. */
function writeLeaf(out: Output, value: unknown): boolean {
  switch (typeof value) {
    case "boolean":
      out.u8(value ? Tag.True : Tag.False);
      return true;
    case "number":
      out.u8(Tag.Number);
      out.f64(value);
      return true;
    case "bigint":
      out.u8(Tag.BigInt);
      out.text(value.toString(16));
      return true;
    case "string":
      out.u8(Tag.Text);
      out.text(value);
      return true;
    default:
  }
  if (value === null) {
    out.u8(Tag.Null);
    return true;
  }
  if (!(value instanceof Uint8Array)) return false;
  out.u8(Tag.Bytes);
  out.count(value.length);
  out.raw(value);
  return true;
}

function isPlainObject(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
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
