/**
 * Modules as resources of guests. Whoever holds or runs a module pays for it: its bytes and code are charged once
 * to each group in which somebody does, however many processes and messages that are.
 */

import type { CompiledModule } from "../vm/index.ts";
import { Account, type Group } from "./group.ts";
import type { Resource } from "./message.ts";

/** Handles of each module in each group. */
const holders = new WeakMap<Group, Map<CompiledModule, number>>();

export class ModuleHandle implements Resource {
  readonly kind = "module";
  readonly module: CompiledModule;
  readonly #group: Group;
  #isOpen = true;

  private constructor(module: CompiledModule, group: Group) {
    this.module = module;
    this.#group = group;
  }

  /** A handle that `group` pays for; null when its memory does not suffice. */
  static open(module: CompiledModule, group: Group): ModuleHandle | null {
    let counts = holders.get(group);
    if (counts === undefined) {
      counts = new Map();
      holders.set(group, counts);
    }
    const count = counts.get(module) ?? 0;
    if (count === 0 && !group.reserve(Account.Memory, heldBytes(module))) return null;
    counts.set(module, count + 1);
    return new ModuleHandle(module, group);
  }

  /** Harmless when repeated. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const counts = holders.get(this.#group)!;
    const count = counts.get(this.module)!;
    if (count > 1) {
      counts.set(this.module, count - 1);
      return;
    }
    counts.delete(this.module);
    this.#group.release(Account.Memory, heldBytes(this.module));
  }
}

function heldBytes(module: CompiledModule): number {
  return module.data.bytes.length + module.codeByteLength;
}
