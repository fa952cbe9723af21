/** Services from what every platform has: clocks, randomness, no input, output to nowhere. */

import type { Services } from "./runtime-core.ts";
import type { Cancel, Clock, InputStream, OutputStream, Random } from "./system.ts";

const NS_PER_MS = 1_000_000;
const MAX_DELAY_MS = 0x7fff_ffff;

class GlobalClock implements Clock {
  readonly resolution = 1_000n;

  realtime(): bigint {
    return BigInt(Math.round((performance.timeOrigin + performance.now()) * 1_000)) * 1_000n;
  }

  monotonic(): bigint {
    return BigInt(Math.round(performance.now() * NS_PER_MS));
  }

  wakeAt(deadline: bigint, wake: () => void): Cancel {
    let timer: ReturnType<typeof setTimeout>;
    const arm = (): void => {
      const leftMs = Number(deadline - this.monotonic()) / NS_PER_MS;
      timer = setTimeout(fire, Math.min(MAX_DELAY_MS, Math.max(0, Math.ceil(leftMs))));
    };
    const fire = (): void => {
      if (this.monotonic() < deadline) arm();
      else wake();
    };
    arm();
    return () => clearTimeout(timer);
  }
}

const RANDOM: Random = {
  fill(bytes) {
    bytes.set(crypto.getRandomValues(new Uint8Array(bytes.length)));
  },
};

const NO_INPUT: InputStream = {
  isTerminal: false,
  available: 0,
  read: () => new Uint8Array(0),
  onReadable(wake) {
    const timer = setTimeout(wake);
    return () => clearTimeout(timer);
  },
};

const NO_OUTPUT: OutputStream = {
  isTerminal: false,
  isWritable: true,
  write: () => undefined,
  onWritable: NO_INPUT.onReadable,
};

export function defaultServices(): Services {
  return { clock: new GlobalClock(), random: RANDOM, stdin: NO_INPUT, stdout: NO_OUTPUT, stderr: NO_OUTPUT };
}
