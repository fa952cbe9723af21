/**
 * The first half of instantiation (spec: exec-instantiation): finds the imports, compares their
 * types, and allocates. Nothing of the guest is executed.
 */

import type { CompiledModule, ExternDescriptor } from "../compiled-module.ts";
import { InternalError, LinkError } from "../errors.ts";
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

/**
 * Makes an instance whose globals, segments and active data are still to be set. Throws `LinkError`, `TypeError` for an import of
 * another store, `Termination` when a limit refuses; nothing has changed then.
 */
export function link(store: Store, module: CompiledModule, imports: Imports | LinkPlan): Linking {
  if (module.engine !== store.engine) throw new TypeError("the module belongs to another engine than the store");
  const linking = new Linking(store, module);
  try {
    if (imports instanceof LinkPlan) linking.findPlanned(imports);
    else linking.find(resolverOf(imports));
    linking.allocate();
    return linking;
  } catch (error) {
    linking.unlink();
    throw error;
  }
}

const NO_FUNCS = new Int32Array(0);
/** Of one reference. */
const HANDLE_BYTES = 4;
/**
 * What V8's heap has of a table besides its elements, though the buffer of few of them lies there too; of a memory besides its
 * bytes; and of a tag, once it was thrown.
 */
const TABLE_BYTES = 384;
const MEMORY_BYTES = 256;
const TAG_BYTES = 96;
/** What a memory touches at least that has fewer bytes: a page of the system. */
const TOUCHED_BYTES = 4_096;

/** What an instance is made of while it grows, and what the store has to get back if it fails. */
export class Linking {
  readonly #store: Store;
  readonly #module: CompiledModule;
  /** Null until all of it is allocated. */
  #instance: Instance | null = null;
  // The lists hold what is imported, then what is its own.
  #importedFuncs: Int32Array = NO_FUNCS;
  #tables: Table[] = NONE;
  #memories: Memory[] = NONE;
  /** First words of imported globals. */
  #globals: number[] = NONE;
  #tags: Tag[] = NONE;
  /** Host functions made for definitions; memories that the store had not used; and whether it has got the functions of a plan. */
  #made: Func[] = NONE;
  #joined: Memory[] = NONE;
  #isPlanned = false;
  // From here on what it has allocated itself.
  #isAllocating = false;
  #isNewModule = false;
  #ownTables = 0;
  #ownMemories = 0;
  #globalsBefore = 0;
  #ownBytes = 0;

  constructor(store: Store, module: CompiledModule) {
    this.#store = store;
    this.#module = module;
  }

  /** Once it is allocated. */
  get instance(): Instance {
    if (this.#instance === null) throw new InternalError("the instance is not linked");
    return this.#instance;
  }

  find(resolve: Resolver): void {
    const store = this.#store;
    const module = this.#module;
    const funcs: number[] = [];
    for (const { module: from, name, type } of module.data.imports) {
      const value = resolve(from, name, module.describe(type));
      if (value === undefined) throw new LinkError("unknown import", from, name);
      const extern = this.#asExtern(value, from, name);
      const isShared = extern instanceof Memory && extern.isShared;
      if (extern.store !== store && !isShared)
        throw new TypeError(`import ${JSON.stringify(name)} belongs to another store`);
      const mismatch = compare(module, type, extern);
      if (mismatch !== null) throw new LinkError("incompatible import type", from, name, mismatch);
      if (extern instanceof Func) funcs.push(extern.address);
      else if (extern instanceof Table) this.#tables = added(this.#tables, extern);
      else if (extern instanceof Memory) {
        if (extern.addUser(store)) this.#joined = added(this.#joined, extern);
        this.#memories = added(this.#memories, extern);
      } else if (extern instanceof Global) this.#globals = added(this.#globals, extern.at);
      else this.#tags = added(this.#tags, extern);
    }
    for (const table of this.#tables) table.own();
    this.#importedFuncs = Int32Array.from(funcs);
  }

  #asExtern(value: ImportValue, module: string, name: string): Extern {
    if (typeof value !== "object" || value === null) {
      const wanted = "something of the store, or a definition with params, results and call";
      throw new TypeError(
        `import ${JSON.stringify(module)} ${JSON.stringify(name)}: expected ${wanted}, got ${valueText(value)}`,
      );
    }
    return "call" in value ? this.#hostFunc(value, `${module}::${name}`) : value;
  }

  #hostFunc(definition: HostDefinition, name: string): Func {
    const func = this.#store.hostFunc(definition, name);
    this.#made = added(this.#made, func);
    return func;
  }

  /** As {@link find}, of imports that were found and compared before. */
  findPlanned(plan: LinkPlan): void {
    if (plan.module !== this.#module) throw new TypeError("the plan is of another module");
    this.#isPlanned = this.#store.addPlanned(plan.hosts);
    if (this.#isPlanned) this.#importedFuncs = plan.addresses;
    else {
      for (const { definition, name } of plan.hosts) this.#hostFunc(definition, name);
      this.#importedFuncs = Int32Array.from(this.#made, ({ address }) => address);
    }
  }

  allocate(): void {
    const store = this.#store;
    const module = this.#module;
    const { data } = module;
    this.#isNewModule = store.addModule(module);
    this.#ownTables = this.#tables.length;
    this.#ownMemories = this.#memories.length;
    this.#globalsBefore = store.globalCount;
    this.#isAllocating = true;
    this.#ownBytes = store.reserve("instance", bytesOfInstance(module));
    let imaged: Table[] = NONE;
    for (let i = data.importedTables; i < data.tables.length; i++) {
      const image = module.images.of(i);
      const table = new Table(store, module.tableTypes[i]!, image ?? null);
      if (image !== undefined) imaged = added(imaged, table);
      this.#tables = added(this.#tables, table);
    }
    for (let i = data.importedMemories; i < data.memories.length; i++) {
      this.#memories = added(this.#memories, new Memory(store, data.memories[i]!));
    }
    for (let i = data.importedTags; i < data.tags.length; i++) {
      this.#tags = added(this.#tags, new Tag(store, module.typeIds[data.tags[i]!]!));
    }
    const instance = new Instance(store, module, {
      importedFuncs: this.#importedFuncs,
      tables: this.#tables,
      memories: this.#memories,
      globalsAt: allocateGlobals(store, module, this.#globals),
      tags: this.#tags,
    });
    for (const table of imaged) table.share(instance);
    this.#instance = instance;
  }

  /**
   * Gives everything back, before anybody has seen the instance. Later nothing is taken back: a host function that the
   * start function calls may keep whatever it reaches, and so may the heap.
   */
  unlink(): void {
    const store = this.#store;
    if (this.#instance !== null) store.removeInstance(this.#instance);
    if (this.#isAllocating) {
      for (const table of this.#tables.slice(this.#ownTables)) table.discard();
      for (const memory of this.#memories.slice(this.#ownMemories)) memory.discard();
      store.removeGlobals(this.#globalsBefore);
      store.accountant.release("instance", this.#ownBytes);
      if (this.#isNewModule) store.removeModule(this.#module);
    }
    if (this.#isPlanned) store.removePlanned();
    for (let i = this.#made.length; i > 0; i--) store.removeHostFunc(this.#made[i - 1]!);
    for (const memory of this.#joined) memory.removeUser(store);
  }
}

/**
 * Bytes an instance keeps for what is its own, besides what that holds: its tables, memories and tags, and of its segments a flag
 * each and the handles of those given by expressions.
 */
export function bytesOfInstance({ data, elementItemsAt }: CompiledModule): number {
  const segmentBytes = data.elements.length + data.data.length + elementItemsAt[data.elements.length]! * HANDLE_BYTES;
  const tableBytes = (data.tables.length - data.importedTables) * TABLE_BYTES;
  let memoryBytes = (data.memories.length - data.importedMemories) * MEMORY_BYTES;
  for (let i = data.importedMemories; i < data.memories.length; i++) {
    if (pageBytesOf(data.memories[i]!) < TOUCHED_BYTES) memoryBytes += TOUCHED_BYTES;
  }
  return segmentBytes + tableBytes + memoryBytes + (data.tags.length - data.importedTags) * TAG_BYTES;
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
