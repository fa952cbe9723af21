/**
 * Lists of which most owners have no element or one: an array takes room for 17 when the first one
 * is pushed, which is much where there are a hundred thousand of its owners.
 */

const EMPTY: readonly never[] = Object.freeze([]);

/** What such a list is at first: nobody may change it. */
export const NONE = EMPTY as never[];

/** The list with one element more: another one if it was empty. */
export function added<T>(list: T[], item: T): T[] {
  if (list.length === 0) return [item];
  list.push(item);
  return list;
}
