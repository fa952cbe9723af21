/**
 * Which exports are tests and which of them run: `#lunatic_test_`, then `#ignore_` and
 * `#panic_<text>#` where they apply, then the name. A `#` inside the text is written `\#`.
 */

const PREFIX = "#lunatic_test_";
const IGNORE = "#ignore_";
const PANIC = "#panic_";

export interface TestCase {
  readonly exportName: string;
  readonly name: string;
  readonly isIgnored: boolean;
  /** What the panic it should end with contains; empty for any panic, null for none. */
  readonly panic: string | null;
}

/** Null for an export that is no test. */
export function testCase(exportName: string): TestCase | null {
  if (!exportName.startsWith(PREFIX)) return null;
  let rest = exportName.slice(PREFIX.length);
  const isIgnored = rest.startsWith(IGNORE);
  if (isIgnored) rest = rest.slice(IGNORE.length);
  if (!rest.startsWith(PANIC)) return { exportName, name: rest, isIgnored, panic: null };
  rest = rest.slice(PANIC.length);
  let end = rest.indexOf("#");
  while (end > 0 && rest[end - 1] === "\\") end = rest.indexOf("#", end + 1);
  if (end < 0) return { exportName, name: rest, isIgnored, panic: "" };
  return { exportName, name: rest.slice(end + 1), isIgnored, panic: rest.slice(0, end).replaceAll("\\#", "#") };
}

export interface Selection {
  /** Part of the name, or all of it if `exact`. */
  readonly filter: string | null;
  readonly exact: boolean;
  /** Names with one of these in them (or that are one of these, if `exact`) are left out. */
  readonly skip: readonly string[];
  /** Only the ignored ones. */
  readonly ignored: boolean;
  readonly includeIgnored: boolean;
}

export interface Selected {
  /** In the order of the exports, those that are only reported as ignored among them. */
  readonly tests: readonly { readonly test: TestCase; readonly runs: boolean }[];
  readonly filteredOut: number;
}

export function select(
  cases: readonly TestCase[],
  { filter, exact, skip, ignored, includeIgnored }: Selection,
): Selected {
  const matches = (name: string, text: string): boolean => (exact ? name === text : name.includes(text));
  const isWanted = ({ name, isIgnored }: TestCase): boolean => {
    if (ignored && !isIgnored) return false;
    if (filter === null ? exact && name !== "" : !matches(name, filter)) return false;
    return !skip.some((text) => matches(name, text));
  };
  const wanted = cases.filter(isWanted);
  const tests = wanted.map((test) => ({ test, runs: ignored || includeIgnored || !test.isIgnored }));
  return { tests, filteredOut: cases.length - wanted.length };
}
