/** Every program of the campaign, by its name: a fresh process finds it again under the same one. */

import type { BeginOne } from "./crowd.ts";
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

/** Begins a run of a random program with references, or of a small one that is written by hand. */
export const beginOne: BeginOne = (instance, number) => {
  const name = instance.export("main") === undefined ? "f" : "main";
  const { params } = instance.exportedFunc(name).type;
  return instance.invoke(name, [2 + number, `text ${number}`].slice(0, params.length));
};

/** What runs side by side in one store. */
export function crowdedPrograms(seeds: readonly number[]): Program[] {
  const isWritten = ({ name }: Program): boolean => !name.endsWith("of the guests");
  return [...smallPrograms().filter(isWritten), ...seeds.map(randomReferences)];
}

export { packagedPrograms, randomNumbers, randomReferences, ruby, smallPrograms, wasiPrograms };
