/**
 * An instance (spec: syntax-moduleinst): which functions, tables, memories, globals and tags of
 * the store a module's indices mean, and which of its segments are dropped.
 */

import type { ModuleCode } from "../lower/code.ts";
import { finish, finishSync, type CallOptions } from "../execute/calls.ts";
import { Invocation } from "../execute/invocation.ts";
import type { Entry, InvocationOptions } from "../execute/outcome.ts";
import type { CompiledModule } from "../compiled-module.ts";
import type { Export } from "../module.ts";
import { Func } from "./func.ts";
import { Global, type Tag } from "./global.ts";
import { added } from "./lists.ts";
import type { Memory } from "./memory.ts";
import { Segments } from "./segments.ts";
import type { Store } from "./store.ts";
import type { Table } from "./table.ts";
import type { Value } from "./values.ts";

/** Anything that is exported and imported (spec: syntax-externinst). */
export type Extern = Func | Global | Memory | Table | Tag;

/** What is linked before anything is executed. */
export interface InstanceParts {
  /** Addresses of the imported functions. */
  readonly importedFuncs: Int32Array;
  readonly tables: readonly Table[];
  readonly memories: readonly Memory[];
  /** First word of each global in the store. */
  readonly globalsAt: Int32Array;
  readonly tags: readonly Tag[];
}

/** An instance of a module in a store (spec: syntax-moduleinst). */
export class Instance {
  readonly store: Store;
  readonly module: CompiledModule;
  readonly code: ModuleCode;
  /** Address of function 0, as if imports were own functions; theirs are never used. */
  readonly funcsAt: number;
  readonly #importedFuncs: Int32Array;
  readonly tables: readonly Table[];
  readonly memories: readonly Memory[];
  readonly memory0: Memory | null;
  readonly table0: Table;
  readonly globalsAt: Int32Array;
  /** First word of the first own global. */
  readonly ownGlobalsAt: number;
  readonly tags: readonly Tag[];
  readonly segments: Segments;
  /** Made when somebody asks for all of them. */
  #exports: Map<string, Extern> | null = null;
  #globals: Map<number, Global> | null = null;

  constructor(store: Store, module: CompiledModule, parts: InstanceParts) {
    const { data } = module;
    this.store = store;
    this.module = module;
    this.code = module.code;
    this.#importedFuncs = parts.importedFuncs;
    this.tables = parts.tables;
    this.memories = parts.memories;
    this.memory0 = parts.memories[0] ?? null;
    this.table0 = parts.tables[0] ?? store.noTable;
    this.globalsAt = parts.globalsAt;
    this.ownGlobalsAt = parts.globalsAt[data.importedGlobals] ?? 0;
    this.tags = parts.tags;
    this.segments = new Segments(module);
    // One more for the synthetic function that instantiation runs.
    this.funcsAt = store.addFuncs(this, data.funcs.length + 1);
    if (module.tracedGlobals.length + module.tracedElements.length > 0) {
      store.tracedInstances = added(store.tracedInstances, this);
    }
  }

  /** The address of a function by its index. */
  funcAddress(index: number): number {
    return index < this.#importedFuncs.length ? this.#importedFuncs[index]! : this.funcsAt + index;
  }

  /** Everything that is exported, in the module's order. (spec: embed-instance-export) */
  get exports(): ReadonlyMap<string, Extern> {
    this.#exports ??= new Map(this.module.data.exports.map((item) => [item.name, this.#make(item)]));
    return this.#exports;
  }

  /** What is exported under a name, if anything. */
  export(name: string): Extern | undefined {
    const item = this.module.exportNamed(name);
    return item === undefined ? undefined : this.#make(item);
  }

  /** The same object whenever it is asked for. */
  #make({ kind, index }: Export): Extern {
    switch (kind) {
      case "func":
        return this.store.funcAt(this.funcAddress(index));
      case "table":
        return this.tables[index]!;
      case "memory":
        return this.memories[index]!;
      case "global":
        return this.#global(index);
      default:
        return this.tags[index]!;
    }
  }

  /** One object for each global that is exported, however many names it has. */
  #global(index: number): Global {
    const { store, module } = this;
    const at = this.globalsAt[index]!;
    this.#globals ??= new Map();
    let global = this.#globals.get(at);
    if (global === undefined) {
      const { type } = module.data.globals[index]!;
      global = new Global(store, { ...type, type: module.canonical(type.type) }, at);
      this.#globals.set(at, global);
    }
    return global;
  }

  /** Throws `TypeError` when no function is exported under the name. */
  exportedFunc(name: string): Func {
    const func = this.export(name);
    if (!(func instanceof Func)) throw noFunc(name);
    return func;
  }

  /**
   * Calls an exported function and gives the event loop its turn while it runs. i32, f32 and f64
   * are numbers, i64 bigints. Rejects with what ended the guest: `Trap`, `FuelExhausted` when
   * `fuel` is gone, the signal's reason, or what a host function threw. (spec: embed-func-invoke)
   */
  async call(name: string, args: readonly Value[] = [], options: CallOptions = {}): Promise<Value[]> {
    return finish(this.invoke(name, args), options);
  }

  /** As {@link call}, on the JavaScript stack; a host function that has to wait is a `SuspendError`. */
  callSync(name: string, args: readonly Value[] = [], options: Pick<CallOptions, "fuel"> = {}): Value[] {
    return finishSync(this.invoke(name, args), options);
  }

  /** A call that the embedder runs turn by turn. */
  invoke(name: string, args: readonly Value[] = [], options: InvocationOptions = {}): Invocation {
    return new Invocation(this.store, this.#entry(name), args, options);
  }

  /** What {@link exportedFunc} gives, without a `Func` that the store would keep. */
  #entry(name: string): Entry {
    const item = this.module.exportNamed(name);
    if (item?.kind !== "func") throw noFunc(name);
    const address = this.funcAddress(item.index);
    return { address, type: this.store.engine.types.funcType(this.store.typeIdOf(address)) };
  }

  /** Whether a function index means an imported function. */
  isImported(index: number): boolean {
    return index < this.#importedFuncs.length;
  }
}

function noFunc(name: string): TypeError {
  return new TypeError(`no function is exported as ${JSON.stringify(name)}`);
}
