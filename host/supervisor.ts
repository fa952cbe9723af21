/**
 * Supervision, as Erlang's: children that are started in order, restarted when they end, and
 * stopped in reverse. Built on links and monitors alone.
 *
 *     state      event                             next
 *     running    a child ends, restart wanted      restarting, or stopping with failure (intensity)
 *     running    a child ends, none wanted         running
 *     restarting started | failed                  running | restarting again (it counts)
 *     any        stop                              stopping → stopped
 *
 * One restart at a time: ends during one are handled after it, in their order.
 */

import type { Executor } from "./executor.ts";
import type { ProcessHandle } from "./process-handle.ts";
import { isFailure, reasonText, type ExitReason } from "./signal.ts";
import { Timer } from "./timers.ts";

/** Which children are restarted with one that ended: it alone, all, or it and those started after it. */
export type RestartStrategy = "one-for-one" | "one-for-all" | "rest-for-one";

/** `permanent`: always restarted; `transient`: when it failed; `temporary`: never. */
export type Restart = "permanent" | "transient" | "temporary";

export interface ChildSpec {
  /** Different for each child. */
  readonly id: string;
  /** Starts it. A rejection, and an end before it is ready, is a failed start, and counts as a restart. */
  start(): ProcessHandle | Promise<ProcessHandle>;
  /** Its names in the registry while it lives: each of its processes has them before the next child starts. */
  readonly names?: readonly string[];
  /** Default: "permanent". */
  readonly restart?: Restart;
  /**
   * How it is stopped: killed at once, or told by `stop` and killed after so many milliseconds.
   * Default: "kill".
   */
  readonly shutdown?: "kill" | number;
  /** Asks it to end, before the time of `shutdown` begins. */
  stop?(child: ProcessHandle): void;
}

export interface SupervisorOptions {
  readonly strategy?: RestartStrategy;
  /** More than so many restarts within `periodMs` end the supervisor with a failure. Default 1 in 5,000. */
  readonly intensity?: number;
  readonly periodMs?: number;
  /** Waits before the n-th restart within a period, from 1 on. Default: none. */
  readonly backOffMs?: (restart: number) => number;
  /** Runs the clock that periods and shutdowns are measured by. */
  readonly executor: Executor;
}

export type SupervisorEnd =
  | { readonly kind: "stopped" }
  /** Children ended too often; the last one because of `reason`. */
  | { readonly kind: "failed"; readonly id: string; readonly reason: ExitReason };

interface Child {
  readonly spec: ChildSpec;
  handle: ProcessHandle | null;
  /** Counts its starts, so that the end of an earlier one is not taken for that of the present one. */
  generation: number;
}

interface Ended {
  readonly child: Child;
  readonly generation: number;
  readonly reason: ExitReason;
}

export class Supervisor implements AsyncDisposable {
  readonly #children: Child[] = [];
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
  #stopping: Promise<void> | null = null;
  #resolveEnd: (end: SupervisorEnd) => void = () => {};
  /** Resolves when it has ended and all its children too. */
  readonly ended: Promise<SupervisorEnd>;

  private constructor(specs: readonly ChildSpec[], options: SupervisorOptions) {
    const ids = new Set(specs.map(({ id }) => id));
    if (ids.size < specs.length) throw new TypeError("two children have the same id");
    this.#children = specs.map((spec) => ({ spec, handle: null, generation: 0 }));
    this.#strategy = options.strategy ?? "one-for-one";
    this.#intensity = options.intensity ?? 1;
    this.#periodMs = options.periodMs ?? 5_000;
    this.#backOffMs = options.backOffMs ?? (() => 0);
    this.#executor = options.executor;
    this.ended = new Promise((resolve) => {
      this.#resolveEnd = resolve;
    });
  }

  /**
   * Starts all children in order. When one cannot be started those before it are stopped, and the
   * promise rejects with what its start rejected with.
   */
  static async start(specs: readonly ChildSpec[], options: SupervisorOptions): Promise<Supervisor> {
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

  /** Stops all children in reverse order, and waits for their ends. */
  stop(): Promise<void> {
    this.#end ??= { kind: "stopped" };
    return this.#stopAll();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #startChild(child: Child): Promise<void> {
    const generation = ++child.generation;
    const { id, start } = child.spec;
    const handle = await start.call(child.spec);
    // It was stopped meanwhile.
    if (generation !== child.generation) {
      handle.kill();
      throw new Error(`${id} is not needed any more`);
    }
    child.handle = handle;
    const isReady = await handle.started;
    const isKnown = isReady && register(child.spec, handle);
    if (!isKnown) {
      child.handle = null;
      handle.kill();
      const reason = reasonText(await handle.exited);
      unregister(child.spec, handle);
      throw new Error(`${id} did not start: ${isReady ? "too many registered names" : reason}`);
    }
    void handle.exited.then((reason) => {
      unregister(child.spec, handle);
      this.#childEnded({ child, generation, reason });
    });
  }

  #childEnded(ended: Ended): void {
    if (ended.generation === ended.child.generation) ended.child.handle = null;
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
      await this.#restart(child, reason);
    }
    this.#isWorking = false;
    if (this.#end?.kind === "failed") void this.#stopAll();
  }

  /** Restarts a child and whoever goes with it, until that succeeds or has been tried too often. */
  async #restart(child: Child, reason: ExitReason): Promise<void> {
    for (;;) {
      const count = this.#countRestart();
      if (count > this.#intensity) {
        this.#end ??= { kind: "failed", id: child.spec.id, reason };
        return;
      }
      const delayMs = this.#backOffMs(count);
      if (delayMs > 0) await this.#sleep(delayMs);
      const group = this.#goWith(child);
      for (const other of [...group].reverse()) if (other !== child) await this.#stopChild(other);
      try {
        for (const other of group) {
          if (this.#end !== null) return;
          await this.#startChild(other);
        }
        return;
      } catch (error) {
        reason = { kind: "error", error };
      }
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
  async #stopChild(child: Child): Promise<void> {
    child.generation++;
    const { handle, spec } = child;
    child.handle = null;
    if (handle === null) return;
    const { shutdown = "kill" } = spec;
    if (shutdown !== "kill") {
      spec.stop?.(handle);
      await Promise.race([handle.exited, this.#sleep(shutdown)]);
    }
    handle.kill();
    await handle.exited;
  }

  #stopAll(): Promise<void> {
    this.#stopping ??= (async () => {
      for (const child of [...this.#children].reverse()) await this.#stopChild(child);
      this.#resolveEnd(this.#end ?? { kind: "stopped" });
    })();
    return this.#stopping;
  }

  #sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.#executor.arm(new Timer(() => resolve()), delayMs));
  }
}

/** False when its group may not have all of them. */
function register({ names = [] }: ChildSpec, { process: { environment, group, pid } }: ProcessHandle): boolean {
  const registered = { nodeId: 0n, processId: BigInt(pid) };
  return names.every((name) => environment.registry.put(name, registered, group));
}

/** Names that others have taken over meanwhile stay. */
function unregister({ names = [] }: ChildSpec, { process: { environment, pid } }: ProcessHandle): void {
  for (const name of names) {
    if (environment.registry.get(name)?.processId === BigInt(pid)) environment.registry.remove(name);
  }
}
