/** The kernels of the benchmark: guests/c/*.c, how much work one run does, and the checksum it must give. */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export interface Kernel {
  readonly name: string;
  /** What dominates it. */
  readonly about: string;
  /** Units of work of one run: 4 to 11 million instructions. */
  readonly n: number;
  /** What `run(n)` returns. */
  readonly checksum: number;
  /** Counts in the comparison of i64 code with polywasm. */
  readonly isI64: boolean;
}

function kernel(name: string, about: string, n: number, checksum: number): Kernel {
  return { name, about, n, checksum, isI64: about.startsWith("i64") };
}

export const KERNELS: readonly Kernel[] = [
  kernel("fib", "calls", 27, 196418),
  kernel("sieve", "loops over bytes", 3, 6542),
  kernel("utf8", "byte scanning", 14, 743247836),
  kernel("sha256", "i32 crypto", 1_000, 71979794),
  kernel("xorshift", "i32 in registers", 400_000, 914719522),
  kernel("sort", "i32 loads and branches", 3, 1270980433),
  kernel("splitmix", "i64 multiply, shift", 250_000, 1763671539),
  kernel("xxhash", "i64 loads, rotate", 1_000, 1420636812),
  kernel("divide", "i64 division", 12_000, 995700),
  kernel("nbody", "f64", 5_000, 176879138),
  kernel("mandelbrot", "f64 in registers", 3, 306152),
  kernel("dsp", "f32 filters", 60, 171692),
  kernel("matrix", "f32 nested loops", 18, 23878),
  kernel("machine", "br_table machine", 250_000, -36013946),
  kernel("dispatch", "call_indirect", 1_250, 1008812545),
  kernel("bulk", "memory.copy, fill", 50_000, -272352945),
];

/** Kernels with vectors: guests/c/simd/*.c. */
export const VECTOR_KERNELS: readonly Kernel[] = [
  kernel("simd/mandelbrot4", "f32x4 in registers", 6, 612504),
  kernel("simd/scan", "i8x16 scanning", 100, 1367330973),
  kernel("simd/chacha", "i32x4 crypto", 6_000, -451801768),
];

const GUESTS = fileURLToPath(new URL("../../guests/wasm/", import.meta.url));

/** The bytes in a buffer of their own: polywasm reads constants wrongly from a view that starts inside a buffer. */
export function kernelBytes(name: string): Uint8Array {
  return new Uint8Array(readFileSync(`${GUESTS}${name}.wasm`));
}
