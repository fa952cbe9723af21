/** Host values in a snapshot: by what they are if they are plain, else by a name. */

import { SnapshotError } from "../errors.ts";
import { Func } from "../runtime/func.ts";
import type { Store } from "../runtime/store.ts";
import { ExternKind } from "./format.ts";
import type { Output } from "./output.ts";
import { describe, writePlain } from "./plain.ts";

/** Gives a host value its name, if it has one. */
export type ExternName = (value: unknown) => string | undefined;

/** `isUsed`: a guest refers to it, so it has to be found again. Throws `SnapshotError` if that cannot be. */
export function writeExtern(
  out: Output,
  store: Store,
  value: unknown,
  externName: ExternName | undefined,
  isUsed: boolean,
) {
  const name = isPrimitive(value) ? undefined : externName?.(value);
  if (name !== undefined) {
    out.u8(ExternKind.Named);
    out.text(name);
  } else if (value === undefined) {
    out.u8(ExternKind.Undefined);
  } else if (isPrimitive(value)) {
    out.u8(ExternKind.Plain);
    writePlain(out, value, "a host value");
  } else if (value instanceof Func && value.store === store) {
    out.u8(ExternKind.Func);
    out.count(value.address);
  } else if (isUsed) {
    throw new SnapshotError("unsavable", `a guest refers to a host value without a name: ${describe(value)}`);
  } else out.u8(ExternKind.Unused);
}

function isPrimitive(value: unknown): boolean {
  switch (typeof value) {
    case "symbol":
    case "function":
      return false;
    case "object":
      return value === null;
    default:
      return true;
  }
}
