/** Timers of the command: they do not keep it alive, and none is too long for Node's, which end at once from 2^31 ms on. */

/** The longest delay of a Node timer. */
const MAX_DELAY_MS = 0x7fff_ffff;

/** Returns how to give it up. */
export function callAfter(delayMs: number, call: () => void): () => void {
  const deadlineMs = performance.now() + delayMs;
  let timer: NodeJS.Timeout;
  const arm = (): void => {
    const leftMs = Math.max(0, deadlineMs - performance.now());
    timer = (leftMs > MAX_DELAY_MS ? setTimeout(arm, MAX_DELAY_MS) : setTimeout(call, leftMs)).unref();
  };
  arm();
  return () => clearTimeout(timer);
}

/** Returns how to end it. */
export function callEvery(intervalMs: number, call: () => void): () => void {
  let stop: () => void;
  const arm = (): void => {
    stop = callAfter(intervalMs, () => {
      arm();
      call();
    });
  };
  arm();
  return () => stop();
}

/** Keeps the command alive while nothing can wake anyone. Returns how to end that. */
export function keepAlive(): () => void {
  const timer = setInterval(() => {}, MAX_DELAY_MS);
  return () => clearInterval(timer);
}
