/**
 * Reports beside a table that is drawn in place and would wipe them: they are kept until it is drawn for the last time,
 * the latest of them.
 */

import { counted } from "../report.ts";

const MAX_REPORTS = 100;

export class LateReports {
  #reports: string[] = [];
  #omitted = 0;

  /** The last line that says what happened; "" for none. */
  get latest(): string {
    return this.#reports.at(-1)?.split("\n", 1)[0] ?? "";
  }

  add(text: string): void {
    this.#reports.push(text);
    if (this.#reports.length <= MAX_REPORTS) return;
    this.#reports.shift();
    this.#omitted++;
  }

  /** Writes what is kept, and keeps it no longer. */
  flush(write: (text: string) => void): void {
    if (this.#omitted > 0) write(`perilune: ${counted(this.#omitted, "earlier report")} left out`);
    for (const text of this.#reports) write(text);
    this.#reports = [];
    this.#omitted = 0;
  }
}
