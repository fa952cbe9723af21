/** Numbers of the snapshot format (docs/snapshot.md) that writing and reading share. */

import type { Engine } from "../engine.ts";
import { INSTRUCTION_BY_NUMBER } from "../opcodes.ts";
import type { Input } from "./input.ts";
import type { Output } from "./output.ts";
import { hex } from "./sha256.ts";

/** "PLSNAP" */
export const MAGIC = Uint8Array.of(0x50, 0x4c, 0x53, 0x4e, 0x41, 0x50);
export const VERSION = 3;
/** Of the hash that follows magic and version, over everything behind it. */
export const CHECKSUM_BYTES = 16;
export const HASH_BYTES = 32;

/** The checksum that a snapshot begins with, as text: no two snapshots have the same. */
export function checksumOf(bytes: Uint8Array): string {
  return hex(bytes.subarray(MAGIC.length + 2, MAGIC.length + 2 + CHECKSUM_BYTES));
}
export const DEFAULT_PAGE_SIZE_LOG2 = 16;
/** Blocks in which linear memories are looked at: those of zeros are left out. */
export const MEMORY_BLOCK_BYTES = 256;

/** Indices of host values that are not used, at most. */
export const MAX_UNUSED_EXTERNS = 1_048_576;

/** A function with addresses of its own. */
export const enum OwnerKind {
  Instance,
  /** Found by the module and name under which an instance imports it. */
  Imported,
  /** Found by the name that the embedder or its definition gives it. */
  Named,
}

export const enum FrameKind {
  SafePoint,
  /** An instruction boundary of exact code. */
  Boundary,
}

export const enum ActivationKind {
  Entry,
  Call,
  Host,
}

export const enum ExternKind {
  /** Nothing refers to it any more, but it still counts. */
  Unused,
  Undefined,
  Plain,
  Func,
  /** The embedder's name for it. */
  Named,
}

export const enum ErrorKind {
  Trap,
  /** Of a guest, in its heap. */
  Exception,
  Termination,
  /** As the embedder's data. */
  Embedder,
  /** Only its words. */
  Words,
}

/** No price: there is no such instruction. */
const NO_PRICE = 0xffff;

const known = new WeakMap<Engine, readonly number[]>();

function pricesOf(engine: Engine): readonly number[] {
  let prices = known.get(engine);
  if (prices === undefined) {
    prices = Array.from(engine.prices, (price, op) => (INSTRUCTION_BY_NUMBER[op] === undefined ? NO_PRICE : price));
    known.set(engine, prices);
  }
  return prices;
}

/** Prices decide about fuel and about the places of pauses: in runs of equal ones. */
export function writePrices(out: Output, engine: Engine): void {
  const prices = pricesOf(engine);
  out.count(prices.length);
  for (let op = 0; op < prices.length; ) {
    const first = op;
    while (op < prices.length && prices[op] === prices[first]) op++;
    out.count(op - first);
    out.count(prices[first]!);
  }
}

/** Whether the engine has the prices of a snapshot for all instructions that were known when it was made. */
export function hasPrices(input: Input, engine: Engine): boolean {
  const prices = pricesOf(engine);
  const count = input.count();
  let fits = count <= prices.length;
  for (let op = 0; op < count; ) {
    const end = op + input.count(count - op);
    const price = input.count();
    if (end === op) throw input.invalid("an empty run of prices");
    for (let each = op; each < Math.min(end, prices.length); each++) {
      if (price !== NO_PRICE && prices[each] !== price) fits = false;
    }
    op = end;
  }
  return fits;
}
