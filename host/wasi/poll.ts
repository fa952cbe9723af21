/** Waiting for clocks and descriptors (poll_oneoff). */

import type { Cancel, InputStream, OutputStream } from "../system.ts";
import { SystemError } from "../system.ts";
import { Errno, EVENT_BYTES, EventType, SUBSCRIPTION_BYTES } from "./abi.ts";
import { isClock, isKnownClock, readClock } from "./clock.ts";
import type { Answer, Completion, Guest, GuestMemory, WasiFunction } from "./define.ts";
import { checkRange, defineWaiting } from "./define.ts";
import type { WasiState } from "./state.ts";
import type { Call } from "./walk.ts";

/** As many as descriptors. */
const MAX_SUBSCRIPTIONS = 1_024;
/** Of reading one, looking whether it is ready, and telling so; and of each further look. */
const SUBSCRIPTION_FUEL = 20;
const ABSOLUTE_TIME = 1;
/** So many cost nothing; of more, what the host keeps of each while it waits is paid for. */
const FEW_SUBSCRIPTIONS = 16;
const SUBSCRIPTION_HOST_BYTES = 64;

// Where its parts lie.
const TYPE_AT = 8;
const SOURCE_AT = 16;
const TIME_AT = 24;
const FLAGS_AT = 40;
/** The end of time: later is never. */
const NEVER = 0xffff_ffff_ffff_ffffn;

interface Ready {
  readonly errno: Errno;
  readonly byteLength: number;
}

const NOW: Ready = { errno: Errno.Success, byteLength: 0 };
const BAD_DESCRIPTOR: Ready = { errno: Errno.Badf, byteLength: 0 };
const BAD_TYPE: Ready = { errno: Errno.Inval, byteLength: 0 };
const NO_CLOCK: Ready = { errno: Errno.Notsup, byteLength: 0 };

interface Event {
  readonly index: number;
  readonly ready: Ready;
}

/**
 * The subscriptions of one call: the guest's bytes, in which each time is a deadline. There may be a thousand of them, so nothing is made of
 * one before it is ready, and what is wrong with one is told as its event, without an error object.
 */
class Subscriptions {
  readonly length: number;
  readonly #state: WasiState;
  readonly #from: DataView;

  /** `resumed`: what remains of relative times, when a call is made again. */
  constructor(state: WasiState, bytes: Uint8Array, resumed: readonly bigint[] | null) {
    this.length = bytes.length / SUBSCRIPTION_BYTES;
    this.#state = state;
    this.#from = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let next = 0;
    for (let at = 0; at < bytes.length; at += SUBSCRIPTION_BYTES) {
      if (!this.#isRelative(at)) continue;
      const time = resumed?.[next++] ?? this.#from.getBigUint64(at + TIME_AT, true);
      const deadline = readClock(state.clock, this.#source(at)) + time;
      this.#from.setBigUint64(at + TIME_AT, deadline < NEVER ? deadline : NEVER, true);
    }
  }

  #type(at: number): number {
    return this.#from.getUint8(at + TYPE_AT);
  }

  /** Its clock or descriptor. */
  #source(at: number): number {
    return this.#from.getUint32(at + SOURCE_AT, true);
  }

  #isTimed(at: number): boolean {
    return this.#type(at) === EventType.Clock && isClock(this.#source(at));
  }

  /** Whether its time was given as relative. */
  #isRelative(at: number): boolean {
    return this.#isTimed(at) && (this.#from.getUint8(at + FLAGS_AT) & ABSOLUTE_TIME) === 0;
  }

  /** Nanoseconds until its deadline; less than 0 after it. */
  #remaining(at: number): bigint {
    return this.#from.getBigUint64(at + TIME_AT, true) - readClock(this.#state.clock, this.#source(at));
  }

  /** What remains of relative times. */
  remainingTimes(): bigint[] {
    const times: bigint[] = [];
    for (let at = 0; at < this.#from.byteLength; at += SUBSCRIPTION_BYTES) {
      if (!this.#isRelative(at)) continue;
      const remaining = this.#remaining(at);
      times.push(remaining > 0n ? remaining : 0n);
    }
    return times;
  }

  /** Null while there is reason to wait. Files count as being there, as errors do. */
  #ready(at: number): Ready | null {
    const type = this.#type(at);
    const source = this.#source(at);
    if (type === EventType.Clock) {
      if (!isClock(source)) return isKnownClock(source) ? NO_CLOCK : BAD_TYPE;
      return this.#remaining(at) <= 0n ? NOW : null;
    }
    if (type !== EventType.FdRead && type !== EventType.FdWrite) return BAD_TYPE;
    const descriptor = this.#state.descriptors.find(source);
    if (type === EventType.FdRead && descriptor?.kind === "input") {
      const { available } = descriptor.stream;
      return available === null ? null : { errno: Errno.Success, byteLength: available };
    }
    if (type === EventType.FdWrite && descriptor?.kind === "output") return descriptor.stream.isWritable ? NOW : null;
    return descriptor?.kind === "file" ? NOW : BAD_DESCRIPTOR;
  }

  readyEvents(): Event[] {
    const events: Event[] = [];
    for (let index = 0; index < this.length; index++) {
      const ready = this.#ready(index * SUBSCRIPTION_BYTES);
      if (ready !== null) events.push({ index, ready });
    }
    return events;
  }

  /** Arranges to be woken for the next look: by the first deadline, and by each stream once, however often it is named. */
  wait(wake: () => void): Cancel {
    let soonest: bigint | null = null;
    const streams = new Set<InputStream | OutputStream>();
    const cancels: Cancel[] = [];
    for (let at = 0; at < this.#from.byteLength; at += SUBSCRIPTION_BYTES) {
      if (this.#isTimed(at)) {
        const remaining = this.#remaining(at);
        if (soonest === null || remaining < soonest) soonest = remaining;
        continue;
      }
      const descriptor = this.#state.descriptors.find(this.#source(at));
      if (descriptor?.kind === "input" && !streams.has(descriptor.stream)) {
        streams.add(descriptor.stream);
        cancels.push(descriptor.stream.onReadable(wake));
      } else if (descriptor?.kind === "output" && !streams.has(descriptor.stream)) {
        streams.add(descriptor.stream);
        cancels.push(descriptor.stream.onWritable(wake));
      }
    }
    const { clock } = this.#state;
    // The real-time clock may jump; a look at it when the time should be over is all that is promised.
    if (soonest !== null) cancels.push(clock.wakeAt(clock.monotonic() + soonest, wake));
    return () => {
      for (const cancel of cancels) cancel();
    };
  }

  writeEvents(memory: GuestMemory, events: readonly Event[], address: number, count: number): Errno {
    const view = new DataView(new ArrayBuffer(events.length * EVENT_BYTES));
    for (const [i, { index, ready }] of events.entries()) {
      const from = index * SUBSCRIPTION_BYTES;
      const at = i * EVENT_BYTES;
      view.setBigUint64(at, this.#from.getBigUint64(from, true), true);
      view.setUint8(at + 8, ready.errno);
      view.setUint8(at + 10, this.#type(from));
      view.setBigUint64(at + 16, BigInt(ready.byteLength), true);
    }
    memory.write(address, new Uint8Array(view.buffer));
    memory.writeU32(count, events.length);
    return Errno.Success;
  }
}

async function waitForEvents(
  { state, guest }: Call,
  subscriptions: Subscriptions,
  address: number,
  count: number,
): Promise<Completion> {
  for (;;) {
    state.remainingTimes = () => subscriptions.remainingTimes();
    try {
      await state.wait((wake) => subscriptions.wait(wake));
    } finally {
      state.remainingTimes = null;
    }
    guest.chargeLate(subscriptions.length * SUBSCRIPTION_FUEL);
    const events = subscriptions.readyEvents();
    if (events.length > 0) return (memory) => subscriptions.writeEvents(memory, events, address, count);
  }
}

function poll(state: WasiState, guest: Guest, input: number, output: number, length: number, count: number): Answer {
  const { memory } = guest;
  if (length === 0 || length > MAX_SUBSCRIPTIONS) throw new SystemError("EINVAL");
  checkRange(memory, input, length * SUBSCRIPTION_BYTES);
  checkRange(memory, output, length * EVENT_BYTES);
  checkRange(memory, count, 4);
  guest.charge(length * SUBSCRIPTION_FUEL);
  const resumed = state.resumedTimes;
  state.resumedTimes = null;
  const subscriptions = new Subscriptions(state, memory.read(input, length * SUBSCRIPTION_BYTES), resumed);
  const events = subscriptions.readyEvents();
  if (events.length > 0) return subscriptions.writeEvents(memory, events, output, count);
  if (length <= FEW_SUBSCRIPTIONS) return waitForEvents({ state, guest }, subscriptions, output, count);
  const hostBytes = length * SUBSCRIPTION_HOST_BYTES;
  if (!state.reserveBytes(hostBytes)) throw new SystemError("ENOMEM");
  return waitForEvents({ state, guest }, subscriptions, output, count).finally(() => {
    state.releaseBytes(hostBytes);
  });
}

export const POLL_FUNCTIONS: Readonly<Record<string, WasiFunction>> = {
  poll_oneoff: defineWaiting(["i32", "i32", "i32", "i32"], poll),
};
