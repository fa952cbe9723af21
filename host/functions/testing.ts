/**
 * For tests of host functions: guests written as the calls they make, and the register of which
 * test stands for which cell of the table.
 */

import type { HostFunction } from "./define.ts";
import { cellsOf } from "./cells.ts";
import { HOST_FUNCTIONS } from "./functions.ts";

/** Functions of the test itself that a guest may call: they record what they are given. */
const RECORDERS: Readonly<Record<string, string>> = {
  "test::i32": "(param i32)",
  "test::i64": "(param i64)",
  "test::bytes": "(param i32 i32)",
};

/**
 * A module text around `body`: whatever function it calls as `$message::send` is imported from
 * `lunatic::message`, `$perilune::registry::lookup` from there, `$test::i32` and its like record
 * their argument. A second function of the same name is `$message::send_receive_skip_search#1`.
 */
export function guestText(body: string): string {
  const names = new Set([...body.matchAll(/\$((?:\w+::)+\w+(?:#\d)?)/g)].map((match) => match[1]!));
  const imports = [...names].map((name) => {
    const id = `$${name}`;
    const recorder = RECORDERS[name];
    if (recorder !== undefined) return importText("test", name.slice("test::".length), id, recorder);
    const fn = functionNamed(name);
    const params = fn.params.length === 0 ? "" : `(param ${fn.params.join(" ")})`;
    const results = fn.results.length === 0 ? "" : `(result ${fn.results.join(" ")})`;
    return importText(fn.namespace, fn.name, id, `${params} ${results}`);
  });
  return `(module ${imports.join("\n")} ${body})`;
}

function importText(namespace: string, name: string, id: string, type: string): string {
  return `(import "${namespace}" "${name}" (func ${id} ${type}))`;
}

/** "message::send", with "#1" for the second of that name. */
export function functionNamed(name: string): HostFunction {
  const [plain = "", index = "0"] = name.split("#");
  const fullName = plain.startsWith("perilune::") ? plain : `lunatic::${plain}`;
  const fn = HOST_FUNCTIONS.filter((candidate) => candidate.fullName === fullName)[Number(index)];
  if (fn === undefined) throw new Error(`no function ${name}`);
  return fn;
}

/** Titles of tests, by function and cell. */
const tested = new Map<HostFunction, Map<string, string>>();

export function testOf(fn: HostFunction, cell: string): string | undefined {
  return tested.get(fn)?.get(cell);
}

type Test = () => Promise<void> | void;

/** Tests of the cells of one function: "bad pointer: traps" stands for the cell before the colon. */
export function cells(name: string, tests: Readonly<Record<string, Test>>): void {
  const fn = functionNamed(name);
  const expected = cellsOf(fn);
  const titles = tested.get(fn) ?? new Map<string, string>();
  tested.set(fn, titles);
  describe(`${fn.fullName}${name.includes("#") ? ` (${fn.params.join(" ")})` : ""}`, () => {
    for (const [title, test] of Object.entries(tests)) {
      const cell = expected.findLast((candidate) => title.startsWith(`${candidate}: `));
      if (cell !== undefined && !titles.has(cell)) titles.set(cell, title);
      it(title, test);
    }
  });
}
