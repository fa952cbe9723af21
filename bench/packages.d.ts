/** The parts of untyped packages that the benchmarks use. */

declare module "polywasm" {
  export const WebAssembly: {
    Module: new (bytes: Uint8Array) => object;
    Instance: new (module: object, imports: object) => { readonly exports: Record<string, unknown> };
  };
}

declare module "benchmark" {
  interface Options {
    /** Seconds that one sample takes at least, and all samples together at most. */
    minTime?: number;
    maxTime?: number;
    minSamples?: number;
    initCount?: number;
  }

  class Benchmark {
    constructor(name: string, run: () => void, options?: Options);
    run(): Benchmark;
    /** Seconds per run, one entry for each sample. */
    readonly stats: { readonly sample: readonly number[] };
    readonly error?: unknown;
  }

  // biome-ignore lint/style/noDefaultExport: the package's own shape
  export default Benchmark;
}
