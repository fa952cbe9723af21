/**
 * How a reference is packed into a handle of 32 bits, the word that slots, globals, tables and
 * fields hold. Null is 0 everywhere. In the hierarchies of `any`, `extern` and `exn` the low bits
 * say what a handle is, so `any.convert_extern` and its inverse change nothing:
 *
 *     v31 1     an i31
 *     unit 00   an object of the store's heap, whose unit is 8 bytes
 *     index 10  a value of the host, by its index in the store's table
 *
 * A handle of the `func` hierarchy, which never meets the others, is the function's address.
 */

export const NULL = 0;

/** Handles of heap objects end here: 8 GiB. */
export const MAX_UNITS = 0x4000_0000;

const I31_MIN = -0x4000_0000;
const I31_MAX = 0x3fff_ffff;

export function i31Handle(value: number): number {
  return (value << 1) | 1;
}

export function isI31(handle: number): boolean {
  return (handle & 1) === 1;
}

/** Signed. */
export function i31Value(handle: number): number {
  return handle >> 1;
}

/** Whether a JavaScript value is a number that an i31 holds; a negative zero is none. */
export function fitsI31(value: unknown): value is number {
  return (
    Number.isInteger(value) && (value as number) >= I31_MIN && (value as number) <= I31_MAX && !Object.is(value, -0)
  );
}

export function externHandle(index: number): number {
  return (index << 2) | 2;
}

export function isExtern(handle: number): boolean {
  return (handle & 3) === 2;
}

export function externIndex(handle: number): number {
  return handle >>> 2;
}

/** Whether a handle of a traced hierarchy names a heap object. */
export function isObject(handle: number): boolean {
  return handle !== NULL && (handle & 3) === 0;
}
