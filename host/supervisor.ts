/**
 * Supervision, as Erlang's: children that are started in order, restarted when they end, and
 * stopped in reverse. Built on links and monitors alone. A child is a process or another supervisor.
 *
 *     state      event                             next
 *     running    a child ends, restart wanted      restarting, or stopping with failure (intensity)
 *     running    a child ends, none wanted         running
 *     restarting started | failed                  running | restarting again (it counts)
 *     any        stop                              stopping → stopped
 *     any        kill                              stopping, and nobody is asked → stopped
 *
 * One restart at a time: ends during one are handled after it, in their order.
 */

import { amountFrom, check, valueText } from "../vm/internal.ts";
import { throwLater } from "./callbacks.ts";
import { Executor } from "./executor.ts";
import { checkChild, checkSupervisor } from "./options.ts";
import { ProcessHandle } from "./process-handle.ts";
import { SpawnError } from "./spawn-error.ts";
import { isFailure, NORMAL, reasonText, type ExitReason } from "./signal.ts";
import { Timer } from "./timers.ts";

/** Which children are restarted with one that ended: it alone, all, or it and those started after it. */
export type RestartStrategy = "one-for-one" | "one-for-all" | "rest-for-one";

/** `permanent`: always restarted; `transient`: when it failed; `temporary`: never. */
export type Restart = "permanent" | "transient" | "temporary";

interface AnyChildSpec {
  /** Different for each child. */
  readonly id: string;
  /** Default: "permanent". A supervisor that has been stopped ended normally, one that gave up has failed. */
  readonly restart?: Restart;
}

/** A child that is a process. */
export interface WorkerSpec extends AnyChildSpec {
  /** Default: "worker". */
  readonly type?: "worker";
  /** Starts it. A rejection, and an end before it is ready, is a failed start, and counts as a restart. */
  start(): ProcessHandle | Promise<ProcessHandle>;
  /** Its names in the registry while it lives: each of its processes has them before the next child starts. */
  readonly names?: readonly string[];
  /**
   * How it is stopped: killed at once, or told by `stop` and killed after so many milliseconds, with Infinity never.
   * Default: "kill".
   */
  readonly shutdown?: "kill" | number;
  /** Asks it to end, before the time of `shutdown` begins. If that fails the child is killed at once; the error becomes an uncaught one. */
  stop?(child: ProcessHandle): void | Promise<void>;
}

/** A child that supervises children of its own. */
export interface SupervisorSpec extends AnyChildSpec {
  readonly type: "supervisor";
  /** Starts it. A rejection is a failed start, and counts as a restart. */
  start(): Supervisor | Promise<Supervisor>;
  /** It is stopped as {@link Supervisor.stop} does, and killed after so many milliseconds. Default: Infinity, so that its children have their time. */
  readonly shutdown?: "kill" | number;
}

export type ChildSpec = SupervisorSpec | WorkerSpec;

export interface SupervisorOptions {
  readonly strategy?: RestartStrategy;
  /** More than so many restarts within `periodMs` end the supervisor with a failure. Default 1 in 5,000. */
  readonly intensity?: number;
  readonly periodMs?: number;
  /** Waits before the n-th restart within a period, from 1 on. Default: none. The supervisor fails with what it throws. */
  readonly backOffMs?: (restart: number) => number;
  /** Runs the clock that periods and shutdowns are measured by. Default: the one of this isolate, which runtimes have too. */
  readonly executor?: Executor;
}

export type SupervisorEnd =
  | { readonly kind: "stopped" }
  /** Children ended too often; the last one because of `reason`. */
  | { readonly kind: "failed"; readonly id: string; readonly reason: ExitReason };

/** A child that has been started. */
interface Running {
  readonly ended: Promise<ExitReason>;
  /** Asks it to end. */
  stop(): void | Promise<void>;
  kill(): void;
}

interface Child {
  readonly spec: ChildSpec;
  running: Running | null;
  handle: ProcessHandle | null;
  supervisor: Supervisor | null;
  /** Counts its starts, so that the end of an earlier one is not taken for that of the present one. */
  generation: number;
  /** Resolves when the start that is under way is over, whatever became of it. */
  starting: Promise<void>;
  /** Resolves when those that were stopped have ended. */
  stopped: Promise<void>;
}

interface Ended {
  readonly child: Child;
  readonly generation: number;
  readonly reason: ExitReason;
}

const DELAY_MS = amountFrom(0, "milliseconds");

/** Waiting that can be cut short. */
class Waits {
  readonly #executor: Executor;
  readonly #ends = new Set<() => void>();

  constructor(executor: Executor) {
    this.#executor = executor;
  }

  /** Resolves after so long, when `settled` does, or when all are cut short; no timer is left then. */
  wait(delayMs: number, settled?: Promise<unknown>): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        this.#executor.disarm(timer);
        this.#ends.delete(end);
        resolve();
      };
      const timer = new Timer(end);
      this.#ends.add(end);
      if (delayMs !== Number.POSITIVE_INFINITY) this.#executor.arm(timer, delayMs);
      void settled?.then(end);
    });
  }

  cutShort(): void {
    for (const end of [...this.#ends]) end();
  }
}

export class Supervisor implements AsyncDisposable {
  readonly #children: readonly Child[];
  readonly #strategy: RestartStrategy;
  readonly #intensity: number;
  readonly #periodMs: number;
  readonly #backOffMs: (restart: number) => number;
  readonly #executor: Executor;
  /** When restarts of the present period were. */
  #restarts: number[] = [];
  readonly #queue: Ended[] = [];
  #isWorking = false;
  #end: SupervisorEnd | null = null;
  /** Nobody is asked to end any more. */
  #isKilled = false;
  readonly #backOffs: Waits;
  readonly #shutdowns: Waits;
  #stopping: Promise<void> | null = null;
  #resolveEnd: (end: SupervisorEnd) => void = () => {};
  /** Resolves when it has ended and all its children too. */
  readonly ended: Promise<SupervisorEnd>;

  private constructor(specs: readonly ChildSpec[], options: SupervisorOptions) {
    checkSupervisor(options);
    if (!Array.isArray(specs))
      throw new TypeError(`children of Supervisor: expected an array, got ${valueText(specs)}`);
    for (const spec of specs) checkChild(spec);
    const ids = new Set(specs.map(({ id }) => id));
    if (ids.size < specs.length) throw new TypeError("two children have the same id");
    this.#children = specs.map((spec) => ({
      spec,
      running: null,
      handle: null,
      supervisor: null,
      generation: 0,
      starting: Promise.resolve(),
      stopped: Promise.resolve(),
    }));
    this.#strategy = options.strategy ?? "one-for-one";
    this.#intensity = options.intensity ?? 1;
    this.#periodMs = options.periodMs ?? 5_000;
    this.#backOffMs = options.backOffMs ?? (() => 0);
    this.#executor = options.executor ?? Executor.shared;
    this.#backOffs = new Waits(this.#executor);
    this.#shutdowns = new Waits(this.#executor);
    this.ended = new Promise((resolve) => {
      this.#resolveEnd = resolve;
    });
  }

  /**
   * Starts all children in order. When one cannot be started those before it are stopped, and the
   * promise rejects with what its start rejected with. Rejects with `TypeError` or `RangeError` for wrong options and specs.
   */
  static async start(specs: readonly ChildSpec[], options: SupervisorOptions = {}): Promise<Supervisor> {
    const supervisor = new Supervisor(specs, options);
    try {
      for (const child of supervisor.#children) await supervisor.#startChild(child);
    } catch (error) {
      await supervisor.stop();
      throw error;
    }
    return supervisor;
  }

  /** The present process of a child; null while it has none. */
  child(id: string): ProcessHandle | null {
    return this.#children.find(({ spec }) => spec.id === id)?.handle ?? null;
  }

  /** The present supervisor that is a child; null while there is none. */
  supervisor(id: string): Supervisor | null {
    return this.#children.find(({ spec }) => spec.id === id)?.supervisor ?? null;
  }

  /** Stops all children in reverse order, and waits for their ends, and for a start that is under way. */
  stop(): Promise<void> {
    this.#end ??= { kind: "stopped" };
    this.#backOffs.cutShort();
    return this.#stopAll();
  }

  /** As {@link stop}, but nobody is asked: all children are killed. */
  kill(): void {
    this.#isKilled = true;
    void this.stop();
    this.#shutdowns.cutShort();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #startChild(child: Child): Promise<void> {
    const generation = ++child.generation;
    const { spec } = child;
    const started =
      spec.type === "supervisor"
        ? this.#startSupervisor(child, spec, generation)
        : this.#startWorker(child, spec, generation);
    child.starting = started.catch(() => undefined);
    return started;
  }

  async #startWorker(child: Child, spec: WorkerSpec, generation: number): Promise<void> {
    const handle = await spec.start();
    if (!(handle instanceof ProcessHandle)) throw wrong(spec, handle, "process");
    this.#begun(child, generation, {
      ended: handle.exited,
      stop: () => spec.stop?.(handle),
      kill: () => handle.kill(),
    });
    child.handle = handle;
    const isReady = await handle.started;
    const isKnown = isReady && register(spec, handle);
    if (!isKnown) {
      if (generation === child.generation) forget(child);
      handle.kill();
      const reason = reasonText(await handle.exited);
      unregister(spec, handle);
      throw new Error(`${spec.id} did not start: ${isReady ? "too many registered names" : reason}`);
    }
    void handle.exited.then((reason) => {
      unregister(spec, handle);
      this.#childEnded({ child, generation, reason });
    });
  }

  async #startSupervisor(child: Child, spec: SupervisorSpec, generation: number): Promise<void> {
    const supervisor = await spec.start();
    if (!(supervisor instanceof Supervisor)) throw wrong(spec, supervisor, "supervisor");
    const ended = supervisor.ended.then(reasonOfEnd);
    this.#begun(child, generation, { ended, stop: () => supervisor.stop(), kill: () => supervisor.kill() });
    child.supervisor = supervisor;
    void ended.then((reason) => this.#childEnded({ child, generation, reason }));
  }

  #begun(child: Child, generation: number, running: Running): void {
    // It was stopped meanwhile.
    if (generation !== child.generation) {
      running.kill();
      child.stopped = Promise.all([child.stopped, running.ended]).then(() => undefined);
      throw new Error(`${child.spec.id} is not needed any more`);
    }
    child.running = running;
  }

  #childEnded(ended: Ended): void {
    if (ended.generation === ended.child.generation) forget(ended.child);
    if (this.#end !== null) return;
    this.#queue.push(ended);
    if (!this.#isWorking) void this.#work();
  }

  /** Handles the ends of children, one after the other. */
  async #work(): Promise<void> {
    this.#isWorking = true;
    for (let ended = this.#queue.shift(); ended !== undefined && this.#end === null; ended = this.#queue.shift()) {
      const { child, generation, reason } = ended;
      // It was replaced meanwhile, by the restart of another one.
      if (generation !== child.generation) continue;
      const { restart = "permanent" } = child.spec;
      if (restart === "temporary" || (restart === "transient" && !isFailure(reason))) continue;
      try {
        await this.#restart(child, reason);
      } catch (error) {
        this.#fail(child, { kind: "error", error });
      }
    }
    this.#isWorking = false;
    if (this.#end?.kind === "failed") void this.#stopAll();
  }

  #fail({ spec }: Child, reason: ExitReason): void {
    this.#end ??= { kind: "failed", id: spec.id, reason };
  }

  /** Restarts a child and whoever goes with it, until that succeeds or has been tried too often. Rejects with what the back-off throws. */
  async #restart(child: Child, reason: ExitReason): Promise<void> {
    for (;;) {
      const count = this.#countRestart();
      if (count > this.#intensity) {
        this.#fail(child, reason);
        return;
      }
      const delayMs = this.#backOffMs(count);
      check("what backOffMs returns", delayMs, DELAY_MS);
      if (delayMs > 0) await this.#backOffs.wait(delayMs);
      const group = this.#goWith(child);
      for (const other of [...group].reverse()) {
        if (this.#end !== null) return;
        if (other !== child) await this.#stopChild(other);
      }
      try {
        for (const other of group) {
          if (this.#end !== null) return;
          await this.#startChild(other);
        }
        return;
      } catch (error) {
        reason = { kind: "error", error };
        if (error instanceof SpawnError && error.kind === "disposed") this.#fail(child, reason);
      }
      // Starts that fail at once hold nobody up, however many may.
      if (this.#end === null) await new Promise<void>((resolve) => this.#executor.afterTurn(resolve));
      if (this.#end !== null) return;
    }
  }

  /** Restarts within the period that ends now, this one included. */
  #countRestart(): number {
    const nowMs = this.#executor.nowMs();
    this.#restarts = this.#restarts.filter((at) => at > nowMs - this.#periodMs);
    return this.#restarts.push(nowMs);
  }

  /** Temporary children that have ended are not started again with others. */
  #goWith(child: Child): Child[] {
    const at = this.#children.indexOf(child);
    const candidates =
      this.#strategy === "one-for-one"
        ? [child]
        : this.#strategy === "one-for-all"
          ? this.#children
          : this.#children.slice(at);
    return candidates.filter((other) => other === child || (other.spec.restart ?? "permanent") !== "temporary");
  }

  /** Its end from here on is none that is handled. */
  #stopChild(child: Child): Promise<void> {
    child.generation++;
    const { running, spec } = child;
    if (running !== null) {
      forget(child);
      child.stopped = this.#stopRunning(running, spec);
    }
    return child.stopped;
  }

  async #stopRunning(running: Running, spec: ChildSpec): Promise<void> {
    const { shutdown = spec.type === "supervisor" ? Number.POSITIVE_INFINITY : "kill" } = spec;
    if (shutdown !== "kill" && !this.#isKilled) {
      const refused = new Promise<void>((resolve) => {
        const asking = (async () => running.stop())();
        asking.catch((error: unknown) => {
          throwLater(error);
          resolve();
        });
      });
      await this.#shutdowns.wait(shutdown, Promise.race([running.ended, refused]));
    }
    running.kill();
    await running.ended;
  }

  #stopAll(): Promise<void> {
    this.#stopping ??= (async () => {
      for (const child of [...this.#children].reverse()) {
        await this.#stopChild(child);
        // What a start that is under way still makes is killed.
        await child.starting;
        await child.stopped;
      }
      this.#resolveEnd(this.#end ?? { kind: "stopped" });
    })();
    return this.#stopping;
  }
}

/** What `start` gave is not what the type of the child says. It does not live on. */
function wrong({ id }: ChildSpec, started: unknown, wanted: string): TypeError {
  if (started instanceof ProcessHandle || started instanceof Supervisor) started.kill();
  return new TypeError(`start of ${id} gave no ${wanted}`);
}

function forget(child: Child): void {
  child.running = null;
  child.handle = null;
  child.supervisor = null;
}

/** One that gave up has failed, however its last child ended. */
function reasonOfEnd(end: SupervisorEnd): ExitReason {
  if (end.kind === "stopped") return NORMAL;
  return { kind: "error", error: new Error(`its child ${end.id} ended too often: ${reasonText(end.reason)}`) };
}

/** False when its group may not have all of them. */
function register({ names = [] }: WorkerSpec, { process: { environment, group, pid } }: ProcessHandle): boolean {
  const registered = { nodeId: 0n, processId: BigInt(pid) };
  return names.every((name) => environment.registry.put(name, registered, group));
}

/** Names that others have taken over meanwhile stay. */
function unregister({ names = [] }: WorkerSpec, { process: { environment, pid } }: ProcessHandle): void {
  for (const name of names) {
    if (environment.registry.get(name)?.processId === BigInt(pid)) environment.registry.remove(name);
  }
}
