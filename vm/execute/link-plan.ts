/**
 * Imports found and compared once for many instances of a module: all of them host functions, whose
 * definitions learn from `Caller.store` whose call it is.
 */

import type { CompiledModule, ExternDescriptor } from "../compiled-module.ts";
import { LinkError } from "../errors.ts";
import { hostFuncAt, type HostDefinition, type HostFunc } from "../runtime/func.ts";

/** Asked for each import; undefined means there is none. */
export type HostResolver = (module: string, name: string, type: ExternDescriptor) => HostDefinition | undefined;

/** What a plan takes, and for each import that it has found, or has from another one. */
const PLAN_BYTES = 256;
const HOST_BYTES = 320;
const WORD_BYTES = 8;

/** Imports of a module that were found and compared once, for many instances. */
export class LinkPlan {
  readonly module: CompiledModule;
  /** In the order of the imports, at the addresses from 1 on. */
  readonly hosts: readonly HostFunc[];
  readonly addresses: Int32Array;
  /** What it takes of the host's memory. Its module counts that for one plan, and for another function in each place. */
  readonly byteLength: number;

  /**
   * From whoever is asked for each import, or of what {@link hostOf} gives for all of them; `like` is another plan of the module that
   * most of them are from. Throws `LinkError` for an import that is no function, unknown, or of another type.
   */
  constructor(module: CompiledModule, imports: HostResolver | readonly HostFunc[], like: LinkPlan | null = null) {
    this.module = module;
    this.hosts = typeof imports === "function" ? resolved(module, imports) : imports;
    this.addresses = like?.addresses ?? Int32Array.from(this.hosts, ({ address }) => address);
    this.byteLength = PLAN_BYTES + (like === null ? HOST_BYTES : WORD_BYTES) * this.hosts.length;
  }

  /** The host function that the import with this index is. Throws `LinkError` when there is none, or it does not fit. */
  static hostOf(module: CompiledModule, index: number, definition: HostDefinition | undefined): HostFunc {
    const { engine, data } = module;
    const { module: from, name, type } = data.imports[index]!;
    if (definition === undefined) throw new LinkError("unknown import", from, name);
    if (type.kind !== "func") {
      throw new LinkError("incompatible import type", from, name, `expected a ${type.kind}, got a func`);
    }
    const host = hostFuncAt(index + 1, engine, definition, `${from}::${name}`);
    if (!engine.types.isSubtype(host.typeId, module.typeIds[type.typeIndex]!)) {
      throw new LinkError("incompatible import type", from, name, "another type");
    }
    return host;
  }
}

function resolved(module: CompiledModule, resolve: HostResolver): readonly HostFunc[] {
  return module.data.imports.map(({ module: from, name, type }, i) =>
    LinkPlan.hostOf(module, i, resolve(from, name, module.describe(type))),
  );
}
