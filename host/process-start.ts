/**
 * The start of a guest process: what is asked for, what its group pays once it is to begin, and who hears that it is ready or has
 * failed.
 */

import { Termination, type CompiledModule, type LinkPlan, type Value } from "../vm/index.ts";
import type { BasicProcess } from "./basic-process.ts";
import type { Config } from "./config.ts";
import type { Environment } from "./environment.ts";
import type { Group } from "./group.ts";
import { Holding } from "./holding.ts";
import type { Process } from "./process.ts";
import type { Restoring } from "./process-run.ts";
import type { ByteAccount } from "./resources.ts";
import type { Pid } from "./signal.ts";

export interface SpawnRequest {
  readonly environment: Environment;
  readonly group: Group;
  readonly config: Config;
  readonly module: CompiledModule;
  /** The export to run. It may have parameters but no results. */
  readonly entry: string;
  readonly args: readonly Value[];
  /** Links with the creator, which is told with this tag. */
  readonly link?: bigint | null;
  readonly name?: string;
  /** Default: a number that no process has had. */
  readonly pid?: Pid;
  /** In place of a new instance. */
  readonly restoring?: Restoring;
}

export type SpawnResult =
  | { readonly kind: "spawned"; readonly process: Process }
  | { readonly kind: "failed"; readonly error: unknown };

/** Bytes that a started process keeps of each argument, of each directory, and of all that need no payment. */
const ARGUMENT_BYTES = 128;
const DIRECTORY_BYTES = 256;
const FREE_START_BYTES = 1_024;

/** Until it is ready or has failed: nobody keeps makers that have ended. */
export class Starting {
  readonly maker: BasicProcess | null;
  readonly #linkTag: bigint | null;
  #done: ((result: SpawnResult) => void) | null;

  /** `done` is called once. */
  constructor(maker: BasicProcess | null, linkTag: bigint | null, done: (result: SpawnResult) => void) {
    this.maker = maker;
    this.#linkTag = linkTag;
    this.#done = done;
  }

  /** Others see it: it is linked, and its maker goes on. */
  ready(process: Process): void {
    const { maker } = this;
    if (this.#linkTag !== null && maker !== null && !maker.hasEnded) process.relations.link(maker, 0n, this.#linkTag);
    this.#tell({ kind: "spawned", process });
  }

  failed(error: unknown): void {
    this.#tell({ kind: "failed", error });
  }

  /** An error takes long to make, and most have been told of long ago. */
  killed(): void {
    if (this.#done !== null) this.failed(new Termination("killed", "while it was started"));
  }

  #tell(result: SpawnResult): void {
    const done = this.#done;
    this.#done = null;
    done?.(result);
  }
}

/**
 * Pays for what a process shares with others, until what this returns is closed, and for what it was started with: short names
 * and few arguments are in the price of a process. Throws `Termination`.
 */
export function payForStart(
  { module, entry, args, config, group }: Pick<Process, "module" | "entry" | "args" | "config" | "group">,
  account: ByteAccount,
): readonly Holding[] {
  const held = Holding.open(module, module.byteLength, group);
  if (held === null) throw new Termination("memory limit", "for a module");
  const startBytes = entry.length * 2 + args.length * ARGUMENT_BYTES + config.preopens.length * DIRECTORY_BYTES;
  const isPaid = startBytes <= FREE_START_BYTES || account.reserveBytes(startBytes);
  if (isPaid && config.textBytes === 0) return [held];
  const heldConfig = isPaid ? Holding.open(config, config.textBytes, group) : null;
  if (heldConfig !== null) return [held, heldConfig];
  held.close();
  throw new Termination("memory limit", "for arguments and variables");
}

/** Pays for the imports of a module under a policy, until what this returns is closed; null if there is nothing to pay. Throws `Termination`. */
export function payForPlan({ runtime, group }: Pick<Process, "runtime" | "group">, plan: LinkPlan): Holding | null {
  const byteLength = runtime.ownBytesOf(plan);
  if (byteLength === 0) return null;
  const held = Holding.open(plan, byteLength, group);
  if (held === null) throw new Termination("memory limit", "for the imports of a module");
  return held;
}
