/** An environment: a table of processes with numbers of its own, and their registered names. */

import type { BasicProcess } from "./basic-process.ts";
import { NumberTable } from "./number-table.ts";
import { Registry } from "./registry.ts";
import type { Pid } from "./signal.ts";

/** Numbers that are remembered of processes that were stopped. */
const MAX_AWAY = 65_536;
/** A restored process does not use up the numbers of all others. */
const MAX_PID = 2 ** 52;

export class Environment {
  readonly id: number;
  readonly registry: Registry;
  readonly #processes = new NumberTable<BasicProcess>();
  readonly #starting = new NumberTable<BasicProcess>();
  #nextPid = 1;

  constructor(id: number, registry = new Registry()) {
    this.id = id;
    this.registry = registry;
  }

  /** A number that no process has had. */
  takePid(): Pid {
    return this.#nextPid++;
  }

  /** Numbers of processes that were saved and stopped, and the checksums of their snapshots: they may come back. */
  readonly #away = new Map<Pid, string>();

  /** A process was saved and has ended: its number is its own when it is restored from that snapshot, and nobody else's. */
  leave(pid: Pid, checksum: string): void {
    if (this.#away.size < MAX_AWAY) this.#away.set(pid, checksum);
  }

  /** The number for a restored process: the one that it had, unless another process has or had it here. */
  comeBack(pid: Pid, checksum: string): Pid {
    if (this.#away.get(pid) === checksum) {
      this.#away.delete(pid);
      return pid;
    }
    if (pid < this.#nextPid || pid > MAX_PID) return this.takePid();
    this.#nextPid = pid + 1;
    return pid;
  }

  /** Processes that others can see. */
  get size(): number {
    return this.#processes.size;
  }

  get(pid: Pid): BasicProcess | undefined {
    return this.#processes.get(pid);
  }

  /** As {@link get}, and those that the embedder has started and that are not ready yet: it has their handles. */
  getStarted(pid: Pid): BasicProcess | undefined {
    return this.#processes.get(pid) ?? this.#starting.get(pid);
  }

  /** A process that the embedder has started. */
  addStarting(process: BasicProcess): void {
    this.#starting.set(process.pid, process);
  }

  add(process: BasicProcess): void {
    this.#starting.delete(process.pid);
    this.#processes.set(process.pid, process);
  }

  remove(process: BasicProcess): void {
    if (this.#processes.delete(process.pid) === undefined) this.#starting.delete(process.pid);
  }

  /** In the order they were made. */
  processes(): readonly BasicProcess[] {
    return this.#processes.values();
  }
}
