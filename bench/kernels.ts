/** The kernels of the benchmark: guests/c/*.c, how much work one run does, and the checksum it must give. */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export interface Kernel {
  readonly name: string;
  /** What dominates it. */
  readonly about: string;
  /** Units of work of one run: 5 to 20 million instructions. */
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
  kernel("sieve", "loops over bytes", 20, 6542),
  kernel("utf8", "byte scanning", 100, 2133567557),
  kernel("sha256", "i32 crypto", 3_000, -750431006),
  kernel("xorshift", "i32 in registers", 1_500_000, 2054133291),
  kernel("sort", "i32 loads and branches", 10, -53138149),
  kernel("splitmix", "i64 multiply, shift", 800_000, -1444656230),
  kernel("xxhash", "i64 loads, rotate", 1_000, 1420636812),
  kernel("divide", "i64 division", 8_000, 669485),
  kernel("nbody", "f64", 15_000, 159635110),
  kernel("mandelbrot", "f64 in registers", 10, 1078716),
  kernel("dsp", "f32 filters", 500, 171692),
  kernel("matrix", "f32 nested loops", 30, 23878),
  kernel("machine", "br_table machine", 800_000, -1228254410),
  kernel("dispatch", "call_indirect", 2_500, 806593026),
  kernel("bulk", "memory.copy, fill", 30_000, 336289187),
];

const GUESTS = fileURLToPath(new URL("../../guests/wasm/", import.meta.url));

/** The bytes in a buffer of their own: polywasm reads constants wrongly from a view that starts inside a buffer. */
export function kernelBytes(name: string): Uint8Array {
  return new Uint8Array(readFileSync(`${GUESTS}${name}.wasm`));
}
