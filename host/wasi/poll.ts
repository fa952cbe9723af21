/** Waiting for clocks and descriptors (poll_oneoff). */

import type { Cancel, Clock } from "../system.ts";
import { SystemError } from "../system.ts";
import { Errno, errnoOf, EVENT_BYTES, EventType, SUBSCRIPTION_BYTES } from "./abi.ts";
import { readClock } from "./clock.ts";
import type { Answer, Completion, Guest, GuestMemory, WasiFunction } from "./define.ts";
import { checkRange, defineWaiting } from "./define.ts";
import type { WasiState } from "./state.ts";

const MAX_SUBSCRIPTIONS = 4_096;
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
  const descriptor = state.descriptors.get(fd);
  if (type === EventType.FdRead && descriptor.kind === "input") {
    const { stream } = descriptor;
    return {
      userdata,
      type,
      ready: () => (stream.available === null ? null : { errno: Errno.Success, byteLength: stream.available }),
      wait: (wake) => stream.onReadable(wake),
    };
  }
  if (type === EventType.FdWrite && descriptor.kind === "output") {
    const { stream } = descriptor;
    return {
      userdata,
      type,
      ready: () => (stream.isWritable ? NOW : null),
      wait: (wake) => stream.onWritable(wake),
    };
  }
  if (descriptor.kind !== "file") throw new SystemError("EBADF");
  return settled(userdata, type, NOW);
}

function positive(time: bigint): bigint {
  return time > 0n ? time : 0n;
}

/** `resumed`: what remains of relative times, when a call is made again. */
function readSubscription(
  state: WasiState,
  memory: GuestMemory,
  address: number,
  resumed: bigint[] | null,
): Subscription {
  const userdata = memory.readU64(address);
  const type = memory.readU8(address + 8);
  try {
    if (type === EventType.Clock) {
      const id = memory.readU32(address + 16);
      const timeout = memory.readU64(address + 24);
      const isAbsolute = (memory.readU8(address + 40) & ABSOLUTE_TIME) !== 0;
      const time = isAbsolute ? timeout : (resumed?.shift() ?? timeout);
      return clockSubscription(state.clock, userdata, id, time, isAbsolute);
    }
    if (type !== EventType.FdRead && type !== EventType.FdWrite) throw new SystemError("EINVAL");
    return descriptorSubscription(state, userdata, type, memory.readU32(address + 16));
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === null) throw error;
    return settled(userdata, type, { errno, byteLength: 0 });
  }
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
  events.forEach(({ subscription, ready }, i) => {
    const at = address + i * EVENT_BYTES;
    memory.write(at, new Uint8Array(EVENT_BYTES));
    memory.writeU64(at, subscription.userdata);
    memory.writeU8(at + 8, ready.errno);
    memory.writeU8(at + 10, subscription.type);
    memory.writeU64(at + 16, BigInt(ready.byteLength));
  });
  memory.writeU32(count, events.length);
  return Errno.Success;
}

async function waitForEvents(
  state: WasiState,
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
  guest.charge(length * 4);
  const subscriptions: Subscription[] = [];
  const resumed = state.resumedTimes === null ? null : [...state.resumedTimes];
  state.resumedTimes = null;
  for (let i = 0; i < length; i++) {
    subscriptions.push(readSubscription(state, memory, input + i * SUBSCRIPTION_BYTES, resumed));
  }
  const events = readyEvents(subscriptions);
  if (events.length > 0) return writeEvents(memory, events, output, count);
  if (length <= FEW_SUBSCRIPTIONS) return waitForEvents(state, subscriptions, output, count);
  if (!state.reserveBytes(length * SUBSCRIPTION_HOST_BYTES)) throw new SystemError("ENOMEM");
  return waitForEvents(state, subscriptions, output, count).finally(() => {
    state.releaseBytes(length * SUBSCRIPTION_HOST_BYTES);
  });
}

export const POLL_FUNCTIONS: Readonly<Record<string, WasiFunction>> = {
  poll_oneoff: defineWaiting(["i32", "i32", "i32", "i32"], poll),
};
