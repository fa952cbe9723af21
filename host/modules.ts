/**
 * Modules as resources of guests. Whoever holds or runs a module pays for it: its bytes and code are charged once
 * to each group in which somebody does, however many processes and messages that are.
 */

import type { CompiledModule } from "../vm/index.ts";
import type { Group } from "./group.ts";
import { Holding } from "./holding.ts";
import type { Resource } from "./message.ts";

export class ModuleHandle implements Resource {
  readonly kind = "module";
  readonly module: CompiledModule;
  readonly #holding: Holding;

  private constructor(module: CompiledModule, holding: Holding) {
    this.module = module;
    this.#holding = holding;
  }

  /** A handle that `group` pays for; null when its memory does not suffice. */
  static open(module: CompiledModule, group: Group): ModuleHandle | null {
    const holding = Holding.open(module, module.byteLength, group);
    return holding === null ? null : new ModuleHandle(module, holding);
  }

  /** Harmless when repeated. */
  close(): void {
    this.#holding.close();
  }
}
