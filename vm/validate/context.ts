/**
 * What bodies and constant expressions are validated against (spec: context): the module's index
 * spaces with their types in canonical numbering, and which functions may be referred to.
 */

import { invalid, invalidIndex, type SourcePlace } from "../errors.ts";
import type { Footprint } from "../footprint.ts";
import type { Module } from "../module.ts";
import type { Proposals } from "../proposals.ts";
import { canonicalVal, type TypeRegistry } from "../type-registry.ts";
import type { TypeUses } from "../type-uses.ts";
import { heapOf, isNullable, isRefType, refType, valTypeText, type FuncType, type ValType } from "../types.ts";

export class ModuleContext {
  readonly module: Module;
  readonly registry: TypeRegistry;
  readonly proposals: Proposals;
  readonly footprint: Footprint;
  /** What it uses of the registry, until it is released or nobody can reach this context any more. */
  readonly typeUses: TypeUses;
  readonly globalTypes: ValType[] = [];
  readonly tableTypes: ValType[] = [];
  readonly elementTypes: ValType[] = [];
  /** 1 for each function that occurs outside of bodies: `ref.func` may name it (spec: valid-ref.func). */
  readonly declaredFuncs: Uint8Array;

  constructor(module: Module, registry: TypeRegistry, proposals: Proposals, footprint: Footprint) {
    this.footprint = footprint;
    this.module = module;
    this.registry = registry;
    this.proposals = proposals;
    this.typeUses = registry.usesOf(this, module.types.length);
    this.declaredFuncs = new Uint8Array(module.funcs.length);
  }

  /** The canonical id of each type index, as far as the type section is validated. */
  get typeIds(): Int32Array {
    return this.typeUses.ids;
  }

  /** A canonical type as the module's text has it: by an index of its own. */
  typeText(type: ValType): string {
    const heap = isRefType(type) ? heapOf(type) : -1;
    const index = heap < 0 ? -1 : this.typeIds.indexOf(heap);
    return valTypeText(index < 0 ? type : refType(index, isNullable(type)));
  }

  /** The canonical form of a value type of the module. Throws `unknown type`. */
  canonical(type: ValType, place: SourcePlace): ValType {
    if (!isRefType(type)) return type;
    const heap = heapOf(type);
    if (heap < 0) return type;
    if (heap >= this.typeIds.length) throw invalidIndex("type", heap, place);
    return canonicalVal(type, this.typeIds);
  }

  /** The canonical id of a type index of the module. Throws `unknown type`. */
  typeId(typeIndex: number, place: SourcePlace): number {
    if (typeIndex >= this.typeIds.length) throw invalidIndex("type", typeIndex, place);
    return this.typeIds[typeIndex]!;
  }

  /** The canonical function type at a type index of the module. */
  funcTypeAt(typeIndex: number, place: SourcePlace): FuncType {
    const comp = this.registry.comp(this.typeId(typeIndex, place));
    if (comp.kind !== "func") throw invalid("type mismatch", place, `type ${typeIndex} is no function type`);
    return comp;
  }

  /** The canonical type of a function whose index is in range and whose type index is validated. */
  funcType(funcIndex: number): FuncType {
    return this.registry.funcType(this.typeIds[this.module.funcs[funcIndex]!]!);
  }
}
