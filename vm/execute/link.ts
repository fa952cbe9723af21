/**
 * The first half of instantiation (spec: exec-instantiation): finds the imports, compares their
 * types, and allocates. Nothing of the guest is executed.
 */

import type { CompiledModule, ExternDescriptor } from "../compiled-module.ts";
import { LinkError } from "../errors.ts";
import { GLOBAL_WORDS } from "../lower/source.ts";
import { valueText } from "../options.ts";
import { Func, type HostDefinition } from "../runtime/func.ts";
import { Global, Tag } from "../runtime/global.ts";
import { Instance, type Extern } from "../runtime/instance.ts";
import { added, NONE } from "../runtime/lists.ts";
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

/** An instance whose globals, segments and active data are still to be set. */
export interface Linked {
  readonly instance: Instance;
  /**
   * Gives everything back, before anybody has seen the instance. Later nothing is taken back: a host function that the
   * start function calls may keep whatever it reaches, and so may the heap.
   */
  readonly unlink: () => void;
}

/**
 * Makes an instance. Throws `LinkError`, `TypeError` for an import of another store, `Termination` when a limit refuses;
 * nothing has changed then.
 */
export function link(store: Store, module: CompiledModule, imports: Imports | LinkPlan): Linked {
  if (module.engine !== store.engine) throw new TypeError("the module belongs to another engine than the store");
  if (imports instanceof LinkPlan) return linkPlanned(store, module, imports);
  const made: Func[] = [];
  const joined: Memory[] = [];
  const giveBack = (): void => {
    removeHosts(store, made);
    for (const memory of joined) memory.removeUser(store);
  };
  try {
    return allocate(store, module, findParts(store, module, resolverOf(imports), made, joined), giveBack);
  } catch (error) {
    giveBack();
    throw error;
  }
}

/** What an instance is made of while it grows. The lists hold what is imported, then what is its own. */
interface Parts {
  importedFuncs: Int32Array;
  tables: Table[];
  memories: Memory[];
  /** First words of imported globals. */
  globals: number[];
  tags: Tag[];
}

/** Host functions that it makes for definitions are added to `made`, memories that the store had not used to `joined`. */
function findParts(store: Store, module: CompiledModule, resolve: Resolver, made: Func[], joined: Memory[]): Parts {
  const { data } = module;
  const funcs: number[] = [];
  const parts: Parts = { importedFuncs: NO_FUNCS, tables: NONE, memories: NONE, globals: NONE, tags: NONE };
  for (const { module: from, name, type } of data.imports) {
    const value = resolve(from, name, module.describe(type));
    if (value === undefined) throw new LinkError("unknown import", from, name);
    const extern = asExtern(store, value, from, name, made);
    const isShared = extern instanceof Memory && extern.isShared;
    if (extern.store !== store && !isShared)
      throw new TypeError(`import ${JSON.stringify(name)} belongs to another store`);
    const mismatch = compare(module, type, extern);
    if (mismatch !== null) throw new LinkError("incompatible import type", from, name, mismatch);
    if (extern instanceof Func) funcs.push(extern.address);
    else if (extern instanceof Table) parts.tables = added(parts.tables, extern);
    else if (extern instanceof Memory) {
      if (extern.addUser(store)) joined.push(extern);
      parts.memories = added(parts.memories, extern);
    } else if (extern instanceof Global) parts.globals = added(parts.globals, extern.at);
    else parts.tags = added(parts.tags, extern);
  }
  for (const table of parts.tables) table.own();
  parts.importedFuncs = Int32Array.from(funcs);
  return parts;
}

/** As {@link link}, with imports that were found and compared before. */
function linkPlanned(store: Store, module: CompiledModule, plan: LinkPlan): Linked {
  if (plan.module !== module) throw new TypeError("the plan is of another module");
  const parts: Parts = { importedFuncs: plan.addresses, tables: NONE, memories: NONE, globals: NONE, tags: NONE };
  const made: Func[] = [];
  const isPlanned = store.addPlanned(plan.hosts);
  const giveBack = (): void => (isPlanned ? store.removePlanned() : removeHosts(store, made));
  try {
    if (!isPlanned) {
      for (const { definition, name } of plan.hosts) made.push(store.hostFunc(definition, name));
      parts.importedFuncs = Int32Array.from(made, ({ address }) => address);
    }
    return allocate(store, module, parts, giveBack);
  } catch (error) {
    giveBack();
    throw error;
  }
}

function removeHosts(store: Store, made: Func[]): void {
  for (const func of made.reverse()) store.removeHostFunc(func);
}

const NO_FUNCS = new Int32Array(0);
/** Of one reference. */
const HANDLE_BYTES = 4;

function allocate(store: Store, module: CompiledModule, parts: Parts, removeImports: () => void): Linked {
  const isNew = store.addModule(module);
  const ownTables = parts.tables.length;
  const ownMemories = parts.memories.length;
  const globalsBefore = store.globalCount;
  let segmentBytes = 0;
  const giveBack = (): void => {
    for (const table of parts.tables.slice(ownTables)) table.discard();
    for (const memory of parts.memories.slice(ownMemories)) memory.discard();
    store.removeGlobals(globalsBefore);
    store.accountant.release("segments", segmentBytes);
    if (isNew) store.removeModule(module);
  };
  try {
    segmentBytes = store.reserve("segments", bytesOfSegments(module));
    const instance = allocateParts(store, module, parts);
    const unlink = (): void => {
      store.removeInstance(instance);
      giveBack();
      removeImports();
    };
    return { instance, unlink };
  } catch (error) {
    giveBack();
    throw error;
  }
}

/** Bytes an instance keeps for its segments: a flag each, and the handles of those given by expressions. */
export function bytesOfSegments({ data, elementItemsAt }: CompiledModule): number {
  return data.elements.length + data.data.length + elementItemsAt[data.elements.length]! * HANDLE_BYTES;
}

function allocateParts(store: Store, module: CompiledModule, parts: Parts): Instance {
  const { data } = module;
  const imaged: Table[] = [];
  for (let i = data.importedTables; i < data.tables.length; i++) {
    const image = module.images.of(i);
    const table = new Table(store, module.tableTypes[i]!, image ?? null);
    if (image !== undefined) imaged.push(table);
    parts.tables = added(parts.tables, table);
  }
  for (let i = data.importedMemories; i < data.memories.length; i++) {
    parts.memories = added(parts.memories, new Memory(store, data.memories[i]!));
  }
  for (let i = data.importedTags; i < data.tags.length; i++) {
    parts.tags = added(parts.tags, new Tag(store, module.typeIds[data.tags[i]!]!));
  }
  const instance = new Instance(store, module, { ...parts, globalsAt: allocateGlobals(store, module, parts.globals) });
  for (const table of imaged) table.share(instance);
  return instance;
}

/** First words of all globals: imported ones, then its own, which are new. */
function allocateGlobals(store: Store, module: CompiledModule, imported: readonly number[]): Int32Array {
  const own = module.data.globals.length - imported.length;
  const first = store.addGlobals(own);
  if (imported.length === 0 && (own === 0 || first === 0)) return module.firstGlobals;
  return Int32Array.from([...imported, ...Array.from({ length: own }, (_, i) => first + i * GLOBAL_WORDS)]);
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

function asExtern(store: Store, value: ImportValue, module: string, name: string, made: Func[]): Extern {
  if (typeof value !== "object" || value === null) {
    const wanted = "something of the store, or a definition with params, results and call";
    throw new TypeError(
      `import ${JSON.stringify(module)} ${JSON.stringify(name)}: expected ${wanted}, got ${valueText(value)}`,
    );
  }
  if (!("call" in value)) return value;
  const func = store.hostFunc(value, `${module}::${name}`);
  made.push(func);
  return func;
}

/** Why an external value does not match the import's type (spec: match-externtype), or null. */
export function compare(
  module: CompiledModule,
  expected: ExternType,
  actual: Exclude<Extern, Func> | Pick<Func, "kind" | "typeId">,
): string | null {
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
