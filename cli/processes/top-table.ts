/** The table of `perilune top`: who is there, in which state, and who got how much of the time since the last table. */

import { field } from "../report.ts";

export interface ProcessRow {
  readonly pid: number;
  /** Registered names, or what it runs. */
  readonly name: string;
  readonly state: string;
  /** Messages that wait. */
  readonly mailbox: number;
  readonly memoryBytes: number;
  /** Used since it began. */
  readonly fuel: number;
}

const HEADER = ["PID", "NAME", "STATE", "MAILBOX", "MEMORY", "FUEL", "SHARE"];
const NAME_CHARS = 32;
const UNITS = ["B", "K", "M", "G"];

/** 0 to 9999 with a unit: "812B", "64K", "1.5M". */
export function bytesText(bytes: number): string {
  let unit = 0;
  let value = bytes;
  while (value >= 1_000 && unit < UNITS.length - 1) {
    value /= 1_024;
    unit++;
  }
  return `${unit === 0 || value >= 10 ? Math.round(value) : value.toFixed(1)}${UNITS[unit]}`;
}

export class TopTable {
  #before = new Map<number, number>();
  readonly #maxRows: number;

  constructor(maxRows: number) {
    this.#maxRows = maxRows;
  }

  /** Those that used most first. The share is of the fuel since the last call. */
  lines(rows: readonly ProcessRow[]): string[] {
    const used = rows.map((row) => ({ row, used: Math.max(0, row.fuel - (this.#before.get(row.pid) ?? 0)) }));
    this.#before = new Map(rows.map(({ pid, fuel }) => [pid, fuel]));
    const total = used.reduce((sum, each) => sum + each.used, 0);
    const shown = used.sort((a, b) => b.used - a.used || a.row.pid - b.row.pid).slice(0, this.#maxRows);
    const cells = shown.map(({ row, used }) => [
      String(row.pid),
      field(row.name, NAME_CHARS),
      row.state,
      String(row.mailbox),
      bytesText(row.memoryBytes),
      // A process that had no turn has -0.
      Math.max(0, row.fuel).toLocaleString("en"),
      total === 0 ? "-" : `${((used / total) * 100).toFixed(1)}%`,
    ]);
    const lines = aligned([HEADER, ...cells]);
    if (rows.length > shown.length) lines.push(`… and ${rows.length - shown.length} more`);
    return lines;
  }
}

/** Numbers to the right, names and states to the left. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = HEADER.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, column) =>
        column === 1 || column === 2 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!),
      )
      .join("  ")
      .trimEnd(),
  );
}
