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

  /** Throws `LinkError` for an import that is no function, unknown, or of another type. */
  constructor(module: CompiledModule, resolve: HostResolver) {
    const { engine, data } = module;
    this.module = module;
    const hosts: HostFunc[] = [];
    for (const { module: from, name, type } of data.imports) {
      const definition = resolve(from, name, module.describe(type));
      if (definition === undefined) throw new LinkError("unknown import", from, name);
      if (type.kind !== "func") {
        throw new LinkError("incompatible import type", from, name, `expected a ${type.kind}, got a func`);
      }
      const host = hostFuncAt(hosts.length + 1, engine, definition, `${from}::${name}`);
      if (!engine.types.isSubtype(host.typeId, module.typeIds[type.typeIndex]!)) {
        throw new LinkError("incompatible import type", from, name, "another type");
      }
      hosts.push(host);
    }
    this.hosts = hosts;
    this.addresses = Int32Array.from(hosts, ({ address }) => address);
  }
}
