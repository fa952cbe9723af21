/**
 * Tasks that only use up charge, for tests of the scheduler's properties: no WebAssembly, no clock,
 * time is the charge itself. Sleeps are as fine as a unit of charge, finer than any timer.
 */

import { Executor, type TurnSource } from "./executor.ts";
import type { GroupShare } from "./group-share.ts";
import { Task, TurnEnd } from "./task.ts";

/** What a task does with a turn: says how much it uses and how the turn ends. */
export type Behaviour = (task: SimulatedTask, fuel: number) => TurnEnd;

export class SimulatedTask extends Task {
  readonly simulation: Simulation;
  readonly #behaviour: Behaviour;
  /** All that it has used. */
  used = 0;
  /** Of the present turn. */
  turnUsed = 0;
  wokenAt = 0;
  /** From each time it was woken to its first turn. */
  readonly delays: number[] = [];
  #isFresh = false;

  constructor(simulation: Simulation, behaviour: Behaviour, weight?: number) {
    super(weight);
    this.simulation = simulation;
    this.#behaviour = behaviour;
  }

  use(charge: number): void {
    this.turnUsed += charge;
    this.used += charge;
  }

  /** Wakes it so much later, counted from the end of what it has used. */
  sleep(charge: number): TurnEnd {
    this.simulation.wakeAt(this, this.simulation.now + this.turnUsed + charge);
    return TurnEnd.Waiting;
  }

  wake(at: number): void {
    this.wokenAt = at;
    this.#isFresh = true;
    this.simulation.scheduler.wake(this);
  }

  override run(fuel: number): TurnEnd {
    if (this.#isFresh) this.delays.push(this.simulation.now - this.wokenAt);
    this.#isFresh = false;
    this.turnUsed = 0;
    const end = this.#behaviour(this, fuel);
    this.turnCharge = this.turnUsed;
    this.turnFuel = this.turnUsed;
    return end;
  }
}

/** Nothing runs but what the test asks for. */
const NO_TURNS: TurnSource = { nowMs: () => 0, nextTurn: () => {}, wakeAfter: () => () => {} };

export class Simulation {
  readonly executor: Executor;
  readonly group: GroupShare;
  /** By time; few at once. */
  #sleeping: { readonly task: SimulatedTask; readonly at: number }[] = [];

  constructor(seed = 1) {
    this.executor = new Executor({ seed, source: NO_TURNS });
    this.group = this.executor.join();
  }

  get scheduler(): Executor["scheduler"] {
    return this.executor.scheduler;
  }

  /** Charge used by all until now. */
  get now(): number {
    return this.scheduler.totalCharge;
  }

  start(
    behaviour: Behaviour,
    options: { readonly group?: GroupShare; readonly creator?: SimulatedTask; readonly weight?: number } = {},
  ): SimulatedTask {
    const task = new SimulatedTask(this, behaviour, options.weight);
    this.scheduler.start(task, options.group ?? this.group, options.creator ?? null);
    return task;
  }

  hogs(count: number, group = this.group): SimulatedTask[] {
    return Array.from({ length: count }, () => this.start(hog, { group }));
  }

  wakeAt(task: SimulatedTask, at: number): void {
    this.#sleeping.push({ task, at });
  }

  /** Runs until so much more has been used. Needs something that is always runnable. */
  run(charge: number): void {
    const end = this.now + charge;
    while (this.now < end) {
      this.executor.runUntilIdle(1);
      const due = this.#sleeping.filter(({ at }) => at <= this.now);
      if (due.length === 0) continue;
      this.#sleeping = this.#sleeping.filter(({ at }) => at > this.now);
      due.sort((a, b) => a.at - b.at);
      for (const { task, at } of due) task.wake(at);
    }
  }
}

/** Uses every turn whole and a little more. */
export const hog: Behaviour = (task, fuel) => {
  task.use(fuel + 7);
  return TurnEnd.Runnable;
};

/** Jain's index: 1 when all have the same. */
export function jain(amounts: readonly number[]): number {
  const sum = amounts.reduce((total, amount) => total + amount, 0);
  const squares = amounts.reduce((total, amount) => total + amount * amount, 0);
  return (sum * sum) / (amounts.length * squares);
}

/** The value that the fraction `p` of all does not exceed. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? Number.NaN;
}
