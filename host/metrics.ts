/**
 * Counters, gauges and histograms by name: those that guests record through `lunatic::metrics`, and
 * the runtime's own. Names are data of a guest, so the number of series has a limit.
 */

export type MetricKind = "counter" | "gauge" | "histogram";

/** Upper bounds of a histogram's buckets; a last one without bound follows. */
export const HISTOGRAM_BOUNDS: readonly number[] = [
  0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 50, 100, 500, 1_000, 5_000, 10_000,
];

export interface Metric {
  readonly name: string;
  readonly kind: MetricKind;
  /** Of a counter or gauge. */
  readonly value: number;
  /** Of a histogram: samples up to each bound, and those above last; not cumulative. */
  readonly buckets: readonly number[];
  readonly bounds: readonly number[];
  readonly sum: number;
}

interface Series {
  readonly name: string;
  readonly kind: MetricKind;
  value: number;
  buckets: number[];
  sum: number;
}

/** Series that one group's guests may create. */
export const DEFAULT_MAX_SERIES = 1_000;

/** UTF-16 units of a name. */
const MAX_NAME_LENGTH = 256;
/** What a series costs besides its name, and a histogram's buckets. */
const SERIES_BYTES = 320;
const BUCKETS_BYTES = 48 + 8 * (HISTOGRAM_BOUNDS.length + 1);

/** Who pays for series. */
export interface SeriesPayer {
  /** Whether another series of so many bytes may be taken; if so, it is. */
  reserve(byteLength: number): boolean;
  release(byteLength: number, series: number): void;
}

/** One namespace of metrics. What comes after the limit, or is not paid for, is counted and dropped. */
export class Metrics {
  readonly #series = new Map<string, Series>();
  readonly #maxSeries: number;
  readonly #payer: SeriesPayer | null;
  #paidBytes = 0;
  #dropped = 0;

  constructor(maxSeries = DEFAULT_MAX_SERIES, payer: SeriesPayer | null = null) {
    this.#maxSeries = maxSeries;
    this.#payer = payer;
  }

  /** Samples that were refused: no place for a new name, or it is too long or of another kind. */
  get dropped(): number {
    return this.#dropped;
  }

  get size(): number {
    return this.#series.size;
  }

  /** Adds to a counter. */
  count(name: string, delta = 1): void {
    const series = this.#find(name, "counter");
    if (series !== null) series.value += delta;
  }

  setGauge(name: string, value: number): void {
    const series = this.#find(name, "gauge");
    if (series !== null) series.value = value;
  }

  addGauge(name: string, delta: number): void {
    const series = this.#find(name, "gauge");
    if (series !== null) series.value += delta;
  }

  /** Records one sample of a histogram. */
  sample(name: string, value: number): void {
    const series = this.#find(name, "histogram");
    if (series === null) return;
    const bucket = HISTOGRAM_BOUNDS.findIndex((bound) => value <= bound);
    series.buckets[bucket < 0 ? HISTOGRAM_BOUNDS.length : bucket]! += 1;
    series.sum += value;
  }

  /** A copy of everything, by name. */
  snapshot(): ReadonlyMap<string, Metric> {
    const entries = [...this.#series.values()].map((series): [string, Metric] => [
      series.name,
      { ...series, buckets: [...series.buckets], bounds: series.kind === "histogram" ? HISTOGRAM_BOUNDS : [] },
    ]);
    return new Map(entries);
  }

  /** Forgets everything and gives back what it cost. */
  dispose(): void {
    this.#payer?.release(this.#paidBytes, this.#series.size);
    this.#series.clear();
    this.#paidBytes = 0;
  }

  #find(name: string, kind: MetricKind): Series | null {
    const known = this.#series.get(name);
    if (known !== undefined && known.kind === kind) return known;
    if (known !== undefined || !this.#admits(name, kind)) {
      this.#dropped++;
      return null;
    }
    const buckets = kind === "histogram" ? new Array<number>(HISTOGRAM_BOUNDS.length + 1).fill(0) : [];
    const series = { name, kind, value: 0, buckets, sum: 0 };
    this.#series.set(name, series);
    return series;
  }

  /** Whether there is room for a new series; it is paid for then. */
  #admits(name: string, kind: MetricKind): boolean {
    if (this.#series.size >= this.#maxSeries || name.length > MAX_NAME_LENGTH) return false;
    const byteLength = SERIES_BYTES + 2 * name.length + (kind === "histogram" ? BUCKETS_BYTES : 0);
    if (this.#payer?.reserve(byteLength) === false) return false;
    this.#paidBytes += byteLength;
    return true;
  }
}
