/**
 * Restores a process that save.ts has saved. The bytes may be forged: the store is checked by the engine, the data beside
 * it here, and limits and rights are those of the restorer at most. Nobody hears of the process before it is complete.
 */

import {
  checksumOf,
  type CompiledModule,
  type FrameState,
  LinkError,
  type LinkPlan,
  Restoration,
  type Restored,
  type RestoreOptions,
  SnapshotError,
  type Value,
} from "../../vm/internal.ts";
import { GrantError } from "../directory-grants.ts";
import type { Config } from "../config.ts";
import type { Environment } from "../environment.ts";
import type { Group } from "../group.ts";
import { MAX_FRAME_SLOTS, type Process } from "../process.ts";
import type { Restoring, Waiting } from "../process-run.ts";
import type { SpawnRequest } from "../process-start.ts";
import { ALL_FD_FLAGS } from "../wasi/abi.ts";
import { ProcessExit } from "../wasi/proc.ts";
import type { OpenedDescriptor } from "../wasi/state.ts";
import { readConfig } from "./configs.ts";
import { Fields, invalid, mismatch } from "./fields.ts";
import { MailboxReader } from "./mailboxes.ts";
import { Modules } from "./messages.ts";
import { chargeOfStep } from "./price.ts";
import { findTarget, type Relations, restoreRelations } from "./relations.ts";
import { PROCESS_VERSION } from "./save.ts";
import { restoreTables } from "./tables.ts";

export interface ProcessRestoreOptions extends Pick<RestoreOptions, "extern" | "hostFunc"> {
  /** The modules of the process, of its messages and of its tables, in any order; others may be among them. */
  readonly modules: readonly CompiledModule[];
  /** Links, monitors and timers with processes of whose name there is none: refused (the default), or left out. */
  readonly relations?: Relations;
}

const WAITS = ["nothing", "message", "sleep", "atomic"] as const;
/** More tags than a guest may ask for: those of `receive` are limited. */
const MAX_TAGS = 4_096;

/** What to make the process with. Throws `SnapshotError`. */
export function restoreRequest(
  bytes: Uint8Array,
  options: ProcessRestoreOptions,
  target: { readonly environment: Environment; readonly group: Group; readonly config: Config; readonly name?: string },
): SpawnRequest {
  const restoration = new Restoration(bytes);
  if (restoration.data === null) throw mismatch("it is of a store, and not of a process");
  const fields = new Fields(restoration.data, "the snapshot");
  if (fields.count("process") !== PROCESS_VERSION) throw new SnapshotError("version", "of the data of processes");
  const modules = new Modules(options.modules);
  const module = modules.get(fields.text("module"));
  const config = restrained(target.config, fields.record("config"));
  const pid = fields.count("pid");
  const restoring = new ProcessRestoring(restoration, fields, modules, target.config.maxFuel, options);
  return {
    environment: target.environment,
    group: target.group,
    config,
    module,
    entry: fields.text("entry"),
    args: fields.list("args").map(readArg),
    name: target.name ?? fields.text("name"),
    pid: target.environment.comeBack(pid, checksumOf(bytes)),
    restoring,
  };
}

function restrained(config: Config, fields: Fields): Config {
  try {
    return config.restored(readConfig(fields));
  } catch (error) {
    if (error instanceof GrantError) throw mismatch(error.message);
    throw error;
  }
}

function readArg(state: FrameState): Value {
  const isNumber = typeof state === "number" || typeof state === "bigint";
  if (!isNumber && !(state instanceof Uint8Array && state.length === 16)) throw invalid("an argument");
  return state;
}

class ProcessRestoring implements Restoring {
  readonly stepCharge = chargeOfStep(Number.POSITIVE_INFINITY);
  readonly #restoration: Restoration;
  readonly #fields: Fields;
  readonly #modules: Modules;
  readonly #maxFuel: number;
  readonly #options: ProcessRestoreOptions;
  readonly #mailbox: MailboxReader;
  #hasMailbox = false;
  #hasBegun = false;
  #isDone = false;

  constructor(
    restoration: Restoration,
    fields: Fields,
    modules: Modules,
    maxFuel: number,
    options: ProcessRestoreOptions,
  ) {
    this.#restoration = restoration;
    this.#fields = fields;
    this.#modules = modules;
    this.#maxFuel = maxFuel;
    this.#options = options;
    this.#mailbox = new MailboxReader(
      fields.allBytes("mailbox"),
      fields.flag("hasScratch"),
      fields.count("seen"),
      modules,
    );
  }

  step(process: Process): boolean {
    if (!this.#hasMailbox) {
      this.#hasMailbox = this.#mailbox.step(process);
      if (!this.#hasMailbox) return false;
    }
    if (!this.#hasBegun) {
      this.#hasBegun = true;
      this.#restoration.begin(storeOptions(process, this.#options));
    }
    if (!this.#restoration.step()) return false;
    const { restored } = this.#restoration;
    try {
      this.#finish(process, restored);
    } catch (error) {
      // Whoever has it gives its memory back.
      if (process.instance === null) restored.store.dispose();
      throw error;
    }
    this.#isDone = true;
    return true;
  }

  discard(): void {
    this.#mailbox.discard();
    if (!this.#isDone && this.#hasBegun) this.#restoration.discard();
  }

  #finish(process: Process, { store, instances, invocations }: Restored): void {
    const fields = this.#fields;
    const [invocation] = invocations;
    const instance = instances[fields.count("instance")];
    if (invocation === undefined || invocations.length > 1) throw invalid("it runs more than one thing, or nothing");
    if (instance?.module !== process.module) throw invalid("its instance is of another module");
    const waiting = readWaiting(fields.record("waiting"));
    const results = invocation.pendingCall?.func.type.results.length ?? -1;
    if (results !== (waiting.kind === "message" ? 1 : waiting.kind === "sleep" ? 0 : -1)) {
      throw invalid("it waits for something else than its host call");
    }
    const maxFuel = Math.min(fields.amount("maxFuel"), this.#maxFuel);
    process.install({ store, instance, invocation, waiting, fuelUsed: fields.count("fuelUsed"), maxFuel });
    process.diesWithLinks = fields.flag("diesWithLinks");
    if (fields.has("wasi")) installWasi(fields.record("wasi"), process);
    const relations = this.#options.relations ?? "require";
    const isStarting = fields.flag("isStarting");
    try {
      restoreTables(fields.record("tables"), process, this.#modules, (state) => findTarget(process, state, relations));
      restoreRelations(fields.record("relations"), process, relations);
    } catch (error) {
      // Those of a process that ends would still fire.
      process.resources.timers.dropSome(Number.POSITIVE_INFINITY);
      throw error;
    }
    if (!isStarting) process.comeIntoView();
  }
}

/** Imports are what the process may import here, at the places where its module has them. */
export function storeOptions(
  process: Process,
  { extern, hostFunc }: Pick<ProcessRestoreOptions, "extern" | "hostFunc">,
): RestoreOptions {
  const { module, runtime } = process;
  return {
    modules: [module],
    engine: module.engine,
    plan: planOf(process),
    ...(extern === undefined ? {} : { extern }),
    ...(hostFunc === undefined ? {} : { hostFunc }),
    error: readError,
    accountant: process.memory,
    allocator: runtime.allocator,
    maxFrameSlots: MAX_FRAME_SLOTS,
    data: process,
  };
}

function planOf({ runtime, module, config }: Process): LinkPlan {
  try {
    return runtime.planOf(module, config);
  } catch (error) {
    if (error instanceof LinkError) throw mismatch(error.message);
    throw error;
  }
}

function readError(state: FrameState): Error {
  return new ProcessExit(new Fields(state, "an error").count("exitCode", 0xffff_ffff));
}

function readWaiting(fields: Fields): Waiting {
  const tags = fields.has("tags") ? fields.list("tags") : null;
  if (tags !== null && tags.length > MAX_TAGS) throw invalid(`${tags.length} tags`);
  return {
    kind: fields.word("kind", WAITS),
    tags:
      tags?.map((tag) => {
        if (typeof tag !== "bigint") throw invalid("a tag");
        return tag;
      }) ?? null,
    answersZero: fields.flag("answersZero"),
    leftMs: fields.amountOrNull("leftMs"),
  };
}

function installWasi(fields: Fields, process: Process): void {
  const opened = fields.records("opened").map(
    (each): OpenedDescriptor => ({
      fd: each.count("fd"),
      source: each.count("source"),
      flags: each.count("flags", ALL_FD_FLAGS),
      rights: each.u64("rights"),
      inheritingRights: each.u64("inheritingRights"),
    }),
  );
  const times = fields.has("times") ? fields.list("times") : null;
  const isTime = (time: FrameState): time is bigint => typeof time === "bigint" && time >= 0n;
  if (times?.every(isTime) === false) throw invalid("a time");
  try {
    process.wasi.install({ opened, times: times as readonly bigint[] | null });
  } catch (error) {
    if (error instanceof RangeError) throw invalid(error.message);
    throw error;
  }
}
