/** What an `AbortSignal` ends: one listener for each signal, however many it is given to, since Node warns of more than ten. */

const waiting = new WeakMap<AbortSignal, Set<() => void>>();

/** Calls `stop` once when `signal` is aborted, if it is not yet, unless what is returned is called before. */
export function whenAborted(signal: AbortSignal, stop: () => void): () => void {
  let stops = waiting.get(signal);
  if (stops === undefined) {
    const all = new Set<() => void>();
    stops = all;
    waiting.set(signal, all);
    signal.addEventListener(
      "abort",
      () => {
        const stops = [...all];
        all.clear();
        for (const each of stops) tell(each);
      },
      { once: true },
    );
  }
  stops.add(stop);
  return () => stops.delete(stop);
}

/** What one of them throws is an uncaught error, and the others are told all the same, as if each had a listener. */
function tell(stop: () => void): void {
  try {
    stop();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/** Resolves when `ready` does, or early when the signal is aborted; the signal tells those who ask afterwards nothing. */
export async function unlessAborted(ready: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return ready;
  if (signal.aborted) return;
  let cancel = (): void => {};
  const aborted = new Promise<void>((resolve) => {
    cancel = whenAborted(signal, resolve);
  });
  try {
    await Promise.race([ready, aborted]);
  } finally {
    cancel();
  }
}

/** A reason as what can be thrown. */
export function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
