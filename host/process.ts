/**
 * A guest process: an instance that runs in turns, what its host calls wait for, and what it holds.
 * Host functions find it by the store of their caller.
 */

import {
  DOUBLE_ZERO,
  FuelExhausted,
  SnapshotError,
  SUSPEND,
  Store,
  Termination,
  Trap,
  valueText,
  wholeFuel,
  type Accountant,
  type AtomicWait,
  type Caller,
  type CompiledModule,
  type Instance,
  type Invocation,
  type ResourceKind,
  type Value,
} from "../vm/index.ts";
import { BasicProcess, Phase } from "./basic-process.ts";
import type { Config, ConfigDraft } from "./config.ts";
import type { Environment } from "./environment.ts";
import type { EffectHash } from "./functions/effect-hash.ts";
import type { Guest } from "./functions/guest.ts";
import { Account, type Group } from "./group.ts";
import { LimitedOutput } from "./limited-output.ts";
import { DataMessage, type Message, type SuspendedSender } from "./message.ts";
import { Holding } from "./holding.ts";
import { SEEN_PER_STEP } from "./mailbox.ts";
import { ModuleHandle } from "./modules.ts";
import type { Registry } from "./registry.ts";
import type { Frozen, ProcessRun, RestoredWasi, Restoring, Waiting } from "./process-run.ts";
import { ProcessResources, type ByteAccount } from "./resources.ts";
import type { RuntimeCore, Services } from "./runtime-core.ts";
import { TurnEnd } from "./scheduler.ts";
import { stepsOf } from "./directory-grants.ts";
import { openDirectories, type SharedDirectory } from "./shared-directories.ts";
import { type BlockedSend, breakCircle, LOOK_CHARGE, nextSuspension, NOBODY_MAKES_ROOM } from "./send-circle.ts";
import { NORMAL, reasonOf, type ExitReason, type Pid } from "./signal.ts";
import { SystemError, type Cancel, type OutputStream } from "./system.ts";
import { TagSet } from "./tag-table.ts";
import { Timer } from "./timers.ts";
import { WasiState } from "./wasi/state.ts";

/** What `receive` returns when the time is over. */
export const TIMED_OUT = 9027;

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

/** Bytes of all kinds that a process may have beyond its limit of linear memory. */
const OTHER_MEMORY = 1_048_576;
/** Charge of a turn besides its fuel. */
const TURN_CHARGE = 100;
/** What is left in its memory has to be cleaned. */
const CLEANED_BYTES_PER_CHARGE = 16;
const CLEANED_PER_TURN = 524_288;
/** Slots of frames: the depth at which "call stack exhausted" traps. */
export const MAX_FRAME_SLOTS = 262_144;
/** Bytes that a started process keeps of each argument, of each directory, and of all that need no payment. */
const ARGUMENT_BYTES = 128;
const DIRECTORY_BYTES = 256;
const FREE_START_BYTES = 1_024;
/** Bytes of a tag that is waited for. */
const TAG_BYTES = 128;
/** Directories that a process may be given: each may hold one of the host's descriptors. */
const MAX_PREOPENS = 64;
/** So many tags are in the price of a process. */
const FREE_TAGS = 8;
/** Fuel of each directory on the way to one that it is given by its maker. */
const STEP_FUEL = 2_000;
const STEP_NS_PER_FUEL = 20;

const KIND_RESULTS: readonly (readonly Value[])[] = [[0], [1], [2]];
const ARRIVED_RESULTS: readonly (readonly Value[])[] = [[0], [0], [0]];
const TIMED_OUT_RESULT: readonly Value[] = [TIMED_OUT];
/** What ends what a process that has ended still runs. Nobody sees it. */
const ENDED = new Error("the process has ended");
const FROZEN = new Error("the process hibernates");
const SENT_RESULT: readonly Value[] = [0];
/** Read when a turn begins: one for all. */
const TURN = { fuel: 0 };

/** What lies in buffers, outside of the host's own heap. */
function isOutside(kind: ResourceKind): boolean {
  return kind === "memory" || kind === "table" || kind === "frames" || kind === "heap";
}

/** The process whose code calls a host function. */
export function processOf(caller: Caller): Process {
  return caller.store.data as Process;
}

/** What a maker and those that it makes have in common, so that neither keeps the other. */
interface Offspring {
  living: number;
}

/** A selective receive that has begun, and when by the executor's time. */
interface Search {
  readonly tags: TagSet;
  readonly sinceMs: number;
}

/** A host call that waits for something which may be given up. */
interface Wait {
  cancel: Cancel | null;
}

export class Process extends BasicProcess implements Accountant, ByteAccount, SuspendedSender {
  readonly module: CompiledModule;
  readonly entry: string;
  /** Until its entry is called. */
  args: readonly Value[];
  /** Null for those that the embedder made. */
  readonly makerPid: Pid | null;
  /** Until it is ready or has failed: nobody keeps those that have ended. */
  #maker: BasicProcess | null;
  /** Those that its maker has made, itself among them; null for those that no guest made. */
  readonly #siblings: Offspring | null;
  readonly #linkTag: bigint | null;
  #done: ((result: SpawnResult) => void) | null;
  #store: Store | null = null;
  /** Its part in what the module costs. */
  #held: ModuleHandle | null = null;
  /** And in what the texts of its configuration cost. */
  #heldConfig: Holding | null = null;
  #instance: Instance | null = null;
  #invocation: Invocation | null = null;
  #isInTurn = false;
  /** Fuel used by everything that it ran. */
  fuelUsed = DOUBLE_ZERO;
  /** Fuel that it may use in all. */
  #maxFuel: number;
  #linearBytes = 0;
  /** What it has left in regions, and its end has not cleaned yet. */
  #uncleanBytes = 0;
  /** Outside of the host's own heap. */
  #outsideBytes = 0;
  #memoryBytes = 0;
  /** Of them those that are not its store's. */
  #ownBytes = 0;
  /** What a call that takes several turns has, and gives back if the process ends meanwhile. */
  unfinished: { end(): void } | null = null;
  #offspring: Offspring | null = null;
  /** The message being built or read. */
  scratch: Message | null = null;
  /** What its host functions see of it, from the first call on; null while it has no store. */
  guest: Guest | null = null;
  #resources: ProcessResources<ConfigDraft> | null = null;
  #wasi: WasiState | null = null;
  #preopens: readonly SharedDirectory[] | null = null;
  #restoring: Restoring | null;
  /** What it waits in, and what it goes on with, while it hibernates: then it has no store. */
  #frozen: { readonly frozen: Frozen; readonly call: string | null } | null = null;
  /** The time of an atomic wait was over while it hibernated. */
  #isAtomicOver = false;
  #restoredWasi: RestoredWasi | null = null;
  // What the host call that is under way waits for.
  #wait: Wait | null = null;
  /** An answer that came before the call had returned. */
  #early: { readonly values: readonly Value[] } | { readonly error: unknown } | null = null;
  #timer: Timer | null = null;
  #atomicWait: AtomicWait | null = null;
  #waitsForMessage = false;
  #tags: TagSet | null = null;
  /** Paid for while it waits for many. */
  #tagBytes = 0;
  /** The receive that has messages left to look at. */
  #searching: Search | null = null;
  /** What the call that waits returns for each kind of message. */
  #kindResults = KIND_RESULTS;
  /** The message whose sender it is, and who has no room for it. */
  #sending: Message | null = null;
  sendingTo: BasicProcess | null = null;
  sendsSince = DOUBLE_ZERO;
  #hasTimedOut = false;
  #isSleeping = false;
  /** What the call that sends returns when there is room: an answer has come already. */
  #answered: readonly Value[] | null = null;
  /** Paused for want of fuel, its own or its group's, until it has some. */
  #isStarved = false;
  /** When it began to wait, by the executor's time. */
  #waitsSinceMs = DOUBLE_ZERO;

  /** Use `Runtime.spawn`. */
  constructor(
    runtime: RuntimeCore,
    request: SpawnRequest,
    maker: BasicProcess | null,
    done: (result: SpawnResult) => void,
  ) {
    super(runtime, request);
    this.module = request.module;
    this.entry = request.entry;
    this.args = request.args;
    this.makerPid = maker?.pid ?? null;
    this.#maker = maker;
    this.#siblings = maker instanceof Process ? (maker.#offspring ??= { living: 0 }) : null;
    this.#linkTag = request.link ?? null;
    this.#done = done;
    this.#maxFuel = request.config.maxFuel;
    this.#restoring = request.restoring ?? null;
  }

  /** Takes its place among the processes of its group. False when the group refuses. */
  begin(): boolean {
    if (!this.enter()) return false;
    if (this.#siblings !== null) this.#siblings.living++;
    this.runtime.scheduler.start(this, this.group.share, this.#maker);
    return true;
  }

  /** Living processes that it made. */
  get children(): number {
    return this.#offspring?.living ?? 0;
  }

  get registry(): Registry {
    return this.environment.registry;
  }

  /** Null before it is linked and after the end. */
  get instance(): Instance | null {
    return this.#instance;
  }

  /** Its tables of configurations, modules, errors and sockets. */
  get resources(): ProcessResources<ConfigDraft> {
    return (this.#resources ??= new ProcessResources<ConfigDraft>(this, this.runtime.counts));
  }

  /** Configurations and modules that it has. */
  get resourceCounts(): { readonly configs: number; readonly modules: number } {
    return this.#resources?.counts ?? { configs: 0, modules: 0 };
  }

  /** Its view of WASI: made when it is first asked for. */
  get wasi(): WasiState {
    if (this.#wasi === null) {
      const { config, group } = this;
      const preopens = this.#preopens ?? [];
      this.#wasi = new WasiState({
        ...this.#limitedServices(),
        descriptorAccount: {
          reserve: () => group.reserve(Account.Descriptors, 1),
          release: () => group.release(Account.Descriptors, 1),
          // The group's, since calls that wait may end after the process.
          reserveBytes: (byteLength) => group.reserve(Account.Memory, byteLength),
          releaseBytes: (byteLength) => group.release(Account.Memory, byteLength),
        },
        args: config.args,
        env: config.env,
        ...(this.#restoredWasi === null ? {} : { opened: this.#restoredWasi.opened }),
        preopens: preopens.map((directory, i) => ({
          name: config.preopens[i]!.name,
          directory,
          readOnly: config.preopens[i]!.readOnly,
        })),
      });
      this.#preopens = null;
      this.#wasi.resumedTimes = this.#restoredWasi?.times ?? null;
      this.#restoredWasi = null;
    }
    return this.#wasi;
  }

  /** As the runtime gives them, what is printed kept within the group's log bytes. */
  #limitedServices(): Services {
    const services = this.runtime.servicesOf(this);
    if (!this.group.hasLogLimit) return services;
    const { group } = this;
    const limited = (stream: OutputStream): LimitedOutput =>
      new LimitedOutput(stream.forGuest?.() ?? stream, group, () => services.clock.monotonic());
    const stderr = limited(services.stderr);
    this.onExit(() => stderr.end(group.used(Account.Processes) === 0));
    return { ...services, stdout: limited(services.stdout), stderr };
  }

  /** Since when it waits, by the executor's time; null while it does not. */
  get waitsSinceMs(): number | null {
    return this.hasEnded || this.isRunnable ? null : this.#waitsSinceMs;
  }

  /** The host call that it waits in, and since when by the executor's time; null while it waits in none. */
  get waiting(): { readonly call: string; readonly sinceMs: number } | null {
    if (this.hasEnded || this.isRunnable) return null;
    const sinceMs = this.#waitsSinceMs;
    if (this.#atomicWait !== null) return { call: "memory.atomic.wait", sinceMs };
    const call = this.#frozen?.call ?? this.#invocation?.waitsIn ?? null;
    return call === null ? null : { call, sinceMs };
  }

  /** As {@link wasi}; null when it has not been asked for. */
  get openedWasi(): WasiState | null {
    return this.#wasi;
  }

  // Memory.

  /** Bytes of all kinds that it has. */
  get memoryBytes(): number {
    return this.#memoryBytes;
  }

  /** Of {@link memoryBytes} those of its store. */
  get storeBytes(): number {
    return this.#memoryBytes - this.#ownBytes;
  }

  reserve(kind: ResourceKind, byteLength: number): boolean {
    // Its group pays for what processes share.
    if (kind === "module" || kind === "code") return true;
    const isLinear = kind === "memory";
    const { maxMemory } = this.config;
    if (isLinear && this.#linearBytes + byteLength > maxMemory) return false;
    if (this.#memoryBytes + byteLength > maxMemory + OTHER_MEMORY) return false;
    if (isOutside(kind)) {
      if (!this.group.reserveOutside(byteLength)) return false;
      this.#outsideBytes += byteLength;
    } else if (!this.group.reserve(Account.Memory, byteLength)) return false;
    this.#memoryBytes += byteLength;
    if (isLinear) this.#linearBytes += byteLength;
    return true;
  }

  release(kind: ResourceKind, byteLength: number): void {
    if (kind === "module" || kind === "code") return;
    this.#memoryBytes -= byteLength;
    if (kind === "memory") this.#linearBytes -= byteLength;
    if (isOutside(kind)) {
      this.#outsideBytes -= byteLength;
      this.group.releaseOutside(byteLength);
    } else this.group.release(Account.Memory, byteLength);
  }

  reserveBytes(byteLength: number): boolean {
    if (!this.reserve("externs", byteLength)) return false;
    this.#ownBytes += byteLength;
    return true;
  }

  releaseBytes(byteLength: number): void {
    this.#ownBytes -= byteLength;
    this.release("externs", byteLength);
  }

  // Turns.

  override run(fuel: number): TurnEnd {
    this.turnFuel = 0;
    this.turnCharge = TURN_CHARGE;
    if (this.hasEnded) return this.traceTurn(this.goOnEnding());
    if (this.killReason !== null) return this.traceTurn(this.#fail(this.killReason, null));
    this.#stopFreezing();
    this.turns++;
    this.#isInTurn = true;
    let end: TurnEnd;
    try {
      end = this.#runGuest(fuel);
    } catch (error) {
      end = this.#fail(reasonOf(error), error);
    }
    this.#isInTurn = false;
    if (end === TurnEnd.Waiting) {
      this.#waitsSinceMs = this.runtime.executor.turnMs;
      if (this.config.hibernateAfterMs !== Number.POSITIVE_INFINITY) this.runtime.sleepers.add(this);
    }
    this.#tellPause();
    return this.traceTurn(end);
  }

  #runGuest(fuel: number): TurnEnd {
    if (this.#frozen !== null) {
      this.#restoring = this.#frozen.frozen;
      this.#frozen = null;
    }
    if (this.#restoring !== null) {
      const end = this.#restore(this.#restoring);
      if (end !== null) return end;
    }
    const invocation = (this.#invocation ??= this.#instantiate());
    if (invocation === null) return TurnEnd.Waiting;
    for (;;) {
      const left = this.#leftFuel;
      if (left < 1) return this.#exhausted();
      const rest = fuel - this.turnFuel;
      if (rest <= 0) return TurnEnd.Runnable;
      const end = this.#runInvocation(this.#invocation!, Math.min(rest, left));
      if (end !== null) return end;
    }
  }

  get #leftFuel(): number {
    return Math.min(this.#maxFuel - this.fuelUsed, this.group.available(Account.Fuel));
  }

  /** How the turn ends, or null if it goes on. */
  #runInvocation(invocation: Invocation, fuel: number): TurnEnd | null {
    const before = invocation.fuelUsed;
    TURN.fuel = fuel;
    try {
      const outcome = invocation.run(TURN);
      switch (outcome.kind) {
        case "returned":
          break;
        case "yielded":
          if (outcome.reason === "fuel") return null;
          // When code is lowered must not be seen in the schedule.
          return this.runtime.executor.isDeterministic && outcome.reason === "preparing" ? null : TurnEnd.Runnable;
        default:
          if (outcome.reason === "atomicWait") return this.#waitAtomically(outcome.wait);
          return this.#waiting(invocation, outcome.ready);
      }
    } finally {
      const used = invocation.fuelUsed - before;
      this.fuelUsed += used;
      this.turnFuel += used;
      this.turnCharge += used;
      this.group.charge(Account.Fuel, used);
    }
    if (this.phase === Phase.Running) return this.end(NORMAL);
    this.#ready();
    return null;
  }

  #waiting(invocation: Invocation, ready: Promise<void> | null): TurnEnd | null {
    if (ready === null) {
      const early = this.#early;
      if (early === null) return TurnEnd.Waiting;
      this.#early = null;
      if ("error" in early) invocation.fail(early.error);
      else invocation.resume(early.values);
      return null;
    }
    const { executor, scheduler } = this.runtime;
    executor.hold();
    void ready.then(() => {
      executor.unhold();
      if (!this.hasEnded) scheduler.wake(this);
    });
    return TurnEnd.Waiting;
  }

  /** Nobody shares its memory, so only time ends the wait. */
  #waitAtomically(wait: AtomicWait): TurnEnd | null {
    if (this.#isAtomicOver) {
      this.#isAtomicOver = false;
      wait.timeOut();
      return null;
    }
    // It may be looked at again before its time is over.
    if (wait.timeoutNs !== null && this.#atomicWait === null) this.#arm(Number(wait.timeoutNs) / 1e6);
    this.#atomicWait = wait;
    return TurnEnd.Waiting;
  }

  /** Begins to instantiate; null while directories are being opened. */
  #instantiate(): Invocation | null {
    const { config, runtime } = this;
    if (!this.#hasDirectories && !this.#openDirectories()) return null;
    this.#payForStart();
    const plan = runtime.planOf(this.module, config);
    this.#store = new Store({
      engine: this.module.engine,
      accountant: this,
      allocator: runtime.allocator,
      maxFrameSlots: MAX_FRAME_SLOTS,
      data: this,
    });
    const { instance, invocation } = this.#store.instantiation(this.module, plan);
    this.#instance = instance;
    return invocation;
  }

  get #hasDirectories(): boolean {
    return this.config.preopens.length === 0 || this.#preopens !== null || this.#wasi !== null;
  }

  /** What it was started with: short names and few arguments are in the price of a process. */
  #payForTexts(): void {
    const { config, entry, args, group } = this;
    const startBytes = entry.length * 2 + args.length * ARGUMENT_BYTES + config.preopens.length * DIRECTORY_BYTES;
    const isPaid = startBytes <= FREE_START_BYTES || this.reserveBytes(startBytes);
    if (isPaid && config.textBytes > 0) this.#heldConfig = Holding.open(config, config.textBytes, group);
    if (!isPaid || (config.textBytes > 0 && this.#heldConfig === null)) {
      throw new Termination("memory limit", "for arguments and variables");
    }
  }

  /** Its group pays for what it shares with others, and for what it was started with. */
  #payForStart(): void {
    this.#held = ModuleHandle.open(this.module, this.group);
    if (this.#held === null) throw new Termination("memory limit", "for a module");
    this.#payForTexts();
  }

  /** False while they are being opened. */
  #openDirectories(): boolean {
    const { executor, scheduler } = this.runtime;
    const { preopens } = this.config;
    if (preopens.length > MAX_PREOPENS) throw new SystemError("EMFILE", `${preopens.length} directories`);
    // Whether they are open already must not be seen.
    const fuel = preopens.reduce((sum, grant) => sum + stepsOf(grant), 0) * STEP_FUEL;
    this.fuelUsed += fuel;
    this.turnCharge += fuel;
    this.group.charge(Account.Fuel, fuel);
    const opening = openDirectories(preopens, this.group);
    if (!(opening instanceof Promise)) {
      this.#preopens = opening;
      return true;
    }
    this.chargeTime(fuel * STEP_NS_PER_FUEL);
    executor.hold();
    const opened = (directories: readonly SharedDirectory[]): void => {
      executor.unhold();
      if (this.hasEnded) {
        for (const directory of directories) void directory.release()?.catch(() => {});
        return;
      }
      this.#preopens = directories;
      scheduler.wake(this);
    };
    opening.then(opened, (error: unknown) => {
      executor.unhold();
      this.kill({ kind: "error", error });
    });
    return false;
  }

  /** It is instantiated: others see it, its maker goes on, its entry begins. */
  #ready(): void {
    this.becomeVisible();
    const { makerPid, runtime } = this;
    const maker = this.#maker;
    this.#maker = null;
    runtime.trace?.({
      kind: "spawn",
      pid: this.pid,
      environment: this.environment.id,
      creator: makerPid,
      name: this.name,
    });
    if (this.#linkTag !== null && maker !== null && !maker.hasEnded) this.link(maker, 0n, this.#linkTag);
    this.#tellDone({ kind: "spawned", process: this });
    const instance = this.#instance!;
    this.#invocation = instance.invoke(this.entry, this.args);
    this.args = [];
    if (this.#invocation.type.results.length > 0) {
      throw new TypeError(`the entry ${JSON.stringify(this.entry)} has results`);
    }
  }

  #tellDone(result: SpawnResult): void {
    const done = this.#done;
    this.#done = null;
    done?.(result);
  }

  #fail(reason: ExitReason, error: unknown): TurnEnd {
    if (error !== null) this.#tellDone({ kind: "failed", error });
    return this.end(reason);
  }

  #exhausted(): TurnEnd {
    if (this.config.onFuelExhausted === "end") {
      if (this.#maxFuel - this.fuelUsed < 1) throw new FuelExhausted(this.fuelUsed, this.#maxFuel);
      const group = this.group.scarcest(Account.Fuel);
      const name = group.name === "" ? "its group" : `group ${valueText(group.name)}`;
      throw new FuelExhausted(group.used(Account.Fuel), group.limit(Account.Fuel), ` by ${name}`);
    }
    // Whoever is to end at its next turn has that turn.
    if (this.killReason !== null) return TurnEnd.Runnable;
    this.#isStarved = true;
    this.group.starved.add(this);
    if (!this.isStopped) this.#standStill();
    return TurnEnd.Runnable;
  }

  // Where it stands, for snapshots.

  /**
   * Null before its first turn and inside one, and when it is about to end. Throws `SnapshotError` when it waits for
   * something that is no data.
   */
  get standing(): ProcessRun | null {
    const invocation = this.#invocation;
    const store = this.#store;
    const instance = this.#instance;
    if (this.#isInTurn || this.hasEnded || this.killReason !== null) return null;
    if (invocation === null || store === null || instance === null) return null;
    return { store, instance, invocation, waiting: this.#waitsFor(), fuelUsed: this.fuelUsed, maxFuel: this.#maxFuel };
  }

  /** Whether nothing of it will run before it is resumed, and nothing has. */
  get isPausedUnbegun(): boolean {
    const hasBegun = this.#invocation !== null || this.#frozen !== null || this.#restoring !== null;
    return this.isPaused && this.killReason === null && !hasBegun;
  }

  #waitsFor(): Waiting {
    if (this.#sending !== null) {
      throw new SnapshotError("unsavable", `it waits for room in the mailbox of process ${this.sendingTo?.pid}`);
    }
    if (this.#wait !== null) {
      const name = this.#invocation?.pendingCall?.name ?? "host function";
      throw new SnapshotError("unsavable", `the call of ${name} waits for something outside of the process`);
    }
    const leftMs = this.#timer === null ? null : this.runtime.executor.leftMs(this.#timer);
    if (this.#waitsForMessage) {
      return {
        kind: "message",
        tags: this.#tags?.tags ?? null,
        answersZero: this.#kindResults === ARRIVED_RESULTS,
        leftMs,
      };
    }
    const kind = this.#isSleeping ? "sleep" : this.#atomicWait !== null ? "atomic" : "nothing";
    return { kind, tags: null, answersZero: false, leftMs };
  }

  #atPause: (() => boolean)[] | null = null;

  /** Calls `look` at the end of every turn, and of every saving, until it returns true; it is called for the last time when the process has ended. */
  atPause(look: () => boolean): void {
    (this.#atPause ??= []).push(look);
  }

  #tellPause(): void {
    const looks = this.#atPause;
    if (looks === null) return;
    this.#atPause = null;
    const left = looks.filter((look) => !look() && !this.hasEnded);
    if (left.length > 0) this.#atPause = [...left, ...(this.#atPause ?? [])];
  }

  /** A part of what it goes on with; null when all is there. */
  #restore(restoring: Restoring): TurnEnd | null {
    if (!this.#hasDirectories && !this.#openDirectories()) return TurnEnd.Waiting;
    const { isDeterministic } = this.runtime.executor;
    if (!isDeterministic) this.turnCharge += restoring.stepCharge;
    do {
      if (!restoring.step(this)) continue;
      this.#restoring = null;
      this.#tellDone({ kind: "spawned", process: this });
      if (!this.isPaused) return null;
      this.runtime.scheduler.suspend(this);
      return TurnEnd.Runnable;
    } while (isDeterministic);
    return TurnEnd.Runnable;
  }

  /** Goes on as `run` says, once it has its turn. */
  install({ store, instance, invocation, waiting, fuelUsed, maxFuel }: ProcessRun): void {
    this.#payForStart();
    this.#store = store;
    this.#instance = instance;
    this.#invocation = invocation;
    this.fuelUsed = fuelUsed;
    this.#maxFuel = maxFuel;
    const leftMs = waiting.leftMs ?? Number.POSITIVE_INFINITY;
    if (waiting.kind === "message") {
      const tags = waiting.tags === null ? null : new TagSet(waiting.tags);
      this.#expect(tags, leftMs, waiting.answersZero ? ARRIVED_RESULTS : KIND_RESULTS);
    } else if (waiting.kind === "sleep") this.sleep(leftMs);
  }

  /** Its descriptors, if it has used any. Throws a RangeError for numbers that cannot be. */
  installWasi(restored: RestoredWasi): void {
    this.#restoredWasi = restored;
    void this.wasi;
  }

  /** It is restored, and others can see it. */
  comeBack(): void {
    this.becomeVisible();
    this.runtime.trace?.({
      kind: "spawn",
      pid: this.pid,
      environment: this.environment.id,
      creator: null,
      name: this.name,
    });
  }

  /** Whether its memory is free until it goes on. */
  get isHibernating(): boolean {
    return this.#frozen !== null;
  }

  /** Gives up its store, which is saved, until its next turn. False when that would win nothing. */
  freeze({ store, invocation }: ProcessRun, frozen: Frozen): boolean {
    const { storeBytes } = this;
    if (frozen.byteLength >= storeBytes) return false;
    this.#frozen = { frozen, call: invocation.waitsIn };
    this.#store = null;
    this.#instance = null;
    this.#invocation = null;
    this.guest = null;
    // Gives its frames back.
    invocation.terminate(FROZEN);
    this.#leave(store);
    const released = this.#memoryBytes - this.#ownBytes - frozen.byteLength;
    this.group.release(Account.Outside, this.#outsideBytes);
    this.#outsideBytes = 0;
    // Less than before: nobody is asked.
    this.#ownBytes += frozen.byteLength;
    this.#memoryBytes = this.#ownBytes;
    this.#linearBytes = 0;
    this.group.release(Account.Memory, released);
    return true;
  }

  /** It has its store again, as it was. */
  thaw(store: Store, instance: Instance, invocation: Invocation): void {
    this.#store = store;
    this.#instance = instance;
    this.#invocation = invocation;
  }

  /** Gets its memory back if it hibernates, and waits on, or stays paused, with it. */
  wakeUp(): void {
    if (this.#frozen === null) return;
    const { scheduler } = this.runtime;
    scheduler.wake(this);
    if (this.isPaused) scheduler.release(this);
  }

  // What the embedder may do.

  override get isPaused(): boolean {
    return this.isStopped || this.#isStarved;
  }

  override pause(): void {
    if (this.hasEnded || this.isStopped || this.killReason !== null) return;
    this.isStopped = true;
    if (!this.#isStarved) this.#standStill();
  }

  #standStill(): void {
    // One that is being restored is first given all of it.
    if (this.#restoring === null) this.runtime.scheduler.suspend(this);
    if (!this.#isInTurn) this.#tellPause();
  }

  override resume(): void {
    if (!this.isPaused) return;
    this.isStopped = false;
    this.#endStarving();
    if (!this.#isHeld) this.runtime.scheduler.release(this);
  }

  /** Goes on if it has paused for want of fuel and has some. */
  feed(): void {
    if (!this.#isStarved || this.#leftFuel < 1) return;
    if (this.isStopped) this.#endStarving();
    else this.resume();
  }

  #endStarving(): void {
    this.#isStarved = false;
    this.group.starved.delete(this);
  }

  #isHeld = false;

  /** Gives up the saving for hibernation that is under way. */
  #giveUpFreezing: (() => void) | null = null;

  /** Whether somebody saves it in steps: nobody else may save it or take its store. */
  get isHeld(): boolean {
    return this.#isHeld || this.#giveUpFreezing !== null;
  }

  /** Its store is saved in steps until it goes on or ends: then `giveUp` is called. */
  beginFreezing(giveUp: () => void): void {
    this.#giveUpFreezing = giveUp;
  }

  /** Those who want to save it have their look now. */
  endFreezing(): void {
    this.#giveUpFreezing = null;
    this.#tellPause();
    if (this.#atPause !== null) this.wakeUp();
  }

  #stopFreezing(): void {
    const giveUp = this.#giveUpFreezing;
    this.#giveUpFreezing = null;
    giveUp?.();
  }

  /** It gets no turn while it is being saved, but for its end. Whoever holds it is the only one. */
  hold(): void {
    this.#isHeld = true;
    this.runtime.scheduler.suspend(this);
  }

  /** Those who want to save it have their look now; the first of them may hold it again. */
  unhold(): void {
    this.#isHeld = false;
    this.#tellPause();
    if (this.#isHeld) return;
    if (!this.isPaused) this.runtime.scheduler.release(this);
    if (this.#atPause !== null) this.wakeUp();
  }

  /** Lets it use so much more fuel; one that has paused for want of it goes on. */
  addFuel(fuel: number): void {
    this.#maxFuel += wholeFuel("fuel that is added", fuel);
    this.feed();
  }

  // Host calls that wait.

  /**
   * Suspends the host call that is under way: what it returns is what this returns. `start` arranges
   * that `done` is called once, whenever that is, and returns how to give up; `finish` makes the
   * results of what `done` got, while the process is suspended, and may throw as a host function may.
   */
  suspend<T>(start: (done: (value: T) => void) => Cancel, finish: (value: T) => readonly Value[]): typeof SUSPEND {
    const wait: Wait = { cancel: null };
    this.#wait = wait;
    const cancel = start((value) => {
      if (this.#wait !== wait) return;
      this.#wait = null;
      try {
        this.#answer(finish(value));
      } catch (error) {
        this.#answerError(error);
      }
    });
    wait.cancel = cancel;
    return SUSPEND;
  }

  /** The host call that waits, while somebody traces: its name and what it has changed so far. */
  pendingCall: { readonly name: string; readonly effects: EffectHash } | null = null;

  #traceAnswer(values: readonly Value[]): void {
    const call = this.pendingCall;
    if (call === null) return;
    this.pendingCall = null;
    for (const value of values) call.effects.result(value);
    this.traceCall(call.name, call.effects);
  }

  /** Tells that a host function has answered. */
  traceCall(name: string, { value }: EffectHash): void {
    const { pid, environment } = this;
    this.runtime.trace?.({ kind: "call", pid, environment: environment.id, name, effects: value });
  }

  #answer(values: readonly Value[]): void {
    this.#traceAnswer(values);
    if (this.#isInTurn || this.#invocation === null) this.#early = { values };
    else this.#invocation.resume(values);
    if (!this.#isInTurn) this.runtime.scheduler.wake(this);
  }

  #answerError(error: unknown): void {
    this.pendingCall = null;
    if (this.#isInTurn || this.#invocation === null) this.#early = { error };
    else this.#invocation.fail(error);
    if (!this.#isInTurn) this.runtime.scheduler.wake(this);
  }

  /** Suspends the host call for so long. It returns nothing. */
  sleep(delayMs: number): typeof SUSPEND {
    this.#isSleeping = true;
    if (delayMs !== Number.POSITIVE_INFINITY) this.#arm(delayMs);
    return SUSPEND;
  }

  #arm(delayMs: number): void {
    this.#timer ??= new Timer(
      () => this.#timeOver(),
      this,
      (error) => this.kill(reasonOf(error)),
    );
    this.runtime.executor.arm(this.#timer, delayMs);
  }

  #timeOver(): void {
    if (this.#atomicWait !== null) {
      if (this.#invocation === null) this.#isAtomicOver = true;
      else this.#atomicWait.timeOut();
      this.#atomicWait = null;
      this.runtime.scheduler.wake(this);
      return;
    }
    if (!this.#waitsForMessage) {
      this.#isSleeping = false;
      this.#answer([]);
      return;
    }
    this.#waitsForMessage = false;
    if (this.#tagBytes > 0) this.#forgetTags();
    if (this.#sending !== null) this.#hasTimedOut = true;
    else this.#answer(TIMED_OUT_RESULT);
  }

  /** Makes a process; the host call waits until it is ready. `finish` as in {@link suspend}. */
  spawn(request: SpawnRequest, finish: (result: SpawnResult) => readonly Value[]): typeof SUSPEND {
    return this.suspend<SpawnResult>((done) => this.runtime.startProcess(request, this, done), finish);
  }

  // Messages.

  /** Puts a new data message into the scratch slot. Throws `Termination` when the group refuses its bytes. */
  createMessage(tag: bigint, capacity: number): void {
    const former = this.scratch;
    this.scratch = null;
    former?.drop();
    this.scratch = DataMessage.begin(tag, capacity, this.group);
  }

  /** Sends the message in the scratch slot, which is not empty. The call may have to wait for room. */
  send(pid: Pid): 0 | typeof SUSPEND {
    const message = this.scratch!;
    this.scratch = null;
    return this.#sendTo(this.environment.get(pid), message) ? 0 : SUSPEND;
  }

  /**
   * Sends the message in the scratch slot and waits for one that arrives later with exactly this
   * tag, or for any one if the tag is null. The call returns 0 for every kind of message.
   */
  sendReceive(pid: Pid, waitTag: bigint | null, timeoutMs: number): number | typeof SUSPEND {
    const message = this.scratch!;
    this.scratch = null;
    if (pid === this.pid && (waitTag === null || (message.tag === waitTag && waitTag !== 0n))) {
      this.#accept(message);
      return 0;
    }
    const target = this.environment.get(pid);
    if (timeoutMs === 0) {
      if (this.#sendTo(target, message)) return TIMED_OUT;
      this.#hasTimedOut = true;
      return SUSPEND;
    }
    this.#expect(waitTag === null ? null : new TagSet(waitTag === 0n ? [] : [waitTag]), timeoutMs, ARRIVED_RESULTS);
    try {
      this.#sendTo(target, message);
    } catch (error) {
      // The guest may go on after a trap: nothing of this call may be left to answer.
      this.#endExpecting();
      throw error;
    }
    return SUSPEND;
  }

  /** Takes the oldest message; waits if there is none. */
  receive(timeoutMs: number): number | typeof SUSPEND {
    const message = this.mailbox.shift();
    return message === null ? this.#waitFor(null, timeoutMs) : this.#received(message);
  }

  /**
   * Takes the oldest message with one of the tags; waits if there is none. Null when it has passed over so many messages that
   * others have their turn first: then {@link Process.searchOn} goes on.
   */
  search(tags: TagSet, timeoutMs: number, caller: Caller): number | typeof SUSPEND | null {
    const message = this.#look(tags, caller);
    if (message !== null) return this.#received(message);
    if (!this.mailbox.hasUnseen) return this.#waitFor(tags, timeoutMs);
    this.#payForTags(tags);
    this.#searching = { tags, sinceMs: this.runtime.executor.nowMs() };
    caller.giveWay();
    return null;
  }

  /** The search that gave null before; `list` says for what, if the process has been restored since. */
  searchOn(list: readonly bigint[], timeoutMs: number, caller: Caller): number | typeof SUSPEND | null {
    if (this.#searching === null) return this.search(new TagSet(list), timeoutMs, caller);
    const { tags, sinceMs } = this.#searching;
    const message = this.#look(tags, caller);
    if (message === null && this.mailbox.hasUnseen) {
      caller.giveWay();
      return null;
    }
    this.#searching = null;
    if (message === null) return this.#waitFor(tags, timeoutMs - (this.runtime.executor.nowMs() - sinceMs));
    if (this.#tagBytes > 0) this.#forgetTags();
    return this.#received(message);
  }

  #look(tags: TagSet, caller: Caller): Message | null {
    const message = this.mailbox.take(tags, SEEN_PER_STEP);
    caller.chargeFuel(this.mailbox.passed);
    return message;
  }

  #received(message: Message): number {
    this.#accept(message);
    return message.kind;
  }

  #waitFor(tags: TagSet | null, timeoutMs: number): number | typeof SUSPEND {
    if (timeoutMs > 0) {
      this.#expect(tags, timeoutMs, KIND_RESULTS);
      return SUSPEND;
    }
    if (this.#tagBytes > 0) this.#forgetTags();
    return TIMED_OUT;
  }

  #expect(tags: TagSet | null, timeoutMs: number, results: readonly (readonly Value[])[]): void {
    this.#kindResults = results;
    if (tags !== null) this.#payForTags(tags);
    this.#waitsForMessage = true;
    this.#tags = tags;
    if (timeoutMs !== Number.POSITIVE_INFINITY) this.#arm(timeoutMs);
  }

  /** Once, however long it searches and waits for them. */
  #payForTags({ tags: { length: count } }: TagSet): void {
    if (count <= FREE_TAGS || this.#tagBytes > 0) return;
    const byteLength = count * TAG_BYTES;
    if (!this.reserveBytes(byteLength)) throw new Termination("memory limit", `${count} tags`);
    this.#tagBytes = byteLength;
  }

  #forgetTags(): void {
    this.#tags = null;
    this.releaseBytes(this.#tagBytes);
    this.#tagBytes = 0;
  }

  #endExpecting(): void {
    this.#waitsForMessage = false;
    if (this.#tagBytes > 0) this.#forgetTags();
    if (this.#timer !== null) this.runtime.executor.disarm(this.#timer);
  }

  #accept(message: Message): void {
    message.payBy(this.group);
    this.scratch?.drop();
    this.scratch = message;
  }

  override takeDirectly(message: Message): boolean {
    if (!this.#waitsForMessage) return false;
    const { tag } = message;
    if (this.#tags !== null && (tag === 0n || !this.#tags.has(tag))) return false;
    this.#endExpecting();
    this.#accept(message);
    const results = this.#kindResults[message.kind]!;
    // What it sent is over the bound until there is room, whatever has come back.
    if (this.#sending === null) this.#answer(results);
    else this.#answered = results;
    return true;
  }

  /** False when the call has to wait for room. Messages to nobody are dropped. */
  #sendTo(target: BasicProcess | undefined, message: Message): boolean {
    this.runtime.counts.sent(message);
    if (target === undefined || target.hasEnded) {
      message.drop();
      return true;
    }
    message.payBy(this.group);
    target.traceMessage(this.pid, message);
    if (target !== this && target.takeDirectly(message)) return true;
    const { mailbox } = target;
    if (mailbox.hasRoom(message.countedBytes)) {
      mailbox.push(message);
      return true;
    }
    if (target === this && this.config.onFullMailbox === "suspend") {
      message.drop();
      throw new Trap("host function trapped", "mailbox full");
    }
    if (target.overfill(message, this)) return true;
    this.#sending = message;
    this.sendingTo = target;
    this.sendsSince = nextSuspension();
    this.turnCharge += breakCircle(this) * LOOK_CHARGE;
    return false;
  }

  /** There is room for the message, or it was taken. */
  endSend(): void {
    this.#sending = null;
    this.sendingTo = null;
    if (this.#waitsForMessage) return;
    const result = this.#answered ?? (this.#hasTimedOut ? TIMED_OUT_RESULT : SENT_RESULT);
    this.#answered = null;
    this.#hasTimedOut = false;
    this.#answer(result);
  }

  override get blockedSends(): readonly BlockedSend[] | null {
    const target = this.sendingTo;
    return target === null ? null : [{ target }];
  }

  override failSend(): void {
    this.#withdraw();
    this.#endExpecting();
    this.#answerError(new Trap("host function trapped", NOBODY_MAKES_ROOM));
  }

  /** Takes back the message that has no room. */
  #withdraw(): void {
    if (this.#sending === null) return;
    this.sendingTo!.mailbox.withdraw(this.#sending);
    this.#sending = null;
    this.sendingTo = null;
    this.#answered = null;
    this.#hasTimedOut = false;
  }

  /** Charges it for work outside of its turns, whose fuel it pays in the next one: there it takes no time. */
  chargeTime(nanoseconds: number): void {
    const { executor, scheduler } = this.runtime;
    if (!executor.isDeterministic) scheduler.chargeLate(this, nanoseconds);
  }

  // The end.

  protected override close(): void {
    // An error takes long to make, and most have been told of long ago.
    if (this.#done !== null) {
      this.#tellDone({ kind: "failed", error: new Termination("killed", "while it was started") });
    }
    this.#stopFreezing();
    this.#endStarving();
    this.#tellPause();
    this.#restoring?.discard();
    this.#restoring = null;
    this.#frozen = null;
    this.#maker = null;
    if (this.#siblings !== null) this.#siblings.living--;
    this.#endExpecting();
    this.#searching = null;
    this.#withdraw();
    const wait = this.#wait;
    this.#wait = null;
    wait?.cancel?.();
    this.unfinished?.end();
    this.unfinished = null;
    this.#invocation?.terminate(ENDED);
    this.scratch?.drop();
    this.scratch = null;
    if (this.#preopens !== null) {
      for (const directory of this.#preopens) {
        const closing = directory.release();
        if (closing !== null) this.waitForClosing(closing);
      }
      this.#preopens = null;
    }
    const closing = this.#wasi?.dispose() ?? null;
    if (closing !== null) this.waitForClosing(closing);
  }

  protected override dropHeld(limit: number): number {
    return this.#resources?.dropSome(limit) ?? 0;
  }

  protected override clean(): boolean {
    if (this.#store !== null) this.#leave(this.#store);
    this.#store = null;
    const byteLength = Math.min(CLEANED_PER_TURN, this.#uncleanBytes);
    if (byteLength === 0) return true;
    this.runtime.regions!.cleanSome(byteLength);
    this.#uncleanBytes -= byteLength;
    this.turnCharge += byteLength / CLEANED_BYTES_PER_CHARGE;
    return this.#uncleanBytes === 0;
  }

  /** Gives the memories of its store back, and remembers what has to be cleaned of them. */
  #leave(store: Store): void {
    const { regions } = this.runtime;
    const before = regions?.dirtyBytes ?? 0;
    store.dispose();
    this.#uncleanBytes += (regions?.dirtyBytes ?? 0) - before;
  }

  protected override free(): void {
    this.turnCharge += Math.floor(this.#linearBytes / CLEANED_BYTES_PER_CHARGE);
    this.#invocation = null;
    this.#instance = null;
    this.guest = null;
    this.#held?.close();
    this.#held = null;
    this.#heldConfig?.close();
    this.#heldConfig = null;
    this.group.release(Account.Memory, this.#memoryBytes);
    this.group.release(Account.Outside, this.#outsideBytes);
    this.#memoryBytes = 0;
    this.#outsideBytes = 0;
    this.#linearBytes = 0;
  }
}
