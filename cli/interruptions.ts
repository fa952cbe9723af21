/** What ends a run from outside the guest: time, signals, a closed stdout, and that nothing can wake it any more. */

import { EXIT_FAILURE, EXIT_SIGINT, EXIT_SIGPIPE, EXIT_SIGTERM, EXIT_TIMEOUT, Interrupted } from "./exit.ts";
import { callAfter } from "./timers.ts";

/** How long an orderly end may take after a signal. */
const SIGNAL_GRACE_MS = 2_000;

export class Interruptions {
  readonly #abort = new AbortController();

  /** Aborted with an {@link Interrupted}. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  interrupt(reason: Interrupted["reason"], exitCode: number, message: string): void {
    this.#abort.abort(new Interrupted(reason, exitCode, message));
  }

  deadlock(): void {
    this.interrupt("deadlock", EXIT_FAILURE, "the program waits, and nothing can wake it");
  }

  /** Begins to listen. Returns what ends it. */
  listen(timeoutMs?: number): () => void {
    const onSignal = (signal: NodeJS.Signals) => {
      const exitCode = signal === "SIGINT" ? EXIT_SIGINT : EXIT_SIGTERM;
      if (this.signal.aborted) process.exit(exitCode);
      this.interrupt("signal", exitCode, `ended by ${signal}`);
      setTimeout(() => process.exit(exitCode), SIGNAL_GRACE_MS).unref();
    };
    const onOutputError = (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE") this.interrupt("closed", EXIT_SIGPIPE, "stdout was closed");
    };
    const onIdle = () => this.deadlock();
    const onTimeout = () => this.interrupt("timeout", EXIT_TIMEOUT, `ended after ${timeoutMs} ms`);
    const stopTimer = timeoutMs === undefined ? () => {} : callAfter(timeoutMs, onTimeout);
    process.on("SIGINT", onSignal).on("SIGTERM", onSignal).on("beforeExit", onIdle);
    process.stdout.on("error", onOutputError);
    return () => {
      stopTimer();
      process.off("SIGINT", onSignal).off("SIGTERM", onSignal).off("beforeExit", onIdle);
      process.stdout.off("error", onOutputError);
    };
  }
}
