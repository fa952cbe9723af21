/** Groups as the scheduler sees them: each competes with its siblings, and its members compete inside. */

import { LatencyBucket } from "./latency-bucket.ts";
import { DEFAULT_WEIGHT, Entity, Share } from "./run-queue.ts";
import type { Scheduler } from "./scheduler.ts";

export class GroupShare extends Share {
  readonly bucket: LatencyBucket;
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
      above === null ? LatencyBucket.ofAll(scheduler.totalCharge) : LatencyBucket.ofGroup(scheduler.totalCharge);
    this.members = new Share(this, DEFAULT_WEIGHT);
    this.#gone = new Gone(this, DEFAULT_WEIGHT);
    if (above === null) return;
    above.#gone.rebase();
    this.raise(above.#gone.virtualTime);
  }

  /** An express turn has cost so much: here and in all groups above. */
  takeCredit(charge: number): void {
    for (let group: GroupShare | null = this; group !== null; group = group.above) group.bucket.take(charge);
  }

  /** Its tasks have ended. What it used too much its successors begin with: making groups forgives nothing. */
  dispose(): void {
    const { above } = this;
    if (above === null) return;
    above.remove(this);
    this.rebase();
    above.#gone.raise(this.virtualTime);
  }
}

/** Stands for subgroups that are gone. Never runnable. */
class Gone extends Entity {}
