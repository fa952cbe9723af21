/** Time, randomness and turns of the event loop, as Node has them. */

import { PlatformRandom } from "../platform-random.ts";
import type { Cancel, Clock, EventLoop } from "../system.ts";

/** The longest delay of a Node timer; a longer one would fire at once. */
const MAX_DELAY_MS = 0x7fff_ffff;
const NS_PER_MS = 1_000_000n;
/** A wall clock further off than this has been set. */
const JUMP_NS = 5n * NS_PER_MS;

export class NodeClock implements Clock {
  readonly resolution = 1n;
  /** What to add to the monotonic clock, which is finer than the wall clock's milliseconds. */
  #offset = 0n;

  realtime(): bigint {
    const monotonic = process.hrtime.bigint();
    const wall = BigInt(Date.now()) * NS_PER_MS;
    const ahead = monotonic + this.#offset - wall;
    if (ahead > JUMP_NS || ahead < -JUMP_NS) this.#offset = wall - monotonic;
    return monotonic + this.#offset;
  }

  monotonic(): bigint {
    return process.hrtime.bigint();
  }

  wakeAt(deadline: bigint, wake: () => void): Cancel {
    let timer: NodeJS.Timeout;
    const arm = () => {
      const left = (deadline - this.monotonic() + NS_PER_MS - 1n) / NS_PER_MS;
      timer = setTimeout(fire, left > MAX_DELAY_MS ? MAX_DELAY_MS : Math.max(0, Number(left)));
    };
    const fire = () => {
      // Node's timers count from the time of the loop's turn and may be early.
      if (this.monotonic() < deadline) arm();
      else wake();
    };
    arm();
    return () => clearTimeout(timer);
  }
}

export class NodeRandom extends PlatformRandom {}

export const NODE_EVENT_LOOP: EventLoop = {
  nextTurn: () => new Promise((resolve) => setImmediate(resolve)),
};
