/**
 * WASI as one process sees it: its directories, which are opened before it begins, and its state, made when it first calls. What it
 * prints is kept within its group's log bytes.
 */

import { Termination } from "../vm/index.ts";
import { stepsOf } from "./directory-grants.ts";
import { Account } from "./group.ts";
import { LimitedOutput } from "./limited-output.ts";
import type { Process } from "./process.ts";
import type { RestoredWasi } from "./process-run.ts";
import type { Services } from "./runtime-core.ts";
import { openDirectories, type SharedDirectory } from "./shared-directories.ts";
import { SystemError, type OutputStream } from "./system.ts";
import type { DescriptorAccount } from "./wasi/descriptors.ts";
import { WasiState } from "./wasi/state.ts";

/** Directories that a process may be given: each may hold one of the host's descriptors. */
const MAX_PREOPENS = 64;
/** Fuel of each directory on the way to one that it is given by its maker. */
const STEP_FUEL = 2_000;
const STEP_NS_PER_FUEL = 20;

/** What a process costs that has called WASI: 700 of V8's heap for its state, and 4 KB while a call waits. */
const WASI_BYTES = 4_096;

export class ProcessWasi implements DescriptorAccount {
  readonly #process: Process;
  /** Open, until the state has them. */
  #directories: readonly SharedDirectory[] | null = null;
  #state: WasiState | null = null;
  #restored: RestoredWasi | null = null;

  constructor(process: Process) {
    this.#process = process;
  }

  /** What its functions share. Throws `Termination` when there is no memory for it. */
  get state(): WasiState {
    if (this.#state === null) {
      if (!this.#process.memory.reserveBytes(WASI_BYTES)) throw new Termination("memory limit", "for WASI");
      this.#state = this.#makeState();
      this.#directories = null;
      this.#restored = null;
    }
    return this.#state;
  }

  /** As {@link state}; null when it has not been asked for. */
  get opened(): WasiState | null {
    return this.#state;
  }

  #makeState(): WasiState {
    const { config } = this.#process;
    const directories = this.#directories ?? [];
    const restored = this.#restored;
    const state = new WasiState({
      ...this.#services(),
      descriptorAccount: this,
      args: config.args,
      env: config.env,
      ...(restored === null ? {} : { opened: restored.opened }),
      preopens: directories.map((directory, i) => ({
        name: config.preopens[i]!.name,
        directory,
        readOnly: config.preopens[i]!.readOnly,
      })),
    });
    state.resumedTimes = restored?.times ?? null;
    return state;
  }

  reserve(): boolean {
    return this.#process.group.reserve(Account.Descriptors, 1);
  }

  release(): void {
    this.#process.group.release(Account.Descriptors, 1);
  }

  /** The group's, since calls that wait may end after the process. */
  reserveBytes(byteLength: number): boolean {
    return this.#process.group.reserve(Account.Memory, byteLength);
  }

  releaseBytes(byteLength: number): void {
    this.#process.group.release(Account.Memory, byteLength);
  }

  #services(): Services {
    const process = this.#process;
    const { group } = process;
    const services = process.runtime.servicesOf(process);
    if (!group.hasLogLimit) return services;
    const limited = (stream: OutputStream): LimitedOutput =>
      new LimitedOutput(stream.forGuest?.() ?? stream, group, () => services.clock.monotonic());
    const stderr = limited(services.stderr);
    process.onExit(() => stderr.end(group.used(Account.Processes) === 0));
    return { ...services, stdout: limited(services.stdout), stderr };
  }

  /** The descriptors of a restored process. Throws a RangeError for numbers that cannot be. */
  install(restored: RestoredWasi): void {
    this.#restored = restored;
    void this.state;
  }

  /** Whether its directories are open. */
  get isOpen(): boolean {
    return this.#directories !== null || this.#state !== null;
  }

  /** Opens its directories, at once or before the process is woken. `spend` is told of the fuel. */
  open(spend: (fuel: number) => void): void {
    const process = this.#process;
    const { preopens } = process.config;
    if (preopens.length > MAX_PREOPENS) throw new SystemError("EMFILE", `${preopens.length} directories`);
    // Whether they are open already must not be seen.
    const fuel = preopens.reduce((sum, grant) => sum + stepsOf(grant), 0) * STEP_FUEL;
    spend(fuel);
    const opening = openDirectories(preopens, process.group);
    if (!(opening instanceof Promise)) {
      this.#directories = opening;
      return;
    }
    process.chargeTime(fuel * STEP_NS_PER_FUEL);
    const { executor, scheduler } = process.runtime;
    executor.hold();
    const opened = (directories: readonly SharedDirectory[]): void => {
      executor.unhold();
      if (process.hasEnded) {
        for (const directory of directories) void directory.release()?.catch(() => {});
        return;
      }
      this.#directories = directories;
      scheduler.wake(process);
    };
    opening.then(opened, (error: unknown) => {
      executor.unhold();
      process.kill({ kind: "error", error });
    });
  }

  /** At the end of the process, which waits until everything is closed. */
  close(): void {
    const directories = this.#directories ?? [];
    this.#directories = null;
    for (const closing of [...directories.map((directory) => directory.release()), this.#state?.dispose() ?? null]) {
      if (closing !== null) this.#process.waitForClosing(closing);
    }
  }
}
