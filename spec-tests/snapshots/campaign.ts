/**
 * The campaign: programs are played alone and saved, in slices and in exact mode; some of their snapshots go on in
 * other processes; some are forged. What differs is collected, and so is where programs were saved.
 */

import { randomWords } from "../../vm/testing.ts";
import type { Invocation, TurnOptions } from "../../vm/index.ts";
import { forged, tryForged } from "../../vm/snapshot/testing-forged.ts";
import { Census } from "./census.ts";
import { type BeginOne, crowdDifference } from "./crowd.ts";
import { type Parcel, playElsewhere, remainder } from "./fresh-process.ts";
import { compileCopy, difference, play, type Program } from "./play.ts";

/** To every safe point, and to every instruction. */
export const TURNS: readonly TurnOptions[] = [{ fuel: 1 }, { fuel: 1, exact: true }];

export interface Selection {
  /** `every`: at all pauses. A number: so often at each place. */
  readonly visits: "every" | number;
  /** Of the places one in so many, chosen by chance. */
  readonly oneIn?: number;
  /** How many snapshots of a program go on in another process, at most. */
  readonly parcels?: number;
  /** How many snapshots of a program are kept to be forged, at most. */
  readonly samples?: number;
  readonly turns?: readonly TurnOptions[];
}

/** What is kept of a program to be forged. */
interface Sample {
  readonly program: Program;
  readonly bytes: Uint8Array;
}

/** Snapshots of one process: a new one takes a quarter of a second. */
const PARCELS_PER_PROCESS = 200;
const RESTORES_PER_COPY = 1_000;

export class Campaign {
  readonly census = new Census();
  /** What differs, or has failed. */
  readonly failures: string[] = [];
  /** Why something was not saved, and how often. */
  readonly refusals = new Map<string, number>();
  programs = 0;
  elsewhere = 0;
  forgeries = { tried: 0, accepted: 0 };
  readonly #parcels: Parcel[] = [];
  readonly #samples: Sample[] = [];
  readonly #random = randomWords(7);

  /** Plays each program in each kind of turns. */
  async run(programs: readonly Program[], selection: Selection): Promise<void> {
    for (const program of programs) {
      this.programs++;
      for (const turn of selection.turns ?? TURNS) {
        try {
          await this.#play(program, turn, selection);
        } catch (error) {
          this.#failed(program, turn, error instanceof Error ? (error.stack ?? error.message) : String(error));
        }
      }
    }
  }

  /** Plays several runs of each program in one store. One snapshot of each is kept to be forged. */
  runCrowds(programs: readonly Program[], begin: BeginOne): void {
    programs.forEach((program, seed) => {
      this.programs++;
      let kept: Uint8Array | null = null;
      let count = 0;
      const found = crowdDifference(program, begin, seed, (bytes) => {
        count++;
        if (this.#random() % count === 0) kept = bytes;
      });
      this.census.snapshots += count;
      if (kept !== null) this.#samples.push({ program, bytes: kept });
      if (found !== null) this.failures.push(`a crowd of ${program.name}: ${found}`);
    });
  }

  #failed({ name }: Program, turn: TurnOptions, what: string): void {
    this.failures.push(`${name}, ${JSON.stringify(turn)}: ${what}`);
  }

  async #play(program: Program, turn: TurnOptions, selection: Selection): Promise<void> {
    const { visits, oneIn = 1, parcels = 0, samples = 0 } = selection;
    const alone = await play(program, turn, null);
    const taken: { readonly bytes: Uint8Array; readonly pauseLength: number }[] = [];
    const wanted = Math.max(program.isPortable ? parcels : 0, samples);
    let seen = 0;
    const saved = await play(program, turn, {
      chooses: (invocation) => {
        const isChosen =
          visits === "every" || (this.census.visit(invocation) <= visits && this.#random() % oneIn === 0);
        if (isChosen) this.census.count(invocation);
        return isChosen;
      },
      saved: (bytes, pauseLength) => {
        // Each of them has the same chance to be kept.
        const place = seen++ < wanted ? taken.length : this.#random() % seen;
        if (place < wanted) taken[place] = { bytes, pauseLength };
      },
      restoresPerCopy: RESTORES_PER_COPY,
      refused: (reason) => this.refused(reason),
    });
    const found = difference(alone, saved);
    if (found !== null) this.#failed(program, turn, found);
    for (const { bytes } of taken.slice(0, samples)) this.#samples.push({ program, bytes });
    if (!program.isPortable) return;
    for (const { bytes, pauseLength } of taken.slice(0, parcels)) {
      this.#parcels.push({ program: program.name, turn, bytes, expected: remainder(alone, pauseLength) });
    }
  }

  /** Something was not saved. */
  refused(reason: string): void {
    const kind = reason.replaceAll(/\d+/g, "…");
    this.refusals.set(kind, (this.refusals.get(kind) ?? 0) + 1);
  }

  /** Also for snapshots that others have taken: counts the place if it is new. */
  isNew(invocation: Invocation): boolean {
    return this.census.visit(invocation) === 1;
  }

  /** What was kept goes on in processes of its own. */
  goOnElsewhere(): void {
    while (this.#parcels.length > 0) {
      const batch = this.#parcels.splice(0, PARCELS_PER_PROCESS);
      this.elsewhere += batch.length;
      this.failures.push(...playElsewhere(batch).map((line) => `elsewhere: ${line}`));
    }
  }

  /** What was kept is forged, so many times in all. */
  forge(count: number): void {
    let modules: ReturnType<typeof compileCopy> = [];
    this.#samples.forEach(({ program, bytes }, index) => {
      if (this.#samples[index - 1]?.program !== program) modules = compileCopy(program);
      const share = Math.ceil((count - this.forgeries.tried) / (this.#samples.length - index));
      for (let left = share; left > 0; left--) {
        this.forgeries.tried++;
        try {
          if (tryForged(forged(bytes, this.#random), { ...program.world(), modules })) this.forgeries.accepted++;
        } catch (error) {
          const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
          this.failures.push(`${program.name}, forgery ${this.forgeries.tried}: ${what}`);
        }
      }
    });
  }
}
