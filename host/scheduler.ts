/**
 * Who runs next. Shares divide the charge (run-queue.ts); beside them stands the express lane, in
 * which a task that wakes runs ahead of the queue as long as its latency bucket, its groups' and
 * the one of all have credit. It knows nothing of WebAssembly, of clocks, and of what a charge is
 * made of.
 *
 *     state     event                         next
 *     starting  its maker's turn is over      idle (queued if woken meanwhile)
 *     idle      wake                          queued, express or handed over
 *     any       hurry                         hurried (when the turn is over)
 *     queued    picked                        running
 *     express   picked                        running
 *     hurried   picked, some at a time        running
 *     handed    its waker waits               running, on the waker's slice
 *     handed    its waker goes on or ends     express
 *     running   runnable | waiting | ended    queued or express | idle (as if woken, if it was) | ended
 *     running   ending                        hurried
 *     any       suspend                       idle (when the turn is over)
 */

import { DOUBLE_ZERO } from "../vm/internal.ts";
import { GroupShare } from "./group-share.ts";
import { LatencyBucket } from "./latency-bucket.ts";
import { Lineage } from "./lineage.ts";
import type { Entity, Share } from "./run-queue.ts";
import { Lane, Task, TaskState, TurnEnd } from "./task.ts";

/** What turns of hurried tasks may cost before one from the queue. */
const HURRIED_CHARGE = 50_000;
/** Fuel below which the rest of a slice is not handed over. */
const MIN_HANDOVER = 1_000;

export class Scheduler {
  readonly root: GroupShare;
  /** Sum of all charges. */
  totalCharge = DOUBLE_ZERO;
  /** The task whose turn it is, if any. */
  current: Task | null = null;
  /** Fuel of a turn that the next task takes over, 0 if it gets one of its own. */
  handedFuel = DOUBLE_ZERO;
  /** Called when something becomes runnable while nothing is. */
  onRunnable: () => void = () => {};
  readonly #express = new Lane();
  readonly #hurried = new Lane();
  /** Whether the present turn is one of a hurried task, and what those turns cost since one from the queue. */
  #isHurriedTurn = false;
  #hurriedCharge = DOUBLE_ZERO;
  /** Woken by the running task, to run in its place when it waits. */
  #handed: Task | null = null;
  /** Whether the running task takes its turn from the credit of its buckets. */
  #isExpressTurn = false;
  /** Started by the running task: they begin where it is after this turn. */
  readonly #starting: Task[] = [];

  constructor() {
    this.root = new GroupShare(this, null);
  }

  /** Whether anything can run. */
  get isIdle(): boolean {
    return this.root.length === 0 && !this.#hasLanes && this.#handed === null && this.current === null;
  }

  get #hasLanes(): boolean {
    return this.#express.first !== null || this.#hurried.first !== null;
  }

  /**
   * Makes a new task a member of a group and lets it run. It begins at the virtual time of its
   * creator, the running turn included; one without a creator as if it had just woken.
   */
  start(task: Task, group: GroupShare, creator: Task | null): void {
    this.adopt(task, group, creator);
    this.wake(task);
  }

  /** As {@link start}, for a task that {@link wake} will let run. */
  adopt(task: Task, group: GroupShare, creator: Task | null): void {
    const { members } = group;
    task.parent = members;
    task.base = members.queueBase;
    task.virtualTime = members.minimum;
    task.bucket = LatencyBucket.ofTask(this.totalCharge);
    if (creator === null) return;
    if (creator.state !== TaskState.Ended) {
      task.lineage = new Lineage<Task>(task);
      task.lineage.madeBy((creator.lineage ??= new Lineage<Task>(creator)));
    }
    if (creator !== this.current) {
      this.#inherit(task, creator);
      return;
    }
    task.state = TaskState.Starting;
    this.#starting.push(task);
  }

  /** In one group a task begins where its creator is; a new group where its creator's group is. */
  #inherit(task: Task, creator: Task): void {
    if (task.parent === creator.parent) {
      creator.rebase();
      task.raise(creator.virtualTime);
      return;
    }
    const group = groupOf(task);
    if (group.hasBegun) return;
    group.hasBegun = true;
    const { above } = group;
    const creators = groupOf(creator);
    const sibling = creators === above ? above.members : creators.above === above ? creators : null;
    if (sibling === null) return;
    sibling.rebase();
    group.raise(sibling.virtualTime);
  }

  /** Lets a waiting task run. Harmless for one that can run already or has ended. */
  wake(task: Task): void {
    if (task.isSuspended || task.state !== TaskState.Idle) {
      task.wasWoken = true;
      return;
    }
    const wasIdle = this.isIdle;
    const { current } = this;
    if (this.#mayExpress(task)) {
      task.rebase();
      if (current !== null && this.#handed === null) {
        this.#handed = task;
        task.state = TaskState.Handed;
      } else this.#toExpress(task);
    } else this.#enqueue(task);
    if (wasIdle) this.onRunnable();
  }

  /** Takes a task out until {@link release}; a running one when its turn is over. */
  suspend(task: Task): void {
    if (task.isSuspended) return;
    task.isSuspended = true;
    if (!task.isQueued) return;
    this.#takeOut(task);
    task.state = TaskState.Idle;
    task.wasWoken = true;
  }

  release(task: Task): void {
    if (!task.isSuspended) return;
    task.isSuspended = false;
    if (task.state === TaskState.Idle && task.wasWoken) {
      task.wasWoken = false;
      this.wake(task);
    }
  }

  /**
   * Lets a task have one of the next turns whatever its credit: for ends, which cost little and free much.
   * After some of them somebody from the queue has a turn, so that thousands of ends hold up nobody.
   */
  hurry(task: Task): void {
    task.isSuspended = false;
    if (!task.isQueued && task.state !== TaskState.Idle) {
      task.wasWoken = true;
      return;
    }
    const wasIdle = this.isIdle;
    if (task.isQueued) this.#takeOut(task);
    task.rebase();
    task.state = TaskState.Hurried;
    this.#hurried.push(task);
    if (wasIdle) this.onRunnable();
  }

  /** The task whose turn is next; it is running until {@link settle}. */
  pick(): Task | null {
    const task = this.#next();
    if (task === null) return null;
    this.handedFuel = 0;
    return this.#run(task);
  }

  #next(): Task | null {
    const express = this.#express.first;
    this.#isExpressTurn = express !== null && this.root.length > 0;
    this.#isHurriedTurn = false;
    if (express !== null) {
      this.#express.remove(express);
      return express;
    }
    const hurried = this.#hurried.first;
    this.#isHurriedTurn = hurried !== null && (this.#hurriedCharge < HURRIED_CHARGE || this.root.length === 0);
    if (this.#isHurriedTurn) this.#hurried.remove(hurried!);
    else this.#hurriedCharge = 0;
    return this.#isHurriedTurn ? hurried : this.#firstQueued();
  }

  #run(task: Task): Task {
    task.state = TaskState.Running;
    task.wasWoken = false;
    this.current = task;
    return task;
  }

  #firstQueued(): Task | null {
    let share: Share = this.root;
    for (;;) {
      const first = share.first();
      if (first === null || first instanceof Task) return first;
      share = first as Share;
    }
  }

  /**
   * Ends the turn of the running task, which cost `charge` and left `restFuel` of its slice. If it was an express turn,
   * its own credit pays `expressCharge`, and that of its groups all of it. Returns the task that runs on that rest, if there is one; else {@link pick} says who is next.
   */
  settle(charge: number, end: TurnEnd, restFuel = 0, expressCharge = charge): Task | null {
    const task = this.current!;
    this.current = null;
    this.#charge(task, charge, expressCharge);
    this.#begin(task);
    if (end === TurnEnd.Waiting && task.wasWoken) end = TurnEnd.Runnable;
    if (end === TurnEnd.Ended) this.#end(task);
    else if (end === TurnEnd.Ending) {
      task.isSuspended = false;
      task.parent!.remove(task);
      task.state = TaskState.Hurried;
      this.#hurried.push(task);
    } else if (end === TurnEnd.Waiting || task.isSuspended) {
      task.state = TaskState.Idle;
      if (end === TurnEnd.Runnable) task.wasWoken = true;
      task.parent!.remove(task);
    } else if (task.index >= 0) task.state = TaskState.Queued;
    // While it has credit it goes on: what it was woken for may take several slices.
    else if (this.#isExpressTurn && this.#mayExpress(task)) this.#toExpress(task);
    else this.#enqueue(task);
    const handed = this.#handed;
    if (handed === null) return null;
    this.#handed = null;
    if (end !== TurnEnd.Waiting || restFuel < MIN_HANDOVER) {
      this.#toExpress(handed);
      return null;
    }
    this.#isExpressTurn = this.root.length > 0;
    this.#isHurriedTurn = false;
    this.handedFuel = restFuel;
    return this.#run(handed);
  }

  #charge(task: Task, charge: number, expressCharge: number): void {
    this.totalCharge += charge;
    if (this.#isHurriedTurn) this.#hurriedCharge += charge;
    this.#advance(task, charge);
    if (!this.#isExpressTurn) return;
    task.bucket!.take(expressCharge);
    groupOf(task).takeCredit(charge);
  }

  /** Adds to the virtual time of an entity and of all that it is in. */
  #advance(payer: Entity, charge: number): void {
    for (let entity = payer; entity.parent !== null; entity = entity.parent) {
      entity.rebase();
      entity.advance(charge);
      if (entity.index >= 0) entity.parent.moved(entity);
    }
  }

  /** Ends a task whose turn it is not. */
  drop(task: Task): void {
    if (task.isQueued) this.#takeOut(task);
    this.#end(task);
  }

  /** Charges a task, or a group, for what was done for it outside of turns. Its credit for waking early pays too. */
  chargeLate(payer: Task | GroupShare, charge: number): void {
    if (payer instanceof Task && payer.state === TaskState.Ended) return;
    this.totalCharge += charge;
    this.#advance(payer, charge);
    if (payer instanceof Task) payer.bucket!.take(charge);
    (payer instanceof Task ? groupOf(payer) : payer).takeCredit(charge);
  }

  /** Lets the tasks that the running one has started begin, after its turn has been charged. */
  #begin(creator: Task): void {
    const starting = this.#starting;
    if (starting.length === 0) return;
    for (const task of starting) {
      this.#inherit(task, creator);
      if (task.wasWoken && !task.isSuspended) this.#enqueue(task);
      else task.state = TaskState.Idle;
    }
    starting.length = 0;
  }

  /** What the task has used too much stays with whoever made it, and may make another. */
  #end(task: Task): void {
    task.state = TaskState.Ended;
    task.parent!.remove(task);
    const { lineage } = task;
    if (lineage === null) return;
    const creator = lineage.livingMaker;
    if (creator !== null && creator.parent === task.parent) creator.raise(task.virtualTime);
    lineage.end();
    task.lineage = null;
  }

  #enqueue(task: Task): void {
    task.state = TaskState.Queued;
    task.parent!.push(task);
  }

  #mayExpress(task: Task): boolean {
    if (this.root.length === 0 && !this.#hasLanes) return true;
    const total = this.totalCharge;
    if (!task.bucket!.hasCredit(total)) return false;
    for (let group: GroupShare | null = groupOf(task); group !== null; group = group.above) {
      if (!group.bucket.hasCredit(total)) return false;
    }
    return true;
  }

  #takeOut(task: Task): void {
    if (task.state === TaskState.Express) this.#express.remove(task);
    else if (task.state === TaskState.Hurried) this.#hurried.remove(task);
    else if (task.state === TaskState.Handed) this.#handed = null;
    else task.parent!.remove(task);
  }

  #toExpress(task: Task): void {
    task.state = TaskState.Express;
    this.#express.push(task);
  }
}

function groupOf(task: Task): GroupShare {
  return task.parent!.parent as GroupShare;
}
