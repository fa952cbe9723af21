/** Values of WebAssembly on the command line: arguments of `--invoke` as typed, results as printed. */

import type { Value } from "../vm/index.ts";
import { UsageError } from "./exit.ts";

/** An integer of the type's range, signed or unsigned, decimal or hexadecimal; floats as JavaScript writes them, "nan" and "inf" too. */
export function parseValue(text: string, type: string): Value {
  switch (type) {
    case "i32":
      return Number(BigInt.asIntN(32, parseInteger(text, type, 32n)));
    case "i64":
      return BigInt.asIntN(64, parseInteger(text, type, 64n));
    case "f32":
      return Math.fround(parseFloatText(text, type));
    case "f64":
      return parseFloatText(text, type);
    default:
      if (text === "null" && (type.endsWith("ref") || type.startsWith("(ref null"))) return null;
      throw new UsageError(`an argument of type ${type} cannot be given on the command line`);
  }
}

function parseInteger(text: string, type: string, bits: bigint): bigint {
  const match = /^([+-]?)(0x[\da-f_]+|\d[\d_]*)$/i.exec(text);
  if (match?.[2] === undefined) throw new UsageError(`'${text}' is no ${type}`);
  const magnitude = BigInt(match[2].replaceAll("_", ""));
  const value = match[1] === "-" ? -magnitude : magnitude;
  if (value < -(1n << (bits - 1n)) || value >= 1n << bits) throw new UsageError(`${text} is out of range of ${type}`);
  return value;
}

function parseFloatText(text: string, type: string): number {
  const match = /^([+-]?)(nan|inf|infinity|0x[\da-f]+|\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?)$/i.exec(text);
  if (match?.[2] === undefined) throw new UsageError(`'${text}' is no ${type}`);
  const word = match[2].toLowerCase();
  const magnitude = word === "nan" ? Number.NaN : word.startsWith("inf") ? Number.POSITIVE_INFINITY : Number(word);
  return match[1] === "-" ? -magnitude : magnitude;
}

/** Integers signed; floats with as many digits as tell them from their neighbours; -0 as such. */
export function valueText(value: Value, type: string): string {
  if (value === null) return "null";
  if (value instanceof Uint8Array) return `0x${Buffer.from(value).reverse().toString("hex")}`;
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "number") return type === "f32" ? float32Text(value) : numberText(value);
  return `(${type})`;
}

function numberText(value: number): string {
  if (Object.is(value, -0)) return "-0";
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value < 0 ? "-inf" : "inf";
  return String(value);
}

/** The shortest decimal that rounds to the same 32 bits. */
function float32Text(value: number): string {
  if (!Number.isFinite(value) || value === 0) return numberText(value);
  for (let digits = 1; digits < 9; digits++) {
    const text = value.toPrecision(digits);
    if (Math.fround(Number(text)) === value) return numberText(Number(text));
  }
  return numberText(Number(value.toPrecision(9)));
}
