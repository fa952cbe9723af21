/**
 * A guest process: an instance that runs in turns, on its own fuel and its group's, or saved until it goes on. What it is made of
 * besides is the business of the files named process-*.ts, and what its host calls wait for that of host-call.ts. Host functions
 * find it by the store of their caller.
 */

import {
  DOUBLE_ZERO,
  FuelExhausted,
  Store,
  valueText,
  wholeFuel,
  type SUSPEND,
  type Caller,
  type CompiledModule,
  type Instance,
  type Invocation,
  type LinkPlan,
  type Value,
} from "../vm/internal.ts";
import { BasicProcess, Phase } from "./basic-process.ts";
import type { ConfigDraft } from "./config.ts";
import type { Guest } from "./functions/guest.ts";
import { Account } from "./group.ts";
import type { Holding } from "./holding.ts";
import { HostCall } from "./host-call.ts";
import type { Message } from "./message.ts";
import { ProcessMemory } from "./process-memory.ts";
import { ProcessMessages } from "./process-messages.ts";
import { waitingOf, type Frozen, type ProcessRun, type Restoring } from "./process-run.ts";
import { ProcessSaving } from "./process-saving.ts";
import { payForPlan, payForStart, Starting, type SpawnRequest, type SpawnResult } from "./process-start.ts";
import { ProcessWasi } from "./process-wasi.ts";
import type { Registry } from "./registry.ts";
import { ProcessResources } from "./resources.ts";
import type { RuntimeCore } from "./runtime-core.ts";
import { TurnEnd } from "./task.ts";
import type { BlockedSend } from "./send-circle.ts";
import { type ExitReason, NORMAL, reasonOf, type Pid } from "./signal.ts";

/** Charge of a turn besides its fuel. */
const TURN_CHARGE = 100;
/** What is left in its memory has to be cleaned. */
const CLEANED_BYTES_PER_CHARGE = 16;
/** Slots of frames: the depth at which "call stack exhausted" traps. */
export const MAX_FRAME_SLOTS = 262_144;

const NO_ARGS: readonly Value[] = [];
const FROZEN = new Error("the process hibernates");
/** Read when a turn begins: one for all. */
const TURN = { fuel: 0 };

/** The process whose code calls a host function. */
export function processOf(caller: Caller): Process {
  return caller.store.data as Process;
}

/** What a maker and those that it makes have in common, so that neither keeps the other. */
interface Offspring {
  living: number;
}

export class Process extends BasicProcess {
  readonly module: CompiledModule;
  readonly entry: string;
  /** Until its entry is called. */
  args: readonly Value[];
  /** Null for those that the embedder made. */
  readonly makerPid: Pid | null;
  /** Until it is ready or has failed. */
  #starting: Starting | null;
  /** Those that its maker has made, itself among them; null for those that no guest made. */
  readonly #siblings: Offspring | null;
  #offspring: Offspring | null = null;
  /** Fuel used by everything that it ran. */
  fuelUsed = DOUBLE_ZERO;
  /** Fuel that it may use in all. */
  #maxFuel: number;
  /** Paused for want of fuel, its own or its group's, until it has some. */
  #isStarved = false;
  /** What it shares with others and pays for. */
  #holdings: readonly Holding[] = [];
  readonly memory: ProcessMemory;
  readonly hostCall: HostCall;
  #store: Store | null = null;
  #instance: Instance | null = null;
  #restoring: Restoring | null;
  /** What it waits in, and what it goes on with, while it hibernates: then it has no store. */
  #frozen: { readonly frozen: Frozen; readonly call: string | null } | null = null;
  /** When it began to wait, by the executor's time. */
  #waitsSinceMs = DOUBLE_ZERO;
  /** What its host functions see of it, from the first call on; null while it has no store. */
  guest: Guest | null = null;
  #messages: ProcessMessages | null = null;
  #resources: ProcessResources<ConfigDraft> | null = null;
  #wasi: ProcessWasi | null = null;
  #saving: ProcessSaving | null = null;
  /** What a call that takes several turns has, and gives back if the process ends meanwhile. */
  unfinished: { end(): void } | null = null;

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
    this.#starting = new Starting(maker, request.link ?? null, done);
    this.#siblings = maker instanceof Process ? (maker.#offspring ??= { living: 0 }) : null;
    this.#maxFuel = request.config.maxFuel;
    this.memory = new ProcessMemory(request.group, request.config.maxMemory, runtime.regions);
    this.hostCall = new HostCall(this);
    this.#restoring = request.restoring ?? null;
  }

  /** Takes its place among the processes of its group, which has let it in. */
  begin(): void {
    if (this.#siblings !== null) this.#siblings.living++;
    this.runtime.scheduler.start(this, this.group.share, this.#starting!.maker);
  }

  // What it has.

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

  /** Its scratch slot, and what it sends and receives. */
  get messages(): ProcessMessages {
    return (this.#messages ??= new ProcessMessages(this, this.memory, this.hostCall));
  }

  override takeDirectly(message: Message): boolean {
    return this.#messages?.take(message) ?? false;
  }

  override get blockedSends(): readonly BlockedSend[] | null {
    return this.#messages?.blockedSends ?? null;
  }

  override get sendsSince(): number {
    return this.#messages?.sendsSince ?? Number.POSITIVE_INFINITY;
  }

  override failSend(): void {
    this.#messages?.failSend();
  }

  /** Its tables of configurations, modules, errors and sockets. */
  get resources(): ProcessResources<ConfigDraft> {
    return (this.#resources ??= new ProcessResources<ConfigDraft>(this.memory, this.runtime.counts));
  }

  /** Configurations and modules that it has. */
  get resourceCounts(): { readonly configs: number; readonly modules: number } {
    return this.#resources?.counts ?? { configs: 0, modules: 0 };
  }

  get wasi(): ProcessWasi {
    return (this.#wasi ??= new ProcessWasi(this));
  }

  /** Those who save it. */
  get saving(): ProcessSaving {
    return (this.#saving ??= new ProcessSaving(this));
  }

  /** Makes a process; the host call waits until it is ready. `finish` as in {@link HostCall.suspend}. */
  spawn(request: SpawnRequest, finish: (result: SpawnResult) => readonly Value[]): typeof SUSPEND {
    return this.hostCall.suspend<SpawnResult>((done) => this.runtime.startProcess(request, this, done), finish);
  }

  // Turns.

  override run(fuel: number): TurnEnd {
    this.turnFuel = 0;
    this.turnCharge = TURN_CHARGE;
    if (this.hasEnded) return this.traceTurn(this.goOnEnding());
    if (this.killReason !== null) return this.traceTurn(this.end(this.killReason));
    this.#saving?.stopFreezing();
    this.turns++;
    const { hostCall } = this;
    hostCall.isInTurn = true;
    let end: TurnEnd;
    try {
      end = this.#runGuest(fuel);
    } catch (error) {
      this.#starting?.failed(error);
      end = this.end(reasonOf(error));
    }
    hostCall.isInTurn = false;
    if (end === TurnEnd.Waiting) {
      this.#waitsSinceMs = this.runtime.executor.turnMs;
      if (this.config.hibernateAfterMs !== Number.POSITIVE_INFINITY) this.runtime.sleepers.add(this);
    }
    this.#saving?.tellPause();
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
    const { hostCall } = this;
    if (hostCall.invocation === null) {
      const end = this.#instantiate();
      if (end !== null) return end;
    }
    for (;;) {
      const left = this.#leftFuel;
      if (left < 1) return this.#exhausted();
      const rest = fuel - this.turnFuel;
      if (rest <= 0) return TurnEnd.Runnable;
      const end = this.#runInvocation(hostCall.invocation!, Math.min(rest, left));
      if (end !== null) return end;
    }
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
        default: {
          const { hostCall } = this;
          const goesOn =
            outcome.reason === "atomicWait"
              ? hostCall.waitsAtomically(outcome.wait)
              : hostCall.waits(invocation, outcome.ready);
          return goesOn ? null : TurnEnd.Waiting;
        }
      }
    } finally {
      const used = invocation.fuelUsed - before;
      this.turnFuel += used;
      this.#spend(used);
    }
    if (this.phase === Phase.Running) return this.end(NORMAL);
    this.#ready();
    // Whoever heard that it is there may have ended or paused it.
    return this.killReason !== null || this.isPaused ? TurnEnd.Runnable : null;
  }

  #spend(fuel: number): void {
    this.fuelUsed += fuel;
    this.turnCharge += fuel;
    this.group.charge(Account.Fuel, fuel);
  }

  // The start.

  /** Begins to instantiate; how the turn ends while directories are being opened, or names compared with patterns. */
  #instantiate(): TurnEnd | null {
    if (!this.#hasDirectories()) return TurnEnd.Waiting;
    const { config, module, runtime } = this;
    if (this.#holdings.length === 0) this.#holdings = payForStart(this, this.memory);
    const plan = runtime.planStep(module, config);
    if (plan === null) return TurnEnd.Runnable;
    this.#payForPlan(plan);
    this.#store = new Store({
      engine: module.engine,
      accountant: this.memory,
      allocator: runtime.allocator,
      maxFrameSlots: MAX_FRAME_SLOTS,
      data: this,
    });
    const { instance, invocation } = this.#store.instantiation(module, plan);
    this.#instance = instance;
    this.hostCall.invocation = invocation;
    return null;
  }

  /** Opens what it was given, if it was given any; false while that goes on. */
  #hasDirectories(): boolean {
    if (this.config.preopens.length === 0) return true;
    const { wasi } = this;
    if (!wasi.isOpen) wasi.open((fuel) => this.#spend(fuel));
    return wasi.isOpen;
  }

  /** It is instantiated: others see it, its maker goes on, its entry begins. */
  #ready(): void {
    this.comeIntoView();
    this.#hasStarted();
    const invocation = this.#instance!.invoke(this.entry, this.args);
    this.hostCall.invocation = invocation;
    this.args = NO_ARGS;
    if (invocation.type.results.length > 0) throw new TypeError(`the entry ${JSON.stringify(this.entry)} has results`);
  }

  /** It is instantiated, or restored. */
  comeIntoView(): void {
    this.becomeVisible();
    const { pid, environment, makerPid, name } = this;
    this.runtime.trace?.({ kind: "spawn", pid, environment: environment.id, creator: makerPid, name });
  }

  #hasStarted(): void {
    const starting = this.#starting;
    this.#starting = null;
    starting?.ready(this);
  }

  // Fuel, and what the embedder may do.

  get #leftFuel(): number {
    return Math.min(this.#maxFuel - this.fuelUsed, this.group.available(Account.Fuel));
  }

  #exhausted(): TurnEnd {
    if (this.config.onFuelExhausted === "end") {
      const error = this.#exhaustion();
      // It stands between two turns: nobody else would say where.
      this.hostCall.invocation?.terminate(error);
      throw error;
    }
    // Whoever is to end at its next turn has that turn.
    if (this.killReason !== null) return TurnEnd.Runnable;
    this.#isStarved = true;
    this.group.starved.add(this);
    if (!this.isStopped) this.#standStill();
    return TurnEnd.Runnable;
  }

  /** Whose fuel is gone. */
  #exhaustion(): FuelExhausted {
    if (this.#maxFuel - this.fuelUsed < 1) return new FuelExhausted(this.fuelUsed, this.#maxFuel);
    const group = this.group.scarcest(Account.Fuel);
    const name = group.name === "" ? "its group" : `group ${valueText(group.name)}`;
    return new FuelExhausted(group.used(Account.Fuel), group.limit(Account.Fuel), ` by ${name}`);
  }

  override get isPaused(): boolean {
    return this.isStopped || this.#isStarved;
  }

  /** One that is killed by what it calls runs no further than that: how far its slice goes must not show. */
  override kill(reason: ExitReason): void {
    super.kill(reason);
    this.hostCall.endTurn();
  }

  override pause(): void {
    if (this.hasEnded || this.isStopped || this.killReason !== null) return;
    this.isStopped = true;
    this.hostCall.endTurn();
    if (!this.#isStarved) this.#standStill();
  }

  #standStill(): void {
    // One that is being restored is first given all of it.
    if (this.#restoring === null) this.runtime.scheduler.suspend(this);
    if (!this.hostCall.isInTurn) this.#saving?.tellPause();
  }

  override resume(): void {
    if (!this.isPaused) return;
    this.isStopped = false;
    this.#endStarving();
    if (this.#saving?.isStandingStill !== true) this.runtime.scheduler.release(this);
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

  /** Lets it use so much more fuel; one that has paused for want of it goes on. */
  addFuel(fuel: number): void {
    this.#maxFuel += wholeFuel("fuel that is added", fuel);
    this.feed();
  }

  // Where it stands between its turns, and how it is saved.

  /** Since when it waits, by the executor's time; null while it does not. */
  get waitsSinceMs(): number | null {
    return this.hasEnded || this.isRunnable ? null : this.#waitsSinceMs;
  }

  /** The host call that it waits in, and since when by the executor's time; null while it waits in none. */
  get waiting(): { readonly call: string; readonly sinceMs: number } | null {
    const sinceMs = this.waitsSinceMs;
    const call = this.hostCall.name ?? this.#frozen?.call ?? null;
    return sinceMs === null || call === null ? null : { call, sinceMs };
  }

  /** Whether somebody saves it in steps: nobody else may save it or take its store. */
  get isHeld(): boolean {
    return this.#saving?.isHeld ?? false;
  }

  /** Whether its memory is free until it goes on. */
  get isHibernating(): boolean {
    return this.#frozen !== null;
  }

  /** Whether nothing of it will run before it is resumed, and nothing has. */
  get isPausedUnbegun(): boolean {
    const hasBegun = this.hostCall.invocation !== null || this.#frozen !== null || this.#restoring !== null;
    return this.isPaused && this.killReason === null && !hasBegun;
  }

  /**
   * Null before its first turn and inside one, and when it is about to end. Throws `SnapshotError` when it waits for
   * something that is no data.
   */
  get standing(): ProcessRun | null {
    const { invocation, isInTurn } = this.hostCall;
    const store = this.#store;
    const instance = this.#instance;
    if (isInTurn || this.hasEnded || this.killReason !== null) return null;
    if (invocation === null || store === null || instance === null) return null;
    const waiting = waitingOf(this.hostCall, this.#messages);
    return { store, instance, invocation, waiting, fuelUsed: this.fuelUsed, maxFuel: this.#maxFuel };
  }

  /** A part of what it goes on with; null when all is there. */
  #restore(restoring: Restoring): TurnEnd | null {
    if (!this.#hasDirectories()) return TurnEnd.Waiting;
    const { isDeterministic } = this.runtime.executor;
    if (!isDeterministic) this.turnCharge += restoring.stepCharge;
    do {
      if (!restoring.step(this)) continue;
      this.#restoring = null;
      this.#hasStarted();
      if (this.killReason !== null) return TurnEnd.Runnable;
      if (!this.isPaused) return null;
      this.runtime.scheduler.suspend(this);
      return TurnEnd.Runnable;
    } while (isDeterministic);
    return TurnEnd.Runnable;
  }

  /** Goes on as `run` says, once it has its turn. */
  install({ store, instance, invocation, waiting, fuelUsed, maxFuel }: ProcessRun): void {
    this.#holdings = payForStart(this, this.memory);
    if (this.config.policy !== null) this.#payForPlan(this.runtime.planOf(this.module, this.config));
    this.thaw(store, instance, invocation);
    this.fuelUsed = fuelUsed;
    this.#maxFuel = maxFuel;
    if (waiting.kind === "message") this.messages.wait(waiting);
    else if (waiting.kind === "sleep") this.hostCall.sleep(waiting.leftMs ?? Number.POSITIVE_INFINITY);
  }

  #payForPlan(plan: LinkPlan): void {
    const held = payForPlan(this, plan);
    if (held !== null) this.#holdings = [...this.#holdings, held];
  }

  /** Gives up its store, which is saved, until its next turn. False when that would win nothing. */
  freeze({ store, invocation }: ProcessRun, frozen: Frozen): boolean {
    if (frozen.byteLength >= this.memory.storeBytes) return false;
    this.#frozen = { frozen, call: invocation.waitsIn };
    this.#store = null;
    this.#instance = null;
    this.hostCall.invocation = null;
    this.guest = null;
    // Gives its frames back.
    invocation.terminate(FROZEN);
    this.memory.leave(store);
    this.memory.replaceStore(frozen.byteLength);
    return true;
  }

  /** It has its store again, as it was. */
  thaw(store: Store, instance: Instance, invocation: Invocation): void {
    this.#store = store;
    this.#instance = instance;
    this.hostCall.invocation = invocation;
  }

  /** Gets its memory back if it hibernates, and waits on, or stays paused, with it. */
  wakeUp(): void {
    if (this.#frozen === null) return;
    const { scheduler } = this.runtime;
    scheduler.wake(this);
    if (this.isPaused) scheduler.release(this);
  }

  // The end.

  protected override close(): void {
    this.#starting?.killed();
    this.#starting = null;
    this.#saving?.close();
    this.#endStarving();
    this.#restoring?.discard();
    this.#restoring = null;
    this.#frozen = null;
    if (this.#siblings !== null) this.#siblings.living--;
    this.#messages?.close();
    this.hostCall.close();
    this.unfinished?.end();
    this.unfinished = null;
    this.#wasi?.close();
  }

  protected override dropHeld(limit: number): number {
    return this.#resources?.dropSome(limit) ?? 0;
  }

  protected override clean(): boolean {
    if (this.#store !== null) this.memory.leave(this.#store);
    this.#store = null;
    this.turnCharge += this.memory.cleanSome() / CLEANED_BYTES_PER_CHARGE;
    return this.memory.isClean;
  }

  protected override free(): void {
    this.turnCharge += Math.floor(this.memory.linearBytes / CLEANED_BYTES_PER_CHARGE);
    this.hostCall.invocation = null;
    this.#instance = null;
    this.guest = null;
    for (const holding of this.#holdings) holding.close();
    this.memory.releaseAll();
  }
}
