/**
 * Imports found and compared once for many instances of a module: all of them host functions, whose
 * definitions learn from `Caller.store` whose call it is.
 */

import type { CompiledModule, ExternDescriptor } from "../compiled-module.ts";
import { LinkError } from "../errors.ts";
import { hostFuncAt, type HostDefinition, type HostFunc } from "../runtime/func.ts";

/** Asked for each import; undefined means there is none. */
export type HostResolver = (module: string, name: string, type: ExternDescriptor) => HostDefinition | undefined;

/** Imports of a module that were found and compared once, for many instances. */
export class LinkPlan {
  readonly module: CompiledModule;
  /** In the order of the imports, at the addresses from 1 on. */
  readonly hosts: readonly HostFunc[];
  readonly addresses: Int32Array;

  /**
   * From whoever is asked for each import, or of what {@link hostOf} gives for all of them. Throws `LinkError` for an import that is no function, unknown,
   * or of another type.
   */
  constructor(module: CompiledModule, imports: HostResolver | readonly HostFunc[]) {
    this.module = module;
    this.hosts = typeof imports === "function" ? resolved(module, imports) : imports;
    this.addresses = Int32Array.from(this.hosts, ({ address }) => address);
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
