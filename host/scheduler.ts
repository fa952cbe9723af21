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

import { DOUBLE_ZERO } from "../vm/index.ts";
import { Lineage } from "./lineage.ts";
import { throwLater } from "./callbacks.ts";
import { DEFAULT_WEIGHT, Entity, Share } from "./run-queue.ts";

/** How a turn of a task ended. */
export const enum TurnEnd {
  /** It could go on. */
  Runnable,
  /** It goes on after somebody wakes it. */
  Waiting,
  /** It never runs again. */
  Ended,
  /** Its end takes another turn, which comes as soon as one that somebody {@link Scheduler.hurry hurries}. */
  Ending,
}

const enum State {
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

/** Shares of the charge that express turns may take, and how much credit is kept. About nanoseconds. */
const TASK_RATE = 0.01;
const TASK_CREDIT = 5_000_000;
const GROUP_RATE = 0.05;
const GROUP_CREDIT = 10_000_000;
const TOTAL_RATE = 0.25;
const TOTAL_CREDIT = 20_000_000;
/** The most that one turn takes from a bucket: a host's pause must not cost a task seconds. */
const MAX_BUCKET_CHARGE = 400_000;
/** What turns of hurried tasks may cost before one from the queue. */
const HURRIED_CHARGE = 50_000;
/** Fuel below which the rest of a slice is not handed over. */
const MIN_HANDOVER = 1_000;

/** Credit that grows with what everybody uses. */
class Bucket {
  readonly #rate: number;
  readonly #limit: number;
  #credit = DOUBLE_ZERO;
  #seen: number;

  constructor(rate: number, limit: number, total: number) {
    this.#rate = rate;
    this.#limit = limit;
    this.#seen = total;
  }

  hasCredit(total: number): boolean {
    const credit = this.#credit + (total - this.#seen) * this.#rate;
    this.#seen = total;
    this.#credit = credit > this.#limit ? this.#limit : credit;
    return this.#credit > 0;
  }

  take(charge: number): void {
    this.#credit -= charge;
  }
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
  state: State = State.Idle;
  wasWoken = false;
  isSuspended = false;
  /** While it runs, of those that have a creator or have created others. */
  lineage: Lineage<Task> | null = null;
  bucket: Bucket | null = null;
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

  get isRunnable(): boolean {
    return this.state !== State.Idle && this.state !== State.Ended;
  }
}

/** A group as the scheduler sees it: competes with its siblings, and its members compete inside. */
export class GroupShare extends Share {
  readonly bucket: Bucket;
  /** The queue of the group's own tasks, a sibling of its subgroups. */
  readonly members: Share;
  readonly above: GroupShare | null;
  /** Whether a task has begun in it: then it does not move to where its next one's creator is. */
  hasBegun = false;
  /** The virtual time of subgroups that are gone: new ones do not start before it. */
  readonly #gone: Gone;

  constructor(scheduler: Scheduler, above: GroupShare | null, weight = DEFAULT_WEIGHT) {
    super(above, weight);
    this.above = above;
    this.bucket =
      above === null
        ? new Bucket(TOTAL_RATE, TOTAL_CREDIT, scheduler.totalCharge)
        : new Bucket(GROUP_RATE, GROUP_CREDIT, scheduler.totalCharge);
    this.members = new Share(this, DEFAULT_WEIGHT);
    this.#gone = new Gone(this, DEFAULT_WEIGHT);
    if (above === null) return;
    above.#gone.rebase();
    raise(this, above.#gone.virtualTime);
  }

  /** Its tasks have ended. What it used too much its successors begin with: making groups forgives nothing. */
  dispose(): void {
    const { above } = this;
    if (above === null) return;
    above.remove(this);
    this.rebase();
    raise(above.#gone, this.virtualTime);
  }
}

/** Tasks in the order in which they came, out of the queues. */
class Lane {
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

/** Stands for subgroups that are gone. Never runnable. */
class Gone extends Entity {}

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
    task.bucket = new Bucket(TASK_RATE, TASK_CREDIT, this.totalCharge);
    if (creator === null) return;
    if (creator.state !== State.Ended) {
      task.lineage = new Lineage<Task>(task);
      task.lineage.madeBy((creator.lineage ??= new Lineage<Task>(creator)));
    }
    if (creator !== this.current) {
      this.#inherit(task, creator);
      return;
    }
    task.state = State.Starting;
    this.#starting.push(task);
  }

  /** In one group a task begins where its creator is; a new group where its creator's group is. */
  #inherit(task: Task, creator: Task): void {
    if (task.parent === creator.parent) {
      creator.rebase();
      raise(task, creator.virtualTime);
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
    raise(group, sibling.virtualTime);
  }

  /** Lets a waiting task run. Harmless for one that can run already or has ended. */
  wake(task: Task): void {
    if (task.isSuspended || task.state !== State.Idle) {
      task.wasWoken = true;
      return;
    }
    const wasIdle = this.isIdle;
    const { current } = this;
    if (this.#mayExpress(task)) {
      task.rebase();
      if (current !== null && this.#handed === null) {
        this.#handed = task;
        task.state = State.Handed;
      } else this.#toExpress(task);
    } else this.#enqueue(task);
    if (wasIdle) this.onRunnable();
  }

  /** Takes a task out until {@link release}; a running one when its turn is over. */
  suspend(task: Task): void {
    if (task.isSuspended) return;
    task.isSuspended = true;
    if (!isQueued(task)) return;
    this.#takeOut(task);
    task.state = State.Idle;
    task.wasWoken = true;
  }

  release(task: Task): void {
    if (!task.isSuspended) return;
    task.isSuspended = false;
    if (task.state === State.Idle && task.wasWoken) {
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
    if (!isQueued(task) && task.state !== State.Idle) {
      task.wasWoken = true;
      return;
    }
    const wasIdle = this.isIdle;
    if (isQueued(task)) this.#takeOut(task);
    task.rebase();
    task.state = State.Hurried;
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
    task.state = State.Running;
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
      task.state = State.Hurried;
      this.#hurried.push(task);
    } else if (end === TurnEnd.Waiting || task.isSuspended) {
      task.state = State.Idle;
      if (end === TurnEnd.Runnable) task.wasWoken = true;
      task.parent!.remove(task);
    } else if (task.index >= 0) task.state = State.Queued;
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
    task.bucket!.take(Math.min(expressCharge, MAX_BUCKET_CHARGE));
    takeOfGroups(groupOf(task), Math.min(charge, MAX_BUCKET_CHARGE));
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
    if (isQueued(task)) this.#takeOut(task);
    this.#end(task);
  }

  /** Charges a task, or a group, for what was done for it outside of turns. Its credit for waking early pays too. */
  chargeLate(payer: Task | GroupShare, charge: number): void {
    if (payer instanceof Task && payer.state === State.Ended) return;
    this.totalCharge += charge;
    this.#advance(payer, charge);
    const taken = Math.min(charge, MAX_BUCKET_CHARGE);
    if (payer instanceof Task) payer.bucket!.take(taken);
    takeOfGroups(payer instanceof Task ? groupOf(payer) : payer, taken);
  }

  /** Lets the tasks that the running one has started begin, after its turn has been charged. */
  #begin(creator: Task): void {
    const starting = this.#starting;
    if (starting.length === 0) return;
    for (const task of starting) {
      this.#inherit(task, creator);
      if (task.wasWoken && !task.isSuspended) this.#enqueue(task);
      else task.state = State.Idle;
    }
    starting.length = 0;
  }

  /** What the task has used too much stays with whoever made it, and may make another. */
  #end(task: Task): void {
    task.state = State.Ended;
    task.parent!.remove(task);
    const { lineage } = task;
    if (lineage === null) return;
    const creator = lineage.livingMaker;
    if (creator !== null && creator.parent === task.parent) raise(creator, task.virtualTime);
    lineage.end();
    task.lineage = null;
  }

  #enqueue(task: Task): void {
    task.state = State.Queued;
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
    if (task.state === State.Express) this.#express.remove(task);
    else if (task.state === State.Hurried) this.#hurried.remove(task);
    else if (task.state === State.Handed) this.#handed = null;
    else task.parent!.remove(task);
  }

  #toExpress(task: Task): void {
    task.state = State.Express;
    this.#express.push(task);
  }
}

/** In a queue, in one of its forms. */
function isQueued({ state }: Task): boolean {
  return state === State.Queued || state === State.Express || state === State.Hurried || state === State.Handed;
}

function groupOf(task: Task): GroupShare {
  return task.parent!.parent as GroupShare;
}

function takeOfGroups(least: GroupShare, charge: number): void {
  for (let group: GroupShare | null = least; group !== null; group = group.above) group.bucket.take(charge);
}

/** Nobody's virtual time goes back. */
function raise(entity: Entity, virtualTime: number): void {
  entity.rebase();
  if (entity.virtualTime >= virtualTime) return;
  entity.virtualTime = virtualTime;
  if (entity.index >= 0) entity.parent!.moved(entity);
}
