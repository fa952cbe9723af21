/** When the hot loop is trained (training.ts): once the guests of the isolate have used enough fuel, a step at the end of each turn. */

import { COLD_FUEL, TRAINING_FUEL } from "../limits.ts";
import { setActive } from "./run-state.ts";
import { hasWarmedUp, trainingSteps } from "./training.ts";

/** Fuel that guests of this isolate may still use before the hot loop is trained; infinite afterwards. */
let untrainedFuel = TRAINING_FUEL;

/** The training that is under way: a step at the end of each turn, since all at once would hold up everybody for tens of milliseconds. */
let training: Iterator<void> | null = null;

/** Fuel until V8 has, by and large, optimised the loop for what the training has shown it. */
let coldFuel = 0;

/** Whether the hot loop is slow at present, since V8 has to optimise it anew: turns should be short. */
export function isLoopCold(): boolean {
  return coldFuel > 0;
}

/** What of so much fuel lies beyond the moment of the training. */
export function fuelBeyondTraining(fuel: number): number {
  return Math.max(0, fuel - untrainedFuel) | 0;
}

/** Counts what a turn has used, and trains the loop if that is due. */
export function countFuel(used: number): void {
  untrainedFuel -= Math.max(0, used);
  if (coldFuel > 0) coldFuel -= used;
  if (untrainedFuel <= 0 || training !== null) trainLoop();
}

/** Begins the training, or does a step of it. */
export function trainLoop(): void {
  if (training === null && hasWarmedUp()) {
    untrainedFuel = Number.POSITIVE_INFINITY;
    return;
  }
  const steps = training ?? trainingSteps();
  coldFuel = COLD_FUEL;
  // The guests of the training come here too.
  untrainedFuel = Number.POSITIVE_INFINITY;
  training = null;
  // It instantiates modules, which no guest pays for.
  const running = setActive(null);
  try {
    if (steps.next().done !== true) training = steps;
  } finally {
    setActive(running);
  }
}
