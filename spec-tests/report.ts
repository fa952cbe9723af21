/** How results are shown: a table with a row per folder, then failures and skips, then one last line. */

import { failureKey } from "./known-failures.ts";
import { type FileResult, RATIOS, type RatioName } from "./result.ts";

/** Sums of one row. */
export interface Totals {
  readonly folder: string;
  files: number;
  passed: number;
  failed: number;
  skipped: number;
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
    skipped: 0,
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
  totals.skipped += result.skips.length;
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
  "skipped",
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
    String(totals.skipped),
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

/** Skips by what they need, with the number of assertions of every script: nothing is left out in silence. */
export function skipsText(results: readonly FileResult[]): string {
  const byNeed = new Map<string, { count: number; files: Map<string, number>; details: Set<string> }>();
  for (const { file, skips } of results) {
    for (const { detail } of skips) {
      // "not supported yet: SIMD, v128.load" is one of the group "not supported yet: SIMD".
      const [need = detail, ...rest] = detail.split(", ");
      const group = byNeed.get(need) ?? { count: 0, files: new Map(), details: new Set() };
      byNeed.set(need, group);
      group.count++;
      group.files.set(file.name, (group.files.get(file.name) ?? 0) + 1);
      if (rest.length > 0) group.details.add(rest.join(", "));
    }
  }
  const words = (list: Iterable<string>): string => wrap([...list].toSorted(), 116);
  return [...byNeed]
    .toSorted(([, one], [, other]) => other.count - one.count)
    .map(([need, { count, files, details }]) => {
      const scripts = words([...files].map(([name, skipped]) => `${name} ${skipped}`));
      return `skipped ${count}: ${need} (${[...details].toSorted().slice(0, 8).join(", ")}${details.size > 8 ? ", …" : ""})\n${scripts}`;
    })
    .join("\n");
}

/** The words with commas between them, in indented lines of at most `width` characters where the words allow it. */
function wrap(words: readonly string[], width: number): string {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length + 2 <= width) lines[lines.length - 1] = `${last}, ${word}`;
    else lines.push(word);
  }
  return lines.map((line) => `  ${line}`).join("\n");
}

/** At most `limit` failures, one line each. */
export function failuresText(results: readonly FileResult[], limit: number): string {
  const lines = results.flatMap((result) =>
    result.failures.map((failure) => `${failureKey(result, failure)} ${failure.command}: ${failure.detail}`),
  );
  const more = lines.length > limit ? [`and ${lines.length - limit} more`] : [];
  return [...lines.slice(0, limit), ...more].join("\n");
}

export function lastLine(results: readonly FileResult[]): string {
  const { passed, failed, skipped } = totalsOf("all", results);
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

/** What a machine reads: everything the text shows, with every failure and skip. */
export function resultsJson(mode: string, results: readonly FileResult[]): string {
  const folders = folderTotals(results);
  const files = results.map(({ file, trace: _, ...rest }) => ({ folder: file.folder, name: file.name, ...rest }));
  return `${JSON.stringify({ mode, folders, files }, null, 1)}\n`;
}
