/** What runs in turns, how a turn ends, and the lanes in which tasks wait beside the queues. Who is next is scheduler.ts's business. */

import { DOUBLE_ZERO } from "../vm/internal.ts";
import { throwLater } from "./callbacks.ts";
import type { LatencyBucket } from "./latency-bucket.ts";
import type { Lineage } from "./lineage.ts";
import { DEFAULT_WEIGHT, Entity } from "./run-queue.ts";

/** How a turn of a task ended. */
export const enum TurnEnd {
  /** It could go on. */
  Runnable,
  /** It goes on after somebody wakes it. */
  Waiting,
  /** It never runs again. */
  Ended,
  /** Its end takes another turn, which comes as soon as one that somebody hurries (scheduler.ts). */
  Ending,
}

/** Where a task is; see scheduler.ts. */
export const enum TaskState {
  Idle,
  Queued,
  Express,
  Hurried,
  Handed,
  Running,
  /** Made by the running task, begins after its turn. */
  Starting,
  Ended,
}

/** Something that runs in turns. Belongs to one group and one scheduler. */
export abstract class Task extends Entity {
  /** What the turn that just ended cost; set by {@link run}. At least the fuel it used. */
  turnCharge = DOUBLE_ZERO;
  /** Fuel that the turn used; set by {@link run}. */
  turnFuel = DOUBLE_ZERO;
  /** Running estimate, kept by the executor. */
  nanosecondsPerFuel = DOUBLE_ZERO;
  /** Fuel of its next turn where there is a clock, kept by the executor; 0 before the first. */
  sliceFuel = 0;
  // The rest is the scheduler's.
  state: TaskState = TaskState.Idle;
  wasWoken = false;
  isSuspended = false;
  /** While it runs, of those that have a creator or have created others. */
  lineage: Lineage<Task> | null = null;
  bucket: LatencyBucket | null = null;
  previousInLane: Task | null = null;
  nextInLane: Task | null = null;

  constructor(weight = DEFAULT_WEIGHT) {
    super(null, weight);
  }

  /** Runs for about `fuel`. Should not throw: then {@link failed} says how the turn ends. */
  abstract run(fuel: number): TurnEnd;

  failed(error: unknown): TurnEnd {
    throwLater(error);
    return TurnEnd.Ended;
  }

  /** When what goes on in promises after its turns was last known to be its own: the executor's time. */
  get touchedMs(): number {
    return 0;
  }

  /** Whether what it began in its turn goes on in promises, which must run before the next turn. */
  get yieldsToHost(): boolean {
    return false;
  }

  /** Whether it is in a queue, in one of its forms. */
  get isQueued(): boolean {
    const { state } = this;
    return (
      state === TaskState.Queued ||
      state === TaskState.Express ||
      state === TaskState.Hurried ||
      state === TaskState.Handed
    );
  }

  get isRunnable(): boolean {
    return this.state !== TaskState.Idle && this.state !== TaskState.Ended;
  }
}

/** Tasks in the order in which they came, out of the queues. */
export class Lane {
  first: Task | null = null;
  #last: Task | null = null;

  push(task: Task): void {
    const last = this.#last;
    task.previousInLane = last;
    if (last === null) this.first = task;
    else last.nextInLane = task;
    this.#last = task;
  }

  remove(task: Task): void {
    const { previousInLane, nextInLane } = task;
    if (previousInLane === null) this.first = nextInLane;
    else previousInLane.nextInLane = nextInLane;
    if (nextInLane === null) this.#last = previousInLane;
    else nextInLane.previousInLane = previousInLane;
    task.previousInLane = null;
    task.nextInLane = null;
  }
}
