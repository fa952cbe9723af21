/** Every program of the campaign, by its name: a fresh process finds it again under the same one. */

import type { Program } from "./play.ts";
import { randomNumbers } from "./random-numbers.ts";
import { randomReferences } from "./random-references.ts";
import { packagedPrograms, ruby, wasiPrograms } from "./real-programs.ts";
import { smallPrograms } from "./small-programs.ts";

const RANDOM: Readonly<Record<string, (seed: number) => Program>> = {
  "random numbers": randomNumbers,
  "random references": randomReferences,
};

let named: ReadonlyMap<string, Program> | null = null;

export function programNamed(name: string): Program {
  const random = /^(random \w+) (\d+)$/.exec(name);
  const make = random === null ? undefined : RANDOM[random[1] ?? ""];
  if (make !== undefined) return make(Number(random?.[2]));
  named ??= new Map([...smallPrograms(), ...wasiPrograms(), ...packagedPrograms()].map((each) => [each.name, each]));
  const program = named.get(name);
  if (program === undefined) throw new Error(`no program is named ${name}`);
  return program;
}

/** What is saved before every one of its instructions. The last ones of them run under WASI. */
export function exactPrograms(): Program[] {
  const commands = ["hello with WASI", "exit3 with WASI", "trap with WASI divide", "trap with WASI unreachable"];
  return [...smallPrograms(), ...wasiPrograms().filter(({ name }) => commands.includes(name))];
}

export { packagedPrograms, randomNumbers, randomReferences, ruby, smallPrograms, wasiPrograms };
