/**
 * A runtime: the processes of one embedder under one group, and what they share. All runtimes of an
 * isolate have their turns from one executor.
 */

import {
  check,
  compile,
  eventLoopTurn,
  type Accountant,
  type AsyncCompileOptions,
  type CompiledModule,
  type ExternDescriptor,
  type HostDefinition,
  type LinkPlan,
  type MemoryAllocator,
  type Value,
  whenAborted,
} from "../vm/internal.ts";
import { type BasicProcess, enterGroup, PROCESS_BYTES } from "./basic-process.ts";
import { tellingOnce } from "./callbacks.ts";
import { Config, type ConfigOptions } from "./config.ts";
import { defaultMaxHostMemory, defaultMaxMemory, defaultServices } from "./default-services.ts";
import { Environment } from "./environment.ts";
import { Executor } from "./executor.ts";
import { Account, Group, type GroupOptions } from "./group.ts";
import { LinkPlans, type FunctionProvider } from "./link-plans.ts";
import { NativeProcess, type NativeFunction } from "./native.ts";
import {
  checkGroup,
  checkHandle,
  checkModule,
  checkName,
  checkNativeFunction,
  checkRestore,
  checkRuntime,
  checkServices,
  checkSpawn,
  checkSpawnNative,
  ENVIRONMENT,
  ENVIRONMENT_ID,
  GROUP_OBJECT,
} from "./options.ts";
import { ProcessHandle, statsOf, type ProcessStats } from "./process-handle.ts";
import { Process } from "./process.ts";
import { WATCH_BYTES } from "./process-relations.ts";
import type { SpawnRequest, SpawnResult } from "./process-start.ts";
import { metricsOf, type GroupMetric } from "./runtime-metrics.ts";
import { RuntimeCounts } from "./runtime-counts.ts";
import type { RuntimeCore, Services, TraceEvent } from "./runtime-core.ts";
import type { Scheduler } from "./scheduler.ts";
import { requireScriptedGrants, requireScriptedServices } from "./scripted.ts";
import { WalkedList } from "./member-list.ts";
import type { ExitReason } from "./signal.ts";
import type { RegionPool } from "./regions.ts";
import { bytesOfName } from "./registry.ts";
import { SlabAllocator, slabsOf } from "./slabs.ts";
import { type ProcessRestoreOptions, restoreRequest } from "./snapshot/restore.ts";
import { Sleepers } from "./snapshot/sleepers.ts";
import { refusal, refusalOf, SpawnError } from "./spawn-error.ts";
import { trimStocksBy } from "./stock.ts";
import type { Cancel } from "./system.ts";

/** Unless given, `maxMemory` is half of the machine's, and `maxHostMemory` half of what V8's heap may have. */
export interface RuntimeOptions extends GroupOptions {
  /** Default: the isolate's. */
  readonly executor?: Executor;
  /**
   * Services that guests reach through WASI. Default: clocks, randomness, no input, output to
   * nowhere; time and randomness of the executor's seed, if it has one.
   */
  readonly services?: Partial<Services>;
  /** Services of one process in place of those: a stream of its own for its output, say. */
  readonly servicesOf?: (process: BasicProcess) => Partial<Services>;
  /** What guests may import besides WASI, asked in this order. */
  readonly functions?: readonly FunctionProvider[];
  /** Where linear memories lie. Default: slabs, shared by all runtimes of the isolate. */
  readonly allocator?: MemoryAllocator;
  /** Told of everything that happens, in order. The first error that it throws becomes an uncaught one; the processes go on. */
  readonly trace?: (event: TraceEvent) => void;
}

export interface SpawnOptions {
  /** The export to run. Default: "_start". */
  readonly entry?: string;
  readonly args?: readonly Value[];
  readonly config?: Config | ConfigOptions;
  /** Default: the runtime's own group. */
  readonly group?: Group;
  readonly environment?: Environment;
  /** Linked from the start: each ends or is told when the other fails. */
  readonly link?: ProcessHandle;
  /** For people. */
  readonly name?: string;
  /** Kills it when aborted; the reason is the `cause` of its exit reason. */
  readonly signal?: AbortSignal;
}

/** What a restored process finds here. */
export interface RestoreProcessOptions extends Omit<SpawnOptions, "entry" | "args">, ProcessRestoreOptions {}

const NO_ARGS: readonly Value[] = [];
const NOBODY = (): void => {};
/** Processes looked at, when many are to end, before others have their turn. */
const KILLED_AT_ONCE = 256;

export class Runtime implements RuntimeCore, AsyncDisposable {
  readonly executor: Executor;
  readonly scheduler: Scheduler;
  readonly group: Group;
  readonly environment: Environment;
  readonly services: Services;
  readonly allocator: MemoryAllocator;
  /** @internal */
  readonly regions: RegionPool | null;
  readonly trace: ((event: TraceEvent) => void) | null;
  readonly counts = new RuntimeCounts();
  readonly sleepers: Sleepers;
  readonly #servicesOf: ((process: BasicProcess) => Partial<Services>) | null;
  readonly #plans: LinkPlans;
  readonly #live = new WalkedList<BasicProcess>();
  #environments = 1;
  #defaultConfig: Config | null = null;
  #disposed: Promise<void> | null = null;

  /** Throws `TypeError` or `RangeError` for an option that is not what it has to be, as all do that take options. */
  constructor(options: RuntimeOptions = {}) {
    checkRuntime(options);
    this.executor = options.executor ?? Executor.shared;
    if (this.executor.isDeterministic) requireScriptedServices(options.services ?? {});
    this.scheduler = this.executor.scheduler;
    this.sleepers = new Sleepers(this.executor);
    trimStocksBy(this.executor);
    const { maxMemory = defaultMaxMemory(), maxHostMemory = defaultMaxHostMemory() } = options;
    const limits = { ...options, maxMemory, maxHostMemory };
    this.group = new Group(this.scheduler, null, this.executor.join(options.weight), limits);
    this.environment = new Environment(1);
    this.services = { ...defaultServices(this.executor), ...options.services };
    this.#servicesOf = options.servicesOf ?? null;
    this.allocator = options.allocator ?? slabsOf(this.executor);
    this.regions = this.allocator instanceof SlabAllocator ? this.allocator.regions : null;
    this.trace = options.trace === undefined ? null : tellingOnce(options.trace);
    const { isDeterministic } = this.executor;
    this.#plans = new LinkPlans(options.functions ?? [], { isDeterministic, isTraced: this.trace !== null });
  }

  /** A group inside the runtime's, or inside `parent`. */
  createGroup(options: GroupOptions = {}, parent = this.group): Group {
    checkGroup(options);
    check("parent of a group", parent, GROUP_OBJECT);
    if (!parent.isWithin(this.group)) throw new TypeError("the parent of a group is of another runtime");
    return parent.child(this.scheduler, options);
  }

  /**
   * Kills all processes of a group and of those inside it, waits for their ends, and disposes of the group and of all inside it,
   * whoever has made them: with them go their names, timers and metrics. Nobody enters them any more from the call on. Rejects
   * with `TypeError`, and changes nothing, for a group that is not inside the runtime's.
   */
  async endGroup(group: Group): Promise<void> {
    check("group to end", group, GROUP_OBJECT);
    if (group === this.group || !group.isWithin(this.group)) {
      throw new TypeError("endGroup: not a group inside the runtime's own, which ends with dispose()");
    }
    group.close();
    await this.#killAll(group);
    for (const _ of group.end()) await eventLoopTurn();
  }

  /** Those of a group and of all inside it, some at a time; waits for their ends. */
  async #killAll(group: Group): Promise<void> {
    let left = 1;
    let allEnded = NOBODY;
    const ended = new Promise<void>((resolve) => {
      allEnded = resolve;
    });
    const count = (): void => {
      if (--left === 0) allEnded();
    };
    let seen = 0;
    for (const process of this.#live.walk()) {
      if (seen > 0 && seen % KILLED_AT_ONCE === 0) await eventLoopTurn();
      seen++;
      if (!process.group.isWithin(group)) continue;
      left++;
      process.onExit(count);
      process.kill({ kind: "killed", by: null });
    }
    count();
    await ended;
  }

  /** A table of processes with numbers and names of its own. */
  createEnvironment(id = ++this.#environments): Environment {
    check("number of an environment", id, ENVIRONMENT_ID);
    return new Environment(id);
  }

  /**
   * Compiles in steps, giving the event loop its turn, within the runtime's memory. Rejects with `CompileError`. The module counts
   * as long as processes have it.
   */
  compile(bytes: Uint8Array, options: AsyncCompileOptions = {}): Promise<CompiledModule> {
    const { group } = this;
    const accountant: Accountant = {
      reserve: (_, byteLength) => group.reserve(Account.Memory, byteLength),
      release: (_, byteLength) => group.release(Account.Memory, byteLength),
    };
    return compile(bytes, { accountant, ...options });
  }

  /**
   * Starts a process that runs an exported function. How it ends, also when it cannot even be
   * instantiated, is what `exited` resolves to. Throws {@link SpawnError} when a limit of the group
   * is reached.
   */
  spawn(module: CompiledModule, options: SpawnOptions = {}): ProcessHandle {
    checkModule(module);
    checkSpawn(options);
    const config = this.#configOf(options);
    const request: SpawnRequest = {
      environment: options.environment ?? this.environment,
      group: options.group ?? this.group,
      config,
      module,
      entry: options.entry ?? "_start",
      args: options.args ?? NO_ARGS,
      name: options.name ?? options.entry ?? "",
    };
    const process = this.#start(request.group, () => new Process(this, request, null, NOBODY));
    return this.#handle(process, options);
  }

  /**
   * A process that goes on where `ProcessHandle.snapshot` has saved one, with the same results and the same fuel. Its limits
   * and rights are those that it had and those of `config`, whichever is less. Resolves when it is complete and others can
   * see it. Rejects with `SnapshotError`, {@link SpawnError}, or `Termination` for want of memory; nobody has heard of it then.
   */
  async restore(bytes: Uint8Array, options: RestoreProcessOptions): Promise<ProcessHandle> {
    checkRestore(bytes, options);
    const config = this.#configOf(options);
    const { environment = this.environment, group = this.group } = options;
    const named = options.name === undefined ? {} : { name: options.name };
    const request = restoreRequest(bytes, options, { environment, group, config, ...named });
    const result = await new Promise<SpawnResult>((resolve) => {
      this.#start(group, () => new Process(this, request, null, resolve));
    });
    if (result.kind === "failed") throw result.error;
    return this.#handle(result.process, options);
  }

  /**
   * Starts an async function as a process, with a mailbox, links and monitors as guests have them.
   * Throws `TypeError` when the executor has a seed: when promises go on does not follow from it.
   */
  spawnNative(run: NativeFunction, options: Omit<SpawnOptions, "entry" | "args"> = {}): ProcessHandle {
    checkNativeFunction(run);
    checkSpawnNative(options);
    if (this.executor.isDeterministic) throw new TypeError("native processes cannot run by a seed");
    const config = this.#configOf(options);
    const { environment = this.environment, group = this.group, name = run.name } = options;
    const process = this.#start(group, () => new NativeProcess(this, { environment, group, config, name }, run));
    return this.#handle(process, options);
  }

  /** One for all that ask for none. */
  #configOf({ config }: SpawnOptions): Config {
    this.#defaultConfig ??= new Config();
    const made = config instanceof Config ? config : config === undefined ? this.#defaultConfig : new Config(config);
    if (this.executor.isDeterministic) requireScriptedGrants(made.preopens);
    return made;
  }

  /**
   * Registers a process for others to find; an earlier one under the name is overwritten. Throws {@link SpawnError} for want of
   * room and for one that has ended, `RangeError` for a name that guests could not ask for: of more than 4,096 bytes.
   */
  register(name: string, handle: ProcessHandle): void {
    checkName(name);
    checkHandle(handle);
    const { process } = handle;
    if (process.hasEnded) throw new SpawnError("ended", `process ${process.pid} has ended`);
    const { registry } = process.environment;
    if (!registry.put(name, { nodeId: 0n, processId: BigInt(process.pid) }, process.group)) {
      throw refusal(process.group, "name", Account.Names, bytesOfName(name));
    }
  }

  /** The living process that guests or the embedder have registered under exactly this name. */
  lookup(name: string, environment = this.environment): ProcessHandle | null {
    check("environment to look in", environment, ENVIRONMENT);
    const found = environment.registry.get(name);
    const process = found?.nodeId === 0n ? environment.get(Number(found.processId)) : undefined;
    return process === undefined ? null : new ProcessHandle(process);
  }

  #start<T extends NativeProcess | Process>(group: Group, make: () => T): T {
    if (this.#disposed !== null) throw new SpawnError("disposed", "the runtime is disposed");
    if (!group.isWithin(this.group)) throw new TypeError("the group is of another runtime");
    if (!enterGroup(group)) throw refusal(group, "process", Account.Processes, PROCESS_BYTES);
    const process = make();
    process.begin();
    this.#live.add(process);
    if (!process.isVisible) process.environment.addStarting(process);
    return process;
  }

  #handle(process: BasicProcess, { link, signal }: Pick<SpawnOptions, "link" | "signal">): ProcessHandle {
    if (link !== undefined && !process.relations.link(link.process, 0n)) {
      const isOwn = process.group.refusing(Account.Memory, WATCH_BYTES) !== null;
      const { group } = isOwn ? process : link.process;
      process.kill({ kind: "error", error: refusal(group, "link", null, WATCH_BYTES) });
    }
    if (signal !== undefined) {
      const kill = (): void => process.kill({ kind: "killed", by: null, cause: signal.reason });
      if (signal.aborted) kill();
      else process.onExit(whenAborted(signal, kill));
    }
    return new ProcessHandle(process);
  }

  // For processes.

  startProcess(request: SpawnRequest, creator: BasicProcess | null, done: (result: SpawnResult) => void): Cancel {
    const limit = creator instanceof Process ? creator.config.maxProcesses : Number.POSITIVE_INFINITY;
    if (creator instanceof Process && creator.children >= limit) {
      done({ kind: "failed", error: `at most ${limit} processes may be made` });
      return () => {};
    }
    if (!enterGroup(request.group)) {
      const [, error] = refusalOf(request.group, "process", Account.Processes, PROCESS_BYTES);
      done({ kind: "failed", error });
      return () => {};
    }
    const process = new Process(this, request, creator, done);
    process.begin();
    this.#live.add(process);
    // Given up when the creator ends before it is ready.
    return () => process.kill({ kind: "killed", by: creator?.pid ?? null });
  }

  servicesOf(process: BasicProcess): Services {
    if (this.#servicesOf === null) return this.services;
    const own = this.#servicesOf(process);
    checkServices(own, "what servicesOf returns");
    if (this.executor.isDeterministic) requireScriptedServices(own);
    return { ...this.services, ...own };
  }

  planOf(module: CompiledModule, config: Config): LinkPlan {
    return this.#plans.of(module, config);
  }

  ownBytesOf(plan: LinkPlan): number {
    return this.#plans.ownBytesOf(plan);
  }

  planStep(module: CompiledModule, config: Config): LinkPlan | null {
    // How long it takes depends on what others have run: that must not be seen.
    return this.executor.isDeterministic ? this.#plans.of(module, config) : this.#plans.step(module, config);
  }

  find(module: string, name: string, type: ExternDescriptor): HostDefinition | undefined {
    return this.#plans.find(module, name, type);
  }

  exited(process: BasicProcess, reason: ExitReason): void {
    this.trace?.({ kind: "exit", pid: process.pid, environment: process.environment.id, reason });
    this.#live.delete(process);
  }

  // Reports and the end.

  /** Processes that have not ended, in the order they were made. */
  get processes(): readonly ProcessStats[] {
    return this.#live.toArray().map(statsOf);
  }

  get processCount(): number {
    return this.#live.size;
  }

  /** All metrics as they are now: the runtime's own under Lunatic's names, and what guests have recorded, by group. */
  get metrics(): readonly GroupMetric[] {
    return metricsOf(this.group, this.counts, this.#live.toArray());
  }

  /** Kills all processes, waits for their ends, and leaves the executor. */
  dispose(): Promise<void> {
    this.#disposed ??= this.#end();
    return this.#disposed;
  }

  async #end(): Promise<void> {
    this.group.close();
    await this.#killAll(this.group);
    this.sleepers.dispose();
    for (const _ of this.group.end()) await eventLoopTurn();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
