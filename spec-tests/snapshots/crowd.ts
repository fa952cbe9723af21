/**
 * Several runs in one store, in two instances of a program, that take turns by chance: in slices and exact, beside
 * each other's waits, collections and exceptions. All of them are saved together, and go on together.
 */

import { type CompiledModule, type Instance, type Invocation, Store, type TurnOptions } from "../../vm/index.ts";
import { randomWords } from "../../vm/testing.ts";
import { compileCopy, errorText, type Program, stateOf, type World } from "./play.ts";

const RUNS = 4;
const MAX_TURN_FUEL = 40;
/** One in so many turns is followed by a snapshot. */
const SAVED_TURNS = 6;
const MAX_TURNS = 200_000;

interface Run {
  invocation: Invocation;
  hasEnded: boolean;
}

/** Told of each snapshot. */
type Saved = (bytes: Uint8Array) => void;

/** How one of the runs begins in an instance. */
export type BeginOne = (instance: Instance, number: number) => Invocation;

/** What differs between a crowd left alone and one that is saved, or null. For programs whose world answers at once. */
export function crowdDifference(program: Program, begin: BeginOne, seed: number, saved: Saved): string | null {
  const alone = new Crowd(program, begin).play(seed, null);
  const other = new Crowd(program, begin).play(seed, saved);
  const at = alone.findIndex((line, index) => line !== other[index]);
  if (at >= 0) return `turn ${at}: ${alone[at]} became ${other[at]}`;
  return alone.length === other.length ? null : `${alone.length} turns became ${other.length}`;
}

class Crowd {
  readonly #program: Program;
  readonly #world: World;
  #store: Store;
  readonly #runs: readonly Run[];

  constructor(program: Program, begin: BeginOne) {
    this.#program = program;
    this.#world = program.world();
    const [module] = compileCopy(program);
    const store = new Store({ engine: module!.engine });
    this.#store = store;
    const instances = [0, 1].map(() => store.instantiateSync(module!, this.#world.imports));
    this.#runs = Array.from({ length: RUNS }, (_, number) => {
      return { invocation: begin(instances[number % 2]!, number), hasEnded: false };
    });
  }

  /** What happens, turn by turn, in words, and in the end what the store holds. Without `saved` nothing is saved. */
  play(seed: number, saved: Saved | null): string[] {
    const random = randomWords(seed);
    const log: string[] = [];
    const modules = compileCopy(this.#program);
    for (let turn = 0; this.#runs.some(({ hasEnded }) => !hasEnded); turn++) {
      if (turn > MAX_TURNS) throw new Error("the runs do not end");
      const number = random() % RUNS;
      const options = { fuel: 1 + (random() % MAX_TURN_FUEL), exact: random() % 2 === 0 };
      const isSaved = random() % SAVED_TURNS === 0;
      const run = this.#runs[number]!;
      if (!run.hasEnded) {
        const what = this.#turn(run, options);
        // Code is lowered at different moments in different stores.
        if (what !== "preparing") log.push(`${number}: ${what}, fuel ${run.invocation.fuelUsed}`);
      }
      if (!isSaved || saved === null) continue;
      saved(this.#move(modules));
    }
    return [...log, stateOf(this.#store, this.#program)];
  }

  #turn(run: Run, options: TurnOptions): string {
    try {
      const outcome = run.invocation.run(options);
      if (outcome.kind === "yielded") return outcome.reason;
      if (outcome.kind === "waiting") {
        this.#world.answer?.(run.invocation, outcome);
        return outcome.reason;
      }
      run.hasEnded = true;
      return outcome.values.join();
    } catch (error) {
      run.hasEnded = true;
      return errorText(error);
    }
  }

  #move(modules: readonly CompiledModule[]): Uint8Array {
    const live = this.#runs.filter(({ hasEnded }) => !hasEnded);
    const bytes = this.#store.snapshot(live.map(({ invocation }) => invocation));
    const { store, invocations } = Store.restore(bytes, { ...this.#world, modules });
    this.#store = store;
    live.forEach((run, index) => {
      run.invocation = invocations[index]!;
    });
    return bytes;
  }
}
