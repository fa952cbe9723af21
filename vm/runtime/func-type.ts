/** What a host function's definition has to be, and its type, from the names that it gives. */

import { arrayOf, check, FUNCTION, objectWith, oneOf, TEXT, valueText } from "../options.ts";
import { Num, VAL_TYPE_NAMES, type FuncType, type ValType } from "../types.ts";
import type { HostDefinition } from "./func.ts";

const DEFINITION = objectWith("a definition with params, results and call");
const KIND = oneOf(["plain", "async", "frame", "direct"]);
const TYPE_NAMES = arrayOf("an array of names of value types", TEXT);

/**
 * Its type in the engine's types. Throws `TypeError` for what is no definition, names a type that does not exist, or is direct
 * with types that it cannot have; `name` says whose it is, if it does not itself.
 */
export function hostFuncType(definition: HostDefinition, name: string): FuncType {
  const what = `host function ${name}`;
  check(what, definition, DEFINITION);
  const { kind = "plain", params, results, call } = definition;
  check(`kind of ${what}`, kind, KIND);
  check(`params of ${what}`, params, TYPE_NAMES);
  check(`results of ${what}`, results, TYPE_NAMES);
  check(`call of ${what}`, call, FUNCTION);
  const valType = (each: string): ValType => {
    const type = VAL_TYPE_NAMES.get(each);
    if (type !== undefined && type !== Num.Bottom) return type;
    throw new TypeError(`${what}: no such value type: ${valueText(each)}; numbers are i32, i64, f32 and f64`);
  };
  const type = { params: params.map(valType), results: results.map(valType) };
  if (kind !== "direct") return type;
  const isDirect = type.params.every(isNumber) && type.results.every(isInteger) && results.length <= 1;
  if (!isDirect) {
    throw new TypeError(`${what}: a direct host function takes i32, i64 and f64, and returns at most one integer`);
  }
  return type;
}

function isNumber(type: ValType): boolean {
  return isInteger(type) || type === Num.F64;
}

function isInteger(type: ValType): boolean {
  return type === Num.I32 || type === Num.I64;
}
