/** What the fairness figures are made of. */

import { percentile } from "../harness.ts";

/** Jain's index: 1 when all have the same, 1/n when one has everything. */
export function jain(shares: readonly number[]): number {
  let sum = 0;
  let squares = 0;
  for (const share of shares) {
    sum += share;
    squares += share * share;
  }
  return squares === 0 ? Number.NaN : (sum * sum) / (shares.length * squares);
}

export interface Distribution {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

export function distribution(samples: Iterable<number>): Distribution {
  const sorted = Float64Array.from(samples).sort();
  const at = (share: number) => percentile(sorted as unknown as readonly number[], share);
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), p999: at(0.999), max: at(1) };
}
