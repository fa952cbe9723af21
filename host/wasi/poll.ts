/** Waiting for clocks and descriptors (poll_oneoff). */

import type { Cancel, Clock } from "../system.ts";
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
const SUBSCRIPTION_HOST_BYTES = 512;

/** `ready` is null while there is reason to wait, and `wait` arranges to be woken for the next look. */
interface Subscription {
  readonly userdata: bigint;
  readonly type: number;
  /** Of one whose time was given as relative: nanoseconds until then. */
  remaining?(): bigint;
  ready(): Ready | null;
  wait(wake: () => void): Cancel;
}

interface Ready {
  readonly errno: Errno;
  readonly byteLength: number;
}

const NOW: Ready = { errno: Errno.Success, byteLength: 0 };
const BAD_DESCRIPTOR: Ready = { errno: Errno.Badf, byteLength: 0 };
const BAD_TYPE: Ready = { errno: Errno.Inval, byteLength: 0 };
const NO_CLOCK: Ready = { errno: Errno.Notsup, byteLength: 0 };
const NOTHING_TO_CANCEL: Cancel = () => {};

/** Always ready: errors, and files, whose data counts as being there. */
function settled(userdata: bigint, type: number, ready: Ready): Subscription {
  return { userdata, type, ready: () => ready, wait: () => NOTHING_TO_CANCEL };
}

function clockSubscription(
  clock: Clock,
  userdata: bigint,
  id: number,
  timeout: bigint,
  isAbsolute: boolean,
): Subscription {
  if (!isClock(id)) return settled(userdata, EventType.Clock, isKnownClock(id) ? NO_CLOCK : BAD_TYPE);
  const now = readClock(clock, id);
  const deadline = isAbsolute ? timeout : now + timeout;
  return {
    userdata,
    type: EventType.Clock,
    ...(isAbsolute ? {} : { remaining: () => positive(deadline - readClock(clock, id)) }),
    ready: () => (readClock(clock, id) >= deadline ? NOW : null),
    // The real-time clock may jump; a look at it when the time should be over is all that is promised.
    wait: (wake) => clock.wakeAt(clock.monotonic() + (deadline - readClock(clock, id)), wake),
  };
}

function descriptorSubscription(state: WasiState, userdata: bigint, type: number, fd: number): Subscription {
  const descriptor = state.descriptors.find(fd);
  if (type === EventType.FdRead && descriptor?.kind === "input") {
    const { stream } = descriptor;
    return {
      userdata,
      type,
      ready: () => (stream.available === null ? null : { errno: Errno.Success, byteLength: stream.available }),
      wait: (wake) => stream.onReadable(wake),
    };
  }
  if (type === EventType.FdWrite && descriptor?.kind === "output") {
    const { stream } = descriptor;
    return {
      userdata,
      type,
      ready: () => (stream.isWritable ? NOW : null),
      wait: (wake) => stream.onWritable(wake),
    };
  }
  return settled(userdata, type, descriptor?.kind === "file" ? NOW : BAD_DESCRIPTOR);
}

function positive(time: bigint): bigint {
  return time > 0n ? time : 0n;
}

/**
 * `resumed`: what remains of relative times, when a call is made again. What is wrong with one is told as its event: without an
 * error object, since there may be a thousand of them.
 */
function readSubscription(state: WasiState, from: DataView, at: number, resumed: bigint[] | null): Subscription {
  const userdata = from.getBigUint64(at, true);
  const type = from.getUint8(at + 8);
  if (type === EventType.Clock) {
    const id = from.getUint32(at + 16, true);
    const timeout = from.getBigUint64(at + 24, true);
    const isAbsolute = (from.getUint8(at + 40) & ABSOLUTE_TIME) !== 0;
    const time = isAbsolute ? timeout : (resumed?.shift() ?? timeout);
    return clockSubscription(state.clock, userdata, id, time, isAbsolute);
  }
  if (type !== EventType.FdRead && type !== EventType.FdWrite) return settled(userdata, type, BAD_TYPE);
  return descriptorSubscription(state, userdata, type, from.getUint32(at + 16, true));
}

interface Event {
  readonly subscription: Subscription;
  readonly ready: Ready;
}

function readyEvents(subscriptions: readonly Subscription[]): Event[] {
  const events: Event[] = [];
  for (const subscription of subscriptions) {
    const ready = subscription.ready();
    if (ready !== null) events.push({ subscription, ready });
  }
  return events;
}

function writeEvents(memory: GuestMemory, events: readonly Event[], address: number, count: number): Errno {
  const view = new DataView(new ArrayBuffer(events.length * EVENT_BYTES));
  for (const [i, { subscription, ready }] of events.entries()) {
    const at = i * EVENT_BYTES;
    view.setBigUint64(at, subscription.userdata, true);
    view.setUint8(at + 8, ready.errno);
    view.setUint8(at + 10, subscription.type);
    view.setBigUint64(at + 16, BigInt(ready.byteLength), true);
  }
  memory.write(address, new Uint8Array(view.buffer));
  memory.writeU32(count, events.length);
  return Errno.Success;
}

async function waitForEvents(
  { state, guest }: Call,
  subscriptions: readonly Subscription[],
  address: number,
  count: number,
): Promise<Completion> {
  for (;;) {
    state.remainingTimes = () =>
      subscriptions.flatMap((subscription) => (subscription.remaining === undefined ? [] : subscription.remaining()));
    try {
      await state.wait((wake) => {
        const cancels = subscriptions.map((subscription) => subscription.wait(wake));
        return () => {
          for (const cancel of cancels) cancel();
        };
      });
    } finally {
      state.remainingTimes = null;
    }
    guest.chargeLate(subscriptions.length * SUBSCRIPTION_FUEL);
    const events = readyEvents(subscriptions);
    if (events.length > 0) return (memory) => writeEvents(memory, events, address, count);
  }
}

function poll(state: WasiState, guest: Guest, input: number, output: number, length: number, count: number): Answer {
  const { memory } = guest;
  if (length === 0 || length > MAX_SUBSCRIPTIONS) throw new SystemError("EINVAL");
  checkRange(memory, input, length * SUBSCRIPTION_BYTES);
  checkRange(memory, output, length * EVENT_BYTES);
  checkRange(memory, count, 4);
  guest.charge(length * SUBSCRIPTION_FUEL);
  const subscriptions: Subscription[] = [];
  const resumed = state.resumedTimes === null ? null : [...state.resumedTimes];
  state.resumedTimes = null;
  const { buffer, byteOffset } = memory.read(input, length * SUBSCRIPTION_BYTES);
  const from = new DataView(buffer, byteOffset);
  for (let i = 0; i < length; i++) {
    subscriptions.push(readSubscription(state, from, i * SUBSCRIPTION_BYTES, resumed));
  }
  const events = readyEvents(subscriptions);
  if (events.length > 0) return writeEvents(memory, events, output, count);
  if (length <= FEW_SUBSCRIPTIONS) return waitForEvents({ state, guest }, subscriptions, output, count);
  if (!state.reserveBytes(length * SUBSCRIPTION_HOST_BYTES)) throw new SystemError("ENOMEM");
  return waitForEvents({ state, guest }, subscriptions, output, count).finally(() => {
    state.releaseBytes(length * SUBSCRIPTION_HOST_BYTES);
  });
}

export const POLL_FUNCTIONS: Readonly<Record<string, WasiFunction>> = {
  poll_oneoff: defineWaiting(["i32", "i32", "i32", "i32"], poll),
};
