/**
 * Proportional shares as a tree of queues: an entity is a task or a share with entities of its own,
 * and each queue is ordered by virtual time, which is the charge divided by the weight. Whoever has
 * the least runs next. Numbers only: what a task is, and who wakes it, is the scheduler's business.
 */

import { DOUBLE_ZERO } from "../vm/internal.ts";

export const DEFAULT_WEIGHT = 100;
export const MAX_WEIGHT = 1_000;

/** Virtual time of one unit of charge at weight 1. Divisible by the default weight. */
const SCALE = 1_000;
/** Virtual times are brought back to zero here, long before numbers lose exactness. */
const RENORMALIZE_AT = 2 ** 40;

/** Something that competes in a share's queue. */
export abstract class Entity {
  /** The share that it competes in; null only for the root. */
  parent: Share | null;
  readonly weight: number;
  virtualTime = DOUBLE_ZERO;
  /** What the last division by the weight left over. */
  #remainder = 0;
  /** Which of two with the same virtual time came first. */
  order = DOUBLE_ZERO;
  /** Place in the parent's queue, -1 when it is not runnable. */
  index = -1;
  /** The parent's base that the virtual time is relative to. */
  base = DOUBLE_ZERO;

  /** Throws `RangeError` unless the weight is a whole number from 1 to {@link MAX_WEIGHT}. */
  constructor(parent: Share | null, weight: number) {
    if (!Number.isInteger(weight) || weight < 1 || weight > MAX_WEIGHT) {
      throw new RangeError(`weight ${weight} is not a whole number from 1 to ${MAX_WEIGHT}`);
    }
    this.parent = parent;
    this.weight = weight;
    if (parent !== null) {
      this.virtualTime = parent.minimum;
      this.base = parent.queueBase;
    }
  }

  /** Makes the virtual time comparable with those in the parent's queue. */
  rebase(): void {
    const { parent } = this;
    if (parent === null || this.base === parent.queueBase) return;
    this.virtualTime -= parent.queueBase - this.base;
    this.base = parent.queueBase;
  }

  /** Nobody's virtual time goes back. */
  raise(virtualTime: number): void {
    this.rebase();
    if (this.virtualTime >= virtualTime) return;
    this.virtualTime = virtualTime;
    if (this.index >= 0) this.parent!.moved(this);
  }

  /** Adds what was used to the virtual time. */
  advance(charge: number): void {
    if (this.weight === DEFAULT_WEIGHT) {
      this.virtualTime += charge * (SCALE / DEFAULT_WEIGHT);
      return;
    }
    const total = charge * SCALE + this.#remainder;
    const whole = Math.floor(total / this.weight);
    this.#remainder = total - whole * this.weight;
    this.virtualTime += whole;
  }
}

/** A queue of entities that together have one share of their parent's. */
export class Share extends Entity {
  /** A binary heap. */
  readonly #heap: Entity[] = [];
  /** The least virtual time that has run; nobody enters below it. */
  minimum = DOUBLE_ZERO;
  /** Sum of what has been taken off all virtual times of this queue. */
  queueBase = DOUBLE_ZERO;
  #order = DOUBLE_ZERO;

  constructor(parent: Share | null, weight = DEFAULT_WEIGHT) {
    super(parent, weight);
  }

  /** How many entities are runnable. */
  get length(): number {
    return this.#heap.length;
  }

  /** The entity with the least virtual time. Its time becomes the queue's minimum. */
  first(): Entity | null {
    const first = this.#heap[0];
    if (first === undefined) return null;
    if (first.virtualTime > this.minimum) {
      this.minimum = first.virtualTime;
      if (this.minimum > RENORMALIZE_AT) this.#renormalize();
    }
    return first;
  }

  /** Makes `entity` runnable at its virtual time, but not before the minimum, and so this share. */
  push(entity: Entity): void {
    entity.rebase();
    if (entity.virtualTime < this.minimum) entity.virtualTime = this.minimum;
    entity.order = this.#order++;
    const heap = this.#heap;
    entity.index = heap.length;
    heap.push(entity);
    this.#up(entity);
    if (heap.length === 1 && this.parent !== null && this.index < 0) this.parent.push(this);
  }

  /** Harmless for an entity that is not runnable. A share without entities is not runnable either. */
  remove(entity: Entity): void {
    const { index } = entity;
    if (index < 0) return;
    const heap = this.#heap;
    const last = heap.pop()!;
    entity.index = -1;
    if (last !== entity) {
      heap[index] = last;
      last.index = index;
      this.#up(last);
      this.#down(last);
    }
    if (heap.length === 0) this.parent?.remove(this);
  }

  /** Puts a runnable entity whose virtual time has grown behind those with the same time. */
  moved(entity: Entity): void {
    entity.order = this.#order++;
    this.#down(entity);
  }

  #renormalize(): void {
    const { minimum } = this;
    for (const entity of this.#heap) {
      entity.virtualTime -= minimum;
      entity.base += minimum;
    }
    this.queueBase += minimum;
    this.minimum = 0;
  }

  #up(entity: Entity): void {
    const heap = this.#heap;
    const { virtualTime, order } = entity;
    let { index } = entity;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const other = heap[above]!;
      if (other.virtualTime < virtualTime || (other.virtualTime === virtualTime && other.order < order)) break;
      heap[index] = other;
      other.index = index;
      index = above;
    }
    heap[index] = entity;
    entity.index = index;
  }

  #down(entity: Entity): void {
    const heap = this.#heap;
    const { length } = heap;
    const { virtualTime, order } = entity;
    let { index } = entity;
    for (;;) {
      let below = index * 2 + 1;
      if (below >= length) break;
      let other = heap[below]!;
      if (below + 1 < length) {
        const right = heap[below + 1]!;
        if (
          right.virtualTime < other.virtualTime ||
          (right.virtualTime === other.virtualTime && right.order < other.order)
        ) {
          other = right;
          below++;
        }
      }
      if (other.virtualTime > virtualTime || (other.virtualTime === virtualTime && other.order > order)) break;
      heap[index] = other;
      other.index = index;
      index = below;
    }
    heap[index] = entity;
    entity.index = index;
  }
}
