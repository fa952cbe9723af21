/** The type section's rules (spec: valid-rectype): indices in range, one supertype at most, and matching it. */

import { CompileError, invalid, invalidIndex } from "../errors.ts";
import { heapOf, isRefType, type CompType, type SubType, type ValType } from "../types.ts";
import type { ModuleContext } from "./context.ts";

/** Types looked at between two chances to give way. */
const CHUNK = 64;
/** A decoded module does not keep where its types stand: the caller finds out when there is an error. */
const NOWHERE = {};

/** Validates the types group by group and enters them in the registry. `at` is told the type looked at, for errors. */
export function* validateTypes(context: ModuleContext, at: (typeIndex: number) => void): Generator<undefined> {
  const { types, recGroups } = context.module;
  let start = 0;
  for (let group = 0; group < recGroups.length; group++) {
    const size = recGroups[group]!;
    const end = start + size;
    for (let index = start; index < end; index++) {
      at(index);
      checkIndices(types[index]!, index, end);
      if (index % CHUNK === CHUNK - 1) yield;
    }
    yield* context.registry.enterGroup(types, size, context.typeUses);
    for (let index = start; index < end; index++) {
      at(index);
      checkSuper(context, types[index]!, index);
      if (index % CHUNK === CHUNK - 1) yield;
    }
    start = end;
    if (group % CHUNK === CHUNK - 1) yield;
  }
}

/** A type may name itself and all types of its group, but only earlier ones as its supertype. */
function checkIndices(type: SubType, index: number, groupEnd: number): void {
  if (type.supers.length > 1) throw invalid("sub type", NOWHERE, `type ${index} has ${type.supers.length} supertypes`);
  for (const superIndex of type.supers) {
    if (superIndex >= index) throw invalidIndex("type", superIndex, NOWHERE);
  }
  checkComp(type.comp, groupEnd);
}

function checkComp(comp: CompType, groupEnd: number): void {
  switch (comp.kind) {
    case "func":
      checkVals(comp.params, groupEnd);
      checkVals(comp.results, groupEnd);
      return;
    case "struct":
      for (const field of comp.fields) checkVal(field.storage, groupEnd);
      return;
    case "array":
      checkVal(comp.field.storage, groupEnd);
  }
}

function checkVals(types: readonly ValType[], groupEnd: number): void {
  for (let i = 0; i < types.length; i++) checkVal(types[i]!, groupEnd);
}

function checkVal(type: ValType, groupEnd: number): void {
  if (isRefType(type) && heapOf(type) >= groupEnd) throw invalidIndex("type", heapOf(type), NOWHERE);
}

function checkSuper({ registry, typeIds }: ModuleContext, type: SubType, index: number): void {
  const superIndex = type.supers[0];
  if (superIndex === undefined) return;
  const superId = typeIds[superIndex]!;
  if (registry.isFinal(superId) || !registry.matchesComp(registry.comp(typeIds[index]!), registry.comp(superId))) {
    throw new CompileError("invalid", `sub type ${index} does not match super type ${superIndex}`);
  }
}
