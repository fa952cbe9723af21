/**
 * Canonical types: one engine-wide number for each defined type, equal for equal recursion groups
 * of any module (spec: syntax-rectype, "iso-recursive"), and matching between types in that
 * numbering (spec: match). Equal types are equal numbers and subtyping is one lookup in a list of
 * ancestors, so nothing here follows the structure of types after they are entered.
 *
 * Groups are counted by the modules that use them and forgotten with the last one. A group's own
 * references lead to groups of the same module, so counting by module is enough.
 */

import { TypeUsers, TypeUses } from "./type-uses.ts";
import { limitExceeded } from "./errors.ts";
import { MAX_CANONICAL_TYPES, MAX_SUBTYPING_DEPTH } from "./limits.ts";
import type { Module } from "./module.ts";
import {
  Heap,
  heapOf,
  isNullable,
  isRefType,
  Num,
  refType,
  type CompType,
  type FieldType,
  type FuncType,
  type HeapType,
  type SubType,
  type ValType,
} from "./types.ts";

/** One recursion group that is known, whatever the number of modules with an equal one. */
interface Group {
  readonly key: string;
  readonly ids: readonly number[];
  uses: number;
}

/** A defined type in canonical numbering. */
interface CanonicalType {
  readonly final: boolean;
  /** From the root down to the direct supertype, this type excluded. */
  readonly ancestors: readonly number[];
  readonly comp: CompType;
  readonly group: Group;
  /** The ancestors of its direct subtypes, which share them; made when the first one comes. */
  childAncestors: readonly number[] | null;
}

/** The hierarchies of heap types by their tops. */
export type Top = Heap.Any | Heap.Extern | Heap.Exn | Heap.Func;

const NO_ANCESTORS: readonly number[] = [];
/** UTF-16 units put into a key at once. */
const KEY_CHUNK = 4_096;
/** Longest key of one group, in UTF-16 units: below the longest string of any engine. */
const MAX_KEY_UNITS = 0x1000_0000;
/** Types of a group entered between two chances to give way. */
const TYPE_CHUNK = 64;

/** The top of the hierarchy that an abstract heap type belongs to. */
export function topOfAbstract(heap: HeapType): Top {
  switch (heap) {
    case Heap.Func:
    case Heap.NoFunc:
      return Heap.Func;
    case Heap.Extern:
    case Heap.NoExtern:
      return Heap.Extern;
    case Heap.Exn:
    case Heap.NoExn:
      return Heap.Exn;
    default:
      return Heap.Any;
  }
}

export class TypeRegistry {
  readonly #groups = new Map<string, Group>();
  /** By canonical id; null where an id is free. */
  readonly #types: (CanonicalType | null)[] = [];
  readonly #freeIds: number[] = [];
  readonly #users = new TypeUsers((uses) => this.#giveUp(uses));
  /** Told of each id that is free from then on. */
  freed: ((id: number) => void) | null = null;

  /** How many canonical types are alive. */
  get size(): number {
    return this.#types.length - this.#freeIds.length;
  }

  /**
   * Enters all types of the module, whose type indices must be in range. The
   * module's groups stay alive until {@link release} is called with the result. Throws a
   * `CompileError` of kind `limit`, and then holds nothing of the module.
   */
  canonicalize(module: Pick<Module, "recGroups" | "types">): TypeUses {
    const uses = new TypeUses(module.types.length);
    try {
      for (const size of module.recGroups) {
        for (const _ of this.enterGroup(module.types, size, uses));
      }
    } catch (error) {
      this.release(uses);
      throw error;
    }
    return uses;
  }

  /** A module's uses, given up when nobody can reach `user` any more, if they are not {@link release}d before. */
  usesOf(user: object, typeCount: number): TypeUses {
    const uses = new TypeUses(typeCount);
    this.#users.add(user, uses);
    return uses;
  }

  /**
   * Enters the group of the next `size` of the module's types, giving way now and then, and sets its part of the ids in
   * `uses`. Counts one use of the group at the end.
   */
  *enterGroup(types: readonly SubType[], size: number, uses: TypeUses): Generator<undefined> {
    if (size === 0) return;
    const { ids, entered: start } = uses;
    const key = new GroupKey(start, ids);
    for (let i = 0; i < size; i++) {
      key.addType(types[start + i]!);
      if (i % TYPE_CHUNK === TYPE_CHUNK - 1) yield;
    }
    const text = key.finish();
    let group = this.#groups.get(text);
    if (group === undefined) {
      this.#reserve(size);
      const fresh: Group = { key: text, ids: this.#takeIds(size), uses: 0 };
      // What was entered is free again if this is given up: an error, or a compilation that is ended or dropped.
      uses.fresh = fresh.ids;
      let isComplete = false;
      try {
        ids.set(fresh.ids, start);
        for (let i = 0; i < size; i++) {
          this.#types[fresh.ids[i]!] = this.#canonicalType(types[start + i]!, ids, fresh);
          if (i % TYPE_CHUNK === TYPE_CHUNK - 1) yield;
        }
        isComplete = true;
      } finally {
        uses.fresh = [];
        if (!isComplete) this.#freeIdsOf(fresh.ids);
      }
      // An equal group may have been entered by another module while this one gave way.
      group = this.#groups.get(text);
      if (group === undefined) {
        group = fresh;
        this.#groups.set(text, fresh);
      } else this.#freeIdsOf(fresh.ids);
    }
    group.uses++;
    ids.set(group.ids, start);
    uses.entered = start + size;
  }

  /** Gives up a module's uses. Their ids are not valid afterwards. Harmless when repeated. */
  release(uses: TypeUses): void {
    for (const _ of this.#giveUp(uses));
  }

  *#giveUp(uses: TypeUses): Generator<undefined> {
    const { ids, entered, fresh } = uses;
    uses.entered = 0;
    uses.fresh = [];
    yield* this.#freeing(fresh);
    for (let i = 0; i < entered; ) {
      const { group } = this.#type(ids[i]!);
      i += group.ids.length;
      group.uses--;
      if (group.uses === 0) {
        this.#groups.delete(group.key);
        yield* this.#freeing(group.ids);
      }
      yield;
    }
  }

  /** The type's definition, its own type references being canonical. */
  comp(id: number): CompType {
    return this.#type(id).comp;
  }

  isFinal(id: number): boolean {
    return this.#type(id).final;
  }

  /** The direct supertype, or -1. */
  superOf(id: number): number {
    return this.#type(id).ancestors.at(-1) ?? -1;
  }

  /** The function type of that id in canonical numbering. Throws a `TypeError` if it is none. */
  funcType(id: number): FuncType {
    const { comp } = this.#type(id);
    if (comp.kind !== "func") throw new TypeError(`bug: canonical type ${id} is no function type`);
    return comp;
  }

  /** Whether the defined type `sub` is `sup` or declared below it (spec: match-deftype). */
  isSubtype(sub: number, sup: number): boolean {
    if (sub === sup) return true;
    return this.#type(sub).ancestors[this.#type(sup).ancestors.length] === sup;
  }

  /** The top of the hierarchy that a heap type belongs to. */
  topOf(heap: HeapType): Top {
    if (heap >= 0) return this.comp(heap).kind === "func" ? Heap.Func : Heap.Any;
    return topOfAbstract(heap);
  }

  /** Whether the collector of heap objects follows values of a type: all references but those to functions. */
  isTraced(type: ValType): boolean {
    return isRefType(type) && this.topOf(heapOf(type)) !== Heap.Func;
  }

  /** (spec: match-heaptype) */
  matchesHeap(sub: HeapType, sup: HeapType): boolean {
    if (sub === sup || sub === Heap.Bottom) return true;
    if (sub >= 0) return sup >= 0 ? this.isSubtype(sub, sup) : matchesAbstract(topBelow(this.comp(sub)), sup);
    if (sup < 0) return matchesAbstract(sub, sup);
    return sub === (this.comp(sup).kind === "func" ? Heap.NoFunc : Heap.None);
  }

  /** (spec: match-valtype) */
  matchesVal(sub: ValType, sup: ValType): boolean {
    if (sub === sup || sub === Num.Bottom) return true;
    if (!isRefType(sub) || !isRefType(sup)) return false;
    if (isNullable(sub) && !isNullable(sup)) return false;
    return this.matchesHeap(heapOf(sub), heapOf(sup));
  }

  /** Whether a type defined as `sub` may be declared below one defined as `sup` (spec: match-comptype). */
  matchesComp(sub: CompType, sup: CompType): boolean {
    switch (sub.kind) {
      case "func":
        return (
          sup.kind === "func" &&
          this.#matchesList(sup.params, sub.params) &&
          this.#matchesList(sub.results, sup.results)
        );
      case "struct":
        return (
          sup.kind === "struct" &&
          sub.fields.length >= sup.fields.length &&
          sup.fields.every((field, i) => this.#matchesField(sub.fields[i]!, field))
        );
      case "array":
        return sup.kind === "array" && this.#matchesField(sub.field, sup.field);
    }
  }

  #matchesList(subs: readonly ValType[], sups: readonly ValType[]): boolean {
    return subs.length === sups.length && subs.every((sub, i) => this.matchesVal(sub, sups[i]!));
  }

  /** Mutable fields are invariant. */
  #matchesField(sub: FieldType, sup: FieldType): boolean {
    if (sub.mutable !== sup.mutable || !this.matchesVal(sub.storage, sup.storage)) return false;
    return !sub.mutable || this.matchesVal(sup.storage, sub.storage);
  }

  #type(id: number): CanonicalType {
    const type = this.#types[id];
    if (type === null || type === undefined) throw new TypeError(`bug: no canonical type ${id}`);
    return type;
  }

  #reserve(count: number): void {
    if (this.size + count > MAX_CANONICAL_TYPES) this.#users.finish();
    if (this.size + count > MAX_CANONICAL_TYPES)
      throw limitExceeded(`more than ${MAX_CANONICAL_TYPES} types in one engine`);
  }

  #takeIds(count: number): readonly number[] {
    if (count === 1) return [this.#takeId()];
    const ids: number[] = [];
    for (let i = 0; i < count; i++) ids.push(this.#takeId());
    return ids;
  }

  #takeId(): number {
    return this.#freeIds.pop() ?? this.#types.push(null) - 1;
  }

  #freeIdsOf(ids: readonly number[]): void {
    for (const _ of this.#freeing(ids));
  }

  /** Backwards, so that the next group of that size gets the same ids in the same order. */
  *#freeing(ids: readonly number[]): Generator<undefined> {
    for (let i = ids.length - 1; i >= 0; i--) {
      const id = ids[i]!;
      this.#types[id] = null;
      this.#freeIds.push(id);
      this.freed?.(id);
      yield;
    }
  }

  #canonicalType(type: SubType, ids: Int32Array, group: Group): CanonicalType {
    const superIndex = type.supers[0];
    const ancestors = superIndex === undefined ? NO_ANCESTORS : this.#ancestorsBelow(ids[superIndex]!);
    return { final: type.final, ancestors, comp: canonicalComp(type.comp, ids), group, childAncestors: null };
  }

  #ancestorsBelow(superId: number): readonly number[] {
    const superType = this.#type(superId);
    if (superType.childAncestors === null) {
      if (superType.ancestors.length >= MAX_SUBTYPING_DEPTH) {
        throw limitExceeded(`more than ${MAX_SUBTYPING_DEPTH} supertypes above a type`);
      }
      superType.childAncestors = [...superType.ancestors, superId];
    }
    return superType.childAncestors;
  }
}

/** The least abstract heap type above a defined type. */
function topBelow(comp: CompType): HeapType {
  switch (comp.kind) {
    case "func":
      return Heap.Func;
    case "struct":
      return Heap.Struct;
    case "array":
      return Heap.Array;
  }
}

function matchesAbstract(sub: HeapType, sup: HeapType): boolean {
  if (sub === sup) return true;
  switch (sup) {
    case Heap.Any:
      return sub === Heap.Eq || sub === Heap.I31 || sub === Heap.Struct || sub === Heap.Array || sub === Heap.None;
    case Heap.Eq:
      return sub === Heap.I31 || sub === Heap.Struct || sub === Heap.Array || sub === Heap.None;
    case Heap.I31:
    case Heap.Struct:
    case Heap.Array:
      return sub === Heap.None;
    case Heap.Func:
      return sub === Heap.NoFunc;
    case Heap.Extern:
      return sub === Heap.NoExtern;
    case Heap.Exn:
      return sub === Heap.NoExn;
    default:
      return false;
  }
}

/** The value type of a module with its type index replaced by the canonical id. */
export function canonicalVal(type: ValType, ids: Int32Array): ValType {
  if (!isRefType(type)) return type;
  const heap = heapOf(type);
  return heap < 0 ? type : refType(ids[heap]!, isNullable(type));
}

/** The type itself where nothing changes, which is the rule: nothing is kept twice. */
function canonicalComp(comp: CompType, ids: Int32Array): CompType {
  switch (comp.kind) {
    case "func": {
      const params = canonicalVals(comp.params, ids);
      const results = canonicalVals(comp.results, ids);
      return params === comp.params && results === comp.results ? comp : { kind: "func", params, results };
    }
    case "struct": {
      const fields = comp.fields.map((field) => canonicalField(field, ids));
      return fields.every((field, i) => field === comp.fields[i]) ? comp : { kind: "struct", fields };
    }
    case "array": {
      const field = canonicalField(comp.field, ids);
      return field === comp.field ? comp : { kind: "array", field };
    }
  }
}

function canonicalVals(types: readonly ValType[], ids: Int32Array): readonly ValType[] {
  for (const type of types) {
    if (canonicalVal(type, ids) !== type) return types.map((each) => canonicalVal(each, ids));
  }
  return types;
}

function canonicalField(field: FieldType, ids: Int32Array): FieldType {
  const storage = canonicalVal(field.storage, ids);
  return storage === field.storage ? field : { storage, mutable: field.mutable };
}

/**
 * The text that two groups share exactly when they are equal: references inside the group count
 * from its start, those before it are canonical ids. A sequence of numbers, each of one or two
 * UTF-16 units, with the lengths of lists before them.
 */
class GroupKey {
  readonly #start: number;
  readonly #ids: Int32Array;
  #units: number[] = [];
  readonly #parts: string[] = [];

  constructor(start: number, ids: Int32Array) {
    this.#start = start;
    this.#ids = ids;
  }

  addType(type: SubType): void {
    this.#add(type.final ? 1 : 0);
    this.#add(type.supers.length);
    for (const index of type.supers) this.#add(this.#reference(index));
    const { comp } = type;
    switch (comp.kind) {
      case "func":
        this.#add(0);
        this.#addVals(comp.params);
        this.#addVals(comp.results);
        break;
      case "struct":
        this.#add(1);
        this.#add(comp.fields.length);
        for (const field of comp.fields) this.#addField(field);
        break;
      case "array":
        this.#add(2);
        this.#addField(comp.field);
        break;
    }
  }

  finish(): string {
    this.#flush();
    return this.#parts.length === 1 ? this.#parts[0]! : this.#parts.join("");
  }

  #addVals(types: readonly ValType[]): void {
    this.#add(types.length);
    for (const type of types) this.#addVal(type);
  }

  #addField(field: FieldType): void {
    this.#add(field.mutable ? 1 : 0);
    this.#addVal(field.storage);
  }

  #addVal(type: ValType): void {
    const isDefined = isRefType(type) && heapOf(type) >= 0;
    this.#add(isDefined ? refType(this.#reference(heapOf(type)), isNullable(type)) : type);
  }

  #reference(index: number): number {
    return index >= this.#start ? (index - this.#start) * 2 + 1 : this.#ids[index]! * 2;
  }

  #add(number: number): void {
    if (this.#units.length >= KEY_CHUNK) this.#flush();
    if (number < 0x8000) this.#units.push(number);
    else this.#units.push(0x8000 | (number >>> 15), number & 0x7fff);
  }

  #flush(): void {
    if (this.#parts.length * KEY_CHUNK > MAX_KEY_UNITS) throw limitExceeded("too large a recursion group");
    this.#parts.push(String.fromCharCode(...this.#units));
    this.#units = [];
  }
}
