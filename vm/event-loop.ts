/** The event loop's turn: how long work of the engine lets timers and I/O run in between. */

/** Lets timers and I/O run, by the quickest means the host has. */
export const eventLoopTurn: () => Promise<void> =
  typeof setImmediate === "function"
    ? () => new Promise((resolve) => setImmediate(resolve))
    : () =>
        new Promise((resolve) => {
          const { port1, port2 } = new MessageChannel();
          port1.addEventListener("message", () => {
            port1.close();
            resolve();
          });
          port1.start();
          port2.postMessage(null);
        });
