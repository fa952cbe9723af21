/** Arguments and expected results of scripts. Numbers are compared as bit patterns, never as JavaScript numbers. */

import { Func, HeapObject } from "../vm/index.ts";
import { assertNever } from "../vm/errors.ts";
import type { Constant, LanePattern, NanKind, RefPattern, ResultPattern, VectorShape } from "../vm/text/commands.ts";

/** The host's reference number `value`: two with the same number are the same object. */
export class HostReference {
  readonly value: number;
  private constructor(value: number) {
    this.value = value;
  }

  static #all = new Map<number, HostReference>();

  static of(value: number): HostReference {
    const known = HostReference.#all.get(value);
    if (known !== undefined) return known;
    const made = new HostReference(value);
    HostReference.#all.set(value, made);
    return made;
  }
}

/** The argument as an invocation with `bits` takes it. */
export function argumentOf(constant: Constant): unknown {
  switch (constant.kind) {
    case "i32":
    case "i64":
    case "f32":
    case "f64":
      return constant.bits;
    case "v128":
      return bitsOf(constant.bytes);
    case "ref.null":
      return null;
    case "ref.extern":
    case "ref.host":
      return HostReference.of(constant.value);
    default:
      return assertNever(constant);
  }
}

/** Whether a result, with numbers as bit patterns, is what the pattern asks for. */
export function matches(value: unknown, pattern: ResultPattern): boolean {
  switch (pattern.kind) {
    case "i32":
    case "i64":
    case "f32":
    case "f64":
      return value === pattern.bits;
    case "nan":
      return typeof value === "bigint" && isNan(value, pattern.nan, pattern.type === "f32" ? 32 : 64);
    case "v128":
      return typeof value === "bigint" && lanesMatch(value, pattern.shape, pattern.lanes);
    case "ref.null":
      return value === null;
    case "ref":
      return value !== null && value !== undefined && isReferenceTo(value, pattern.of);
    case "ref.extern":
    case "ref.host":
      return value === HostReference.of(pattern.value);
    case "either":
      return pattern.alternatives.some((alternative) => matches(value, alternative));
    default:
      return assertNever(pattern);
  }
}

/** Canonical: only the quiet bit of the payload is set. Arithmetic: at least that one. The sign is free. */
function isNan(bits: bigint, kind: NanKind, width: number): boolean {
  const quiet = width === 32 ? 0x7fc0_0000n : 0x7ff8_0000_0000_0000n;
  const magnitude = BigInt.asUintN(width - 1, bits);
  return kind === "nan:canonical" ? magnitude === quiet : (magnitude & quiet) === quiet;
}

const LANE_BYTES: Readonly<Record<VectorShape, number>> = {
  i8x16: 1,
  i16x8: 2,
  i32x4: 4,
  i64x2: 8,
  f32x4: 4,
  f64x2: 8,
};

function lanesMatch(vector: bigint, shape: VectorShape, lanes: readonly LanePattern[]): boolean {
  const width = LANE_BYTES[shape] * 8;
  return lanes.every((lane, index) => {
    const bits = BigInt.asUintN(width, vector >> BigInt(index * width));
    return typeof lane === "bigint" ? bits === lane : isNan(bits, lane, width);
  });
}

/** Little-endian. */
function bitsOf(bytes: Uint8Array): bigint {
  return bytes.reduceRight((bits, byte) => (bits << 8n) | BigInt(byte), 0n);
}

/** Numbers are bigints here, so a JavaScript number is an i31. */
function isReferenceTo(value: NonNullable<unknown>, kind: RefPattern): boolean {
  if (typeof value === "bigint") return false;
  const object = value instanceof HeapObject ? value.kind : null;
  switch (kind) {
    case "ref.func":
      return value instanceof Func;
    case "ref.i31":
      return typeof value === "number";
    case "ref.struct":
    case "ref.array":
      return `ref.${object}` === kind;
    case "ref.exn":
      return object === "exception";
    case "ref.eq":
      return typeof value === "number" || object === "struct" || object === "array";
    // Any value of the host may be an externref or, converted, an anyref.
    case "ref.any":
    case "ref.extern":
      return !(value instanceof Func) && object !== "exception";
    default:
      return assertNever(kind);
  }
}

export function valueText(value: unknown): string {
  if (typeof value === "bigint") return `0x${value.toString(16)}`;
  if (value instanceof HostReference) return `(ref.extern ${value.value})`;
  if (value instanceof Func) return "(ref.func)";
  if (value instanceof HeapObject) return `(ref.${value.kind})`;
  if (typeof value === "number") return `(ref.i31 ${value})`;
  return value === null ? "(ref.null)" : `(${typeof value})`;
}

export function patternText(pattern: ResultPattern): string {
  switch (pattern.kind) {
    case "i32":
    case "i64":
    case "f32":
    case "f64":
      return `${pattern.kind} 0x${pattern.bits.toString(16)}`;
    case "nan":
      return `${pattern.type} ${pattern.nan}`;
    case "v128":
      return `${pattern.shape} ${pattern.lanes.map((lane) => (typeof lane === "bigint" ? `0x${lane.toString(16)}` : lane)).join(" ")}`;
    case "ref.null":
      return "(ref.null)";
    case "ref":
      return `(${pattern.of})`;
    case "ref.extern":
    case "ref.host":
      return `(${pattern.kind} ${pattern.value})`;
    case "either":
      return `(either ${pattern.alternatives.map(patternText).join(" ")})`;
    default:
      return assertNever(pattern);
  }
}
