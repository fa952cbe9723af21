/** The type of a host function, from the names that its definition gives. */

import { Num, VAL_TYPE_NAMES, type FuncType, type ValType } from "../types.ts";
import type { HostDefinition } from "./func.ts";

/** In the engine's types. Throws `TypeError` for a type name that does not exist. */
export function hostFuncType({ params, results }: HostDefinition): FuncType {
  return { params: params.map(valType), results: results.map(valType) };
}

function valType(name: string): ValType {
  const type = VAL_TYPE_NAMES.get(name);
  if (type === undefined || type === Num.Bottom) throw new TypeError(`no such value type: ${name}`);
  return type;
}
