/**
 * The first half of instantiation (spec: exec-instantiation): finds the imports, compares their
 * types, and allocates. Nothing of the guest is executed.
 */

import type { CompiledModule, ExternDescriptor } from "../compiled-module.ts";
import { LinkError } from "../errors.ts";
import { GLOBAL_WORDS } from "../lower/source.ts";
import { Func, type HostDefinition } from "../runtime/func.ts";
import { Global, Tag } from "../runtime/global.ts";
import { Instance, type Extern } from "../runtime/instance.ts";
import { Memory } from "../runtime/memory.ts";
import type { Store } from "../runtime/store.ts";
import { Table } from "../runtime/table.ts";
import { pageBytesOf, type ExternType, type GlobalType, type Limits, type MemType, type TableType } from "../types.ts";
import { LinkPlan } from "./link-plan.ts";

/** What may be given for an import: something of the store, or the definition of a host function. */
export type ImportValue = Extern | HostDefinition;

/** Asked for each import; undefined means there is none. */
export type Resolver = (module: string, name: string, type: ExternDescriptor) => ImportValue | undefined;

/**
 * Imports by module and name. Of plain objects only own properties count, so no name reaches
 * `Object.prototype`.
 */
export type Imports =
  | Resolver
  | ReadonlyMap<string, ReadonlyMap<string, ImportValue>>
  | { readonly [module: string]: { readonly [name: string]: ImportValue } };

/**
 * Makes an instance whose globals, segments and active data are still to be set. Throws
 * `LinkError`, `TypeError` for an import of another store, `Termination` when a limit refuses.
 */
export function link(store: Store, module: CompiledModule, imports: Imports | LinkPlan): Instance {
  if (module.engine !== store.engine) throw new TypeError("the module belongs to another engine than the store");
  if (imports instanceof LinkPlan) return linkPlanned(store, module, imports);
  const made: Func[] = [];
  try {
    return linkFound(store, module, resolverOf(imports), made);
  } catch (error) {
    for (const func of made.reverse()) store.removeHostFunc(func);
    throw error;
  }
}

/** Host functions that it makes for definitions are added to `made`. */
function linkFound(store: Store, module: CompiledModule, resolve: Resolver, made: Func[]): Instance {
  const { data } = module;
  const funcs: number[] = [];
  const tables: Table[] = [];
  const memories: Memory[] = [];
  const globals: number[] = [];
  const tags: Tag[] = [];
  for (const { module: from, name, type } of data.imports) {
    const value = resolve(from, name, module.describe(type));
    if (value === undefined) throw new LinkError("unknown import", from, name);
    const extern = asExtern(store, value, name, made);
    const isShared = extern instanceof Memory && extern.isShared;
    if (extern.store !== store && !isShared)
      throw new TypeError(`import ${JSON.stringify(name)} belongs to another store`);
    const mismatch = compare(module, type, extern);
    if (mismatch !== null) throw new LinkError("incompatible import type", from, name, mismatch);
    if (extern instanceof Func) funcs.push(extern.address);
    else if (extern instanceof Table) {
      extern.own();
      tables.push(extern);
    } else if (extern instanceof Memory) {
      extern.addUser(store);
      memories.push(extern);
    } else if (extern instanceof Global) globals.push(extern.at);
    else tags.push(extern);
  }
  return allocate(store, module, Int32Array.from(funcs), tables, memories, globals, tags);
}

/** As {@link link}, with imports that were found and compared before. */
function linkPlanned(store: Store, module: CompiledModule, plan: LinkPlan): Instance {
  if (plan.module !== module) throw new TypeError("the plan is of another module");
  const addresses = store.addPlanned(plan.hosts)
    ? plan.addresses
    : Int32Array.from(plan.hosts, ({ definition }) => store.hostFunc(definition).address);
  return allocate(store, module, addresses, [], [], [], []);
}

/** Of one reference. */
const HANDLE_BYTES = 4;

function allocate(
  store: Store,
  module: CompiledModule,
  importedFuncs: Int32Array,
  tables: Table[],
  memories: Memory[],
  globals: number[],
  tags: Tag[],
): Instance {
  const isNew = store.addModule(module);
  const ownTables = tables.length;
  const ownMemories = memories.length;
  let segmentBytes = 0;
  try {
    segmentBytes = store.reserve("segments", bytesOfSegments(module));
    return allocateParts(store, module, importedFuncs, tables, memories, globals, tags);
  } catch (error) {
    // What was granted before the refusal is free again.
    for (const table of tables.slice(ownTables)) table.discard();
    for (const memory of memories.slice(ownMemories)) memory.discard();
    store.accountant.release("segments", segmentBytes);
    if (isNew) store.removeModule(module);
    throw error;
  }
}

/** Bytes an instance keeps for its segments: a flag each, and the handles of those given by expressions. */
export function bytesOfSegments({ data }: CompiledModule): number {
  let bytes = data.elements.length + data.data.length;
  for (const { items } of data.elements) if (items.kind === "exprs") bytes += items.exprs.length * HANDLE_BYTES;
  return bytes;
}

function allocateParts(
  store: Store,
  module: CompiledModule,
  importedFuncs: Int32Array,
  tables: Table[],
  memories: Memory[],
  globals: number[],
  tags: Tag[],
): Instance {
  const { data } = module;
  const imaged: Table[] = [];
  for (let i = data.importedTables; i < data.tables.length; i++) {
    const { type } = data.tables[i]!;
    const image = module.images.of(i);
    const table = new Table(store, { ...type, element: module.canonical(type.element) }, image ?? null);
    if (image !== undefined) imaged.push(table);
    tables.push(table);
  }
  for (let i = data.importedMemories; i < data.memories.length; i++)
    memories.push(new Memory(store, data.memories[i]!));
  const ownGlobals = data.globals.length - data.importedGlobals;
  const first = store.addGlobals(ownGlobals);
  for (let i = 0; i < ownGlobals; i++) globals.push(first + i * GLOBAL_WORDS);
  for (let i = data.importedTags; i < data.tags.length; i++) tags.push(new Tag(store, module.typeIds[data.tags[i]!]!));
  const instance = new Instance(store, module, {
    importedFuncs,
    tables,
    memories,
    globalsAt: Int32Array.from(globals),
    tags,
  });
  for (const table of imaged) table.share(instance);
  return instance;
}

export function resolverOf(imports: Imports): Resolver {
  if (typeof imports === "function") return imports;
  if (imports instanceof Map) return (module, name) => imports.get(module)?.get(name);
  const record = imports as { readonly [module: string]: { readonly [name: string]: ImportValue } };
  return (module, name) => {
    if (!Object.hasOwn(record, module)) return undefined;
    const names = record[module];
    return names !== undefined && Object.hasOwn(names, name) ? names[name] : undefined;
  };
}

function asExtern(store: Store, value: ImportValue, name: string, made: Func[]): Extern {
  if (typeof value !== "object" || value === null) {
    throw new TypeError(`import ${JSON.stringify(name)} is neither of a store nor the definition of a host function`);
  }
  if (!("call" in value)) return value;
  const func = store.hostFunc(value);
  made.push(func);
  return func;
}

/** Why an external value does not match the import's type (spec: match-externtype), or null. */
export function compare(module: CompiledModule, expected: ExternType, actual: Extern): string | null {
  if (expected.kind !== actual.kind) return `expected a ${expected.kind}, got a ${actual.kind}`;
  switch (expected.kind) {
    case "func":
    case "tag": {
      const id = module.typeIds[expected.typeIndex]!;
      const fits =
        actual.kind === "func" ? module.engine.types.isSubtype(actual.typeId, id) : (actual as Tag).typeId === id;
      return fits ? null : "another type";
    }
    case "table":
      return compareTables(module, expected.type, (actual as Table).type);
    case "memory":
      return compareMemories(expected.type, (actual as Memory).type);
    default:
      return compareGlobals(module, expected.type, (actual as Global).type);
  }
}

function compareTables(module: CompiledModule, expected: TableType, actual: TableType): string | null {
  if (expected.address !== actual.address) return "another address type";
  if (module.canonical(expected.element) !== actual.element) return "another element type";
  return compareLimits(expected.limits, actual.limits);
}

function compareMemories(expected: MemType, actual: MemType): string | null {
  if (expected.address !== actual.address) return "another address type";
  if (expected.shared !== actual.shared) return "shared and not shared";
  if (pageBytesOf(expected) !== pageBytesOf(actual)) return "another page size";
  return compareLimits(expected.limits, actual.limits);
}

/** The actual limits must lie inside the expected ones (spec: match-limits). */
function compareLimits(expected: Limits, actual: Limits): string | null {
  if (actual.min < expected.min) return `size ${actual.min}, at least ${expected.min} expected`;
  if (expected.max === null) return null;
  return actual.max !== null && actual.max <= expected.max
    ? null
    : `maximum ${actual.max ?? "none"}, ${expected.max} expected`;
}

function compareGlobals(module: CompiledModule, expected: GlobalType, actual: GlobalType): string | null {
  if (expected.mutable !== actual.mutable) return expected.mutable ? "immutable" : "mutable";
  const type = module.canonical(expected.type);
  const fits = expected.mutable ? type === actual.type : module.engine.types.matchesVal(actual.type, type);
  return fits ? null : "another type";
}
