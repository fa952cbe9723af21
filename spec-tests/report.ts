/** How results are shown: a table with a row per folder, then failures, then one last line. */

import { failureKey } from "./known-failures.ts";
import { type FileResult, RATIOS, type RatioName } from "./result.ts";

/** Sums of one row. */
export interface Totals {
  readonly folder: string;
  files: number;
  passed: number;
  failed: number;
  readonly ratios: Record<RatioName, { passed: number; total: number }>;
  pauses: number;
  snapshots: number;
  fuel: number;
  runs: number;
  seconds: number;
}

function emptyTotals(folder: string): Totals {
  const ratios = Object.fromEntries(RATIOS.map((name) => [name, { passed: 0, total: 0 }])) as Totals["ratios"];
  return {
    folder,
    files: 0,
    passed: 0,
    failed: 0,
    ratios,
    pauses: 0,
    snapshots: 0,
    fuel: 0,
    runs: 0,
    seconds: 0,
  };
}

function add(totals: Totals, result: FileResult): void {
  totals.files++;
  totals.passed += result.passed;
  totals.failed += result.failures.length;
  totals.pauses += result.pauses;
  totals.snapshots += result.snapshots;
  totals.fuel += result.fuel;
  totals.runs += result.runs;
  totals.seconds += result.seconds;
  for (const name of RATIOS) {
    totals.ratios[name].passed += result.ratios[name].passed;
    totals.ratios[name].total += result.ratios[name].total;
  }
}

export function totalsOf(name: string, results: readonly FileResult[]): Totals {
  const totals = emptyTotals(name);
  for (const result of results) add(totals, result);
  return totals;
}

/** One row per folder in the order of the run, and the sum. */
export function folderTotals(results: readonly FileResult[]): Totals[] {
  const folders = new Map<string, Totals>();
  for (const result of results) {
    const name = result.file.folder;
    const totals = folders.get(name) ?? emptyTotals(name);
    folders.set(name, totals);
    add(totals, result);
  }
  return [...folders.values(), totalsOf("all", results)];
}

const HEADINGS = [
  "folder",
  "files",
  "passed",
  "failed",
  "malformed",
  "invalid",
  "valid texts",
  "valid binaries",
  "pauses",
  "fuel",
  "seconds",
];

export function tableText(results: readonly FileResult[]): string {
  const rows = folderTotals(results).map((totals) => [
    totals.folder,
    String(totals.files),
    String(totals.passed),
    String(totals.failed),
    ...RATIOS.map((name) => `${totals.ratios[name].passed}/${totals.ratios[name].total}`),
    String(totals.pauses),
    String(totals.fuel),
    totals.seconds.toFixed(1),
  ]);
  return columns([HEADINGS, ...rows]);
}

/** Columns of equal width; the first is aligned to the left, the others to the right. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, index) => {
      widths[index] = Math.max(widths[index] ?? 0, cell.length);
    });
  }
  const line = (row: readonly string[]): string =>
    row
      .map((cell, index) => (index === 0 ? cell.padEnd(widths[index] ?? 0) : cell.padStart(widths[index] ?? 0)))
      .join("  ")
      .trimEnd();
  return rows.map(line).join("\n");
}

/** At most `limit` failures, one line each. */
export function failuresText(results: readonly FileResult[], limit: number): string {
  const lines = results.flatMap((result) =>
    result.failures.map((failure) => `${failureKey(result, failure)} ${failure.command}: ${failure.detail}`),
  );
  const more = lines.length > limit ? [`and ${lines.length - limit} more`] : [];
  return [...lines.slice(0, limit), ...more].join("\n");
}

/** What CI reads. No assertion is ever left out: what cannot be run fails. */
export function lastLine(results: readonly FileResult[]): string {
  const { passed, failed } = totalsOf("all", results);
  return `${passed} passed, ${failed} failed, 0 skipped`;
}

/** What a machine reads: everything the text shows, with every failure. */
export function resultsJson(mode: string, results: readonly FileResult[]): string {
  const folders = folderTotals(results);
  const files = results.map(({ file, trace: _, ...rest }) => ({ folder: file.folder, name: file.name, ...rest }));
  return `${JSON.stringify({ mode, folders, files }, null, 1)}\n`;
}
