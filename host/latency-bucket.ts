/**
 * The credit with which a task that wakes runs ahead of the queue: a small share of what everybody uses, so that whoever uses more
 * waits for its turn. Charges are about nanoseconds.
 */

import { DOUBLE_ZERO } from "../vm/internal.ts";

/** Shares of the charge that express turns may take, and how much credit is kept: of a task, of a group, of all. */
const TASK_RATE = 0.01;
const TASK_CREDIT = 5_000_000;
const GROUP_RATE = 0.05;
const GROUP_CREDIT = 10_000_000;
const TOTAL_RATE = 0.25;
const TOTAL_CREDIT = 20_000_000;
/** The most that one turn takes from a bucket: a host's pause must not cost a task seconds. */
const MAX_BUCKET_CHARGE = 400_000;

/** Credit that grows with what everybody uses. */
export class LatencyBucket {
  readonly #rate: number;
  readonly #limit: number;
  #credit = DOUBLE_ZERO;
  #seen: number;

  /** `total` is what everybody has used until now. */
  private constructor(rate: number, limit: number, total: number) {
    this.#rate = rate;
    this.#limit = limit;
    this.#seen = total;
  }

  static ofTask(total: number): LatencyBucket {
    return new LatencyBucket(TASK_RATE, TASK_CREDIT, total);
  }

  static ofGroup(total: number): LatencyBucket {
    return new LatencyBucket(GROUP_RATE, GROUP_CREDIT, total);
  }

  static ofAll(total: number): LatencyBucket {
    return new LatencyBucket(TOTAL_RATE, TOTAL_CREDIT, total);
  }

  hasCredit(total: number): boolean {
    const credit = this.#credit + (total - this.#seen) * this.#rate;
    this.#seen = total;
    this.#credit = credit > this.#limit ? this.#limit : credit;
    return this.#credit > 0;
  }

  take(charge: number): void {
    this.#credit -= Math.min(charge, MAX_BUCKET_CHARGE);
  }
}
