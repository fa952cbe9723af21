import { expect } from "chai";
import { unlessAborted, whenAborted } from "./abort.ts";

/** Counts listeners as the platform sees them. */
class CountingSignal extends EventTarget {
  aborted = false;
  readonly reason = new Error("enough");
  listeners = 0;

  override addEventListener(...args: Parameters<EventTarget["addEventListener"]>): void {
    this.listeners++;
    super.addEventListener(...args);
  }

  abort(): void {
    this.aborted = true;
    this.dispatchEvent(new Event("abort"));
  }
}

describe("whenAborted", () => {
  it("has one listener for a signal, and tells each of those who wait once", () => {
    const source = new CountingSignal();
    const signal = source as unknown as AbortSignal;
    const told: number[] = [];
    const cancels = Array.from({ length: 1_000 }, (_, i) => whenAborted(signal, () => told.push(i)));
    for (const cancel of cancels.slice(10)) cancel();
    source.abort();
    source.abort();
    expect(told).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(source.listeners).to.equal(1);
  });

  it("tells the others when one of them throws", async () => {
    const control = new AbortController();
    const told: number[] = [];
    const uncaught: unknown[] = [];
    const listeners = process.rawListeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.once("uncaughtException", (error) => uncaught.push(error.message));
    try {
      whenAborted(control.signal, () => {
        throw new Error("boom");
      });
      whenAborted(control.signal, () => told.push(1));
      control.abort();
      await new Promise((resolve) => setTimeout(resolve, 1));
    } finally {
      for (const listener of listeners) process.on("uncaughtException", listener as (error: Error) => void);
    }
    expect([told, uncaught]).to.deep.equal([[1], ["boom"]]);
  });

  it("ends a wait early, and lets its failure through", async () => {
    const control = new AbortController();
    const waits = unlessAborted(new Promise(() => {}), control.signal);
    control.abort();
    await waits;
    await unlessAborted(new Promise(() => {}), control.signal);
    const failure = await unlessAborted(Promise.reject(new Error("lost")), new AbortController().signal).catch(String);
    expect(failure).to.equal("Error: lost");
  });
});
