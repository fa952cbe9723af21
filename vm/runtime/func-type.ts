/** The type of a host function, from the names that its definition gives. */

import { Num, VAL_TYPE_NAMES, type FuncType, type ValType } from "../types.ts";
import type { HostDefinition } from "./func.ts";

/**
 * In the engine's types. Throws `TypeError` for a type name that does not exist, and for a direct function with types
 * that it cannot have.
 */
export function hostFuncType({ kind, params, results }: HostDefinition): FuncType {
  const type = { params: params.map(valType), results: results.map(valType) };
  if (kind !== "direct") return type;
  const isDirect = type.params.every(isNumber) && type.results.every(isInteger) && results.length <= 1;
  if (!isDirect) throw new TypeError("a direct host function takes i32, i64 and f64, and returns at most one integer");
  return type;
}

function isNumber(type: ValType): boolean {
  return isInteger(type) || type === Num.F64;
}

function isInteger(type: ValType): boolean {
  return type === Num.I32 || type === Num.I64;
}

function valType(name: string): ValType {
  const type = VAL_TYPE_NAMES.get(name);
  if (type === undefined || type === Num.Bottom) throw new TypeError(`no such value type: ${name}`);
  return type;
}
