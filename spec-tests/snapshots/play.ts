/**
 * Plays a program twice: left alone, and saved and restored at chosen pauses, each time into a store of its own with
 * modules decoded and compiled anew. What happens at every pause, the results, the fuel and all that is left
 * in the store have to be the same.
 */

import { createHash } from "node:crypto";
import { Next } from "../../vm/execute/record.ts";
import {
  type CompiledModule,
  compileSync,
  Engine,
  GuestExit,
  GuestException,
  HeapObject,
  type Imports,
  type Invocation,
  type Outcome,
  type Proposal,
  SnapshotError,
  type SnapshotOptions,
  type RestoreOptions,
  Store,
  Termination,
  Trap,
  type TurnOptions,
} from "../../vm/index.ts";
import { standing } from "./census.ts";

/** What a program sees of the world, in one life. */
export interface World extends Omit<RestoreOptions, "modules" | "imports"> {
  readonly imports: Imports;
  /** Answers a run that waits. */
  readonly answer?: (invocation: Invocation, outcome: Outcome) => void;
  /** What it has done to the world. */
  readonly output?: () => unknown;
}

export interface Program {
  readonly name: string;
  readonly modules: readonly Uint8Array[];
  readonly proposals?: readonly Proposal[];
  readonly world: () => World;
  /** Begins a run in a store of its own. */
  readonly begin: (modules: readonly CompiledModule[], world: World) => Invocation;
  readonly save?: SnapshotOptions;
  /** The world remembers nothing, so that it goes on in another process. */
  readonly isPortable: boolean;
}

/** One life of a program. */
export interface Trace {
  /** Of each pause: fuel and place. */
  readonly pauses: readonly number[];
  readonly end: string;
  readonly fuelUsed: number;
  /** A hash of all that the store holds in the end. */
  readonly state: string;
  readonly output: unknown;
}

export interface Saving {
  /** Whether to save at this pause, before the run goes on. */
  readonly chooses: (invocation: Invocation, pause: number) => boolean;
  /** A snapshot was taken behind so many numbers of {@link Trace.pauses}. */
  readonly saved?: (bytes: Uint8Array, pauseLength: number) => void;
  /** How many restores share compiled modules. */
  readonly restoresPerCopy: number;
  readonly refused: (reason: string) => void;
}

const MAX_PAUSES = 4_000_000;

export function compileCopy({ modules, proposals }: Program): CompiledModule[] {
  const engine = new Engine(proposals === undefined ? {} : { proposals });
  return modules.map((bytes) => compileSync(bytes, { engine }));
}

/** A call of the host is about to be made, or to be answered. */
function isAtHost({ record }: Invocation): boolean {
  return record?.next === Next.Call || record?.next === Next.Answer;
}

/** Where it stands, in one number. */
function placeNumber(invocation: Invocation): number {
  const found = standing(invocation);
  return found === null ? -1 : found.funcIndex * 0x80_0000 + found.codePosition;
}

/** Runs a program from its beginning to its end. */
export function play(program: Program, turn: TurnOptions, saving: Saving | null): Promise<Trace> {
  const world = program.world();
  return goOn(program, program.begin(compileCopy(program), world), world, turn, saving);
}

/** Runs to its end what has begun or was restored. */
export async function goOn(
  program: Program,
  invocation: Invocation,
  world: World,
  turn: TurnOptions,
  saving: Saving | null,
): Promise<Trace> {
  const pauses: number[] = [];
  const restorer = saving && new Restorer(program, world, saving);
  let end: string;
  let isMoved = false;
  let count = 0;
  let turnBegan = invocation.fuelUsed;
  try {
    for (;;) {
      const outcome = invocation.run(restOf(turn, invocation.fuelUsed - turnBegan));
      if (outcome.kind === "returned") {
        end = outcome.values.map(valueText).join();
        break;
      }
      // Code is lowered at different moments in different stores: the turn goes on.
      if (outcome.kind === "yielded" && outcome.reason === "preparing") continue;
      turnBegan = outcome.fuelUsed;
      // A wait is no pause, nor is what comes before it: when an answer is there is the world's affair.
      if (outcome.kind === "yielded" && !isAtHost(invocation)) pauses.push(outcome.fuelUsed, placeNumber(invocation));
      if (count++ > MAX_PAUSES) throw new Error(`${program.name} does not end`);
      if (!isMoved) {
        const next = restorer?.move(invocation, count, pauses.length) ?? invocation;
        isMoved = next !== invocation && outcome.kind === "waiting";
        invocation = next;
        // It waits in the new store too, perhaps because it calls again.
        if (isMoved) continue;
      }
      isMoved = false;
      if (outcome.kind !== "waiting") continue;
      world.answer?.(invocation, outcome);
      if (outcome.reason === "hostCall" && outcome.ready !== null) await outcome.ready;
    }
  } catch (error) {
    end = errorText(error);
  }
  const { store, fuelUsed } = invocation;
  return { pauses, end, fuelUsed, state: stateOf(store, program), output: world.output?.() ?? null };
}

/** What is left of a turn that has used so much. */
function restOf(turn: TurnOptions, fuelUsed: number): TurnOptions {
  return turn.fuel === undefined || fuelUsed === 0 ? turn : { ...turn, fuel: Math.max(1, turn.fuel - fuelUsed) };
}

function valueText(value: unknown): string {
  return value instanceof HeapObject ? value.kind : String(value);
}

/** How a run has ended. Throws what is no end of a guest. */
export function errorText(error: unknown): string {
  if (error instanceof Trap || error instanceof Termination) {
    return `${error.message} ${error.backtrace.map(({ funcIndex, position }) => `${funcIndex}@${position}`).join(" ")}`;
  }
  if (error instanceof GuestException || error instanceof GuestExit) return error.message;
  throw error;
}

/** A hash of all that a store holds. */
export function stateOf(store: Store, { save }: Program): string {
  return createHash("sha1").update(store.snapshot([], save)).digest("base64");
}

/** Takes snapshots and goes on with them. */
class Restorer {
  readonly #program: Program;
  readonly #world: World;
  readonly #saving: Saving;
  #modules: readonly CompiledModule[] = [];
  #uses = 0;

  constructor(program: Program, world: World, saving: Saving) {
    this.#program = program;
    this.#world = world;
    this.#saving = saving;
    this.#uses = saving.restoresPerCopy;
  }

  /** The invocation that goes on: another one, or the same if it is not the time or something stands in the way. */
  move(invocation: Invocation, pause: number, pauseLength: number): Invocation {
    if (!this.#saving.chooses(invocation, pause)) return invocation;
    let bytes: Uint8Array;
    try {
      bytes = invocation.store.snapshot([invocation], this.#program.save);
    } catch (error) {
      if (!(error instanceof SnapshotError && error.kind === "unsavable")) throw error;
      this.#saving.refused(error.message);
      return invocation;
    }
    this.#saving.saved?.(bytes, pauseLength);
    if (this.#uses++ >= this.#saving.restoresPerCopy) {
      this.#uses = 1;
      this.#modules = compileCopy(this.#program);
    }
    return Store.restore(bytes, { ...this.#world, modules: this.#modules }).invocations[0]!;
  }
}

/** What differs between two lives, in words; null if nothing does. */
export function difference(alone: Trace, saved: Trace): string | null {
  const length = Math.max(alone.pauses.length, saved.pauses.length);
  for (let i = 0; i < length; i++) {
    if (alone.pauses[i] !== saved.pauses[i]) {
      const what = i % 2 === 0 ? "fuel" : "place";
      return `pause ${i >> 1}: ${what} ${alone.pauses[i]} became ${saved.pauses[i]}`;
    }
  }
  for (const key of ["end", "fuelUsed", "state"] as const) {
    if (alone[key] !== saved[key]) return `${key} ${alone[key]} became ${saved[key]}`;
  }
  const [one, other] = [alone, saved].map(({ output }) => JSON.stringify(output));
  return one === other ? null : `output ${one} became ${other}`;
}
