/**
 * What the embedder's callbacks throw: they are called inside turns of processes that are not to blame, and no turn may end by
 * it. It is thrown again outside of all turns, as platforms do with what event listeners throw.
 */

/** Calls `listener`, and goes on whatever it throws. */
export function tell<T>(listener: (value: T) => void, value: T): void {
  try {
    listener(value);
  } catch (error) {
    throwLater(error);
  }
}

/** Makes `error` an uncaught one of the program. */
export function throwLater(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

/** As {@link tell} for each event; only the first error is thrown again, since there may be one for each. */
export function tellingOnce<T>(listener: (value: T) => void): (value: T) => void {
  let hasThrown = false;
  return (value) => {
    try {
      listener(value);
    } catch (error) {
      if (!hasThrown) throwLater(error);
      hasThrown = true;
    }
  };
}
