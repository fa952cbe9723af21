/** What many hold and a group pays for once: modules, and the texts of configurations. */

import { Account, type Group } from "./group.ts";

/** Holdings of each thing in each group. */
const holders = new WeakMap<Group, Map<object, number>>();

export class Holding {
  readonly #thing: object;
  readonly #byteLength: number;
  readonly #group: Group;
  #isOpen = true;

  private constructor(thing: object, byteLength: number, group: Group) {
    this.#thing = thing;
    this.#byteLength = byteLength;
    this.#group = group;
  }

  /** `group` pays for so many bytes as long as anybody in it holds the thing; null when its memory does not suffice. */
  static open(thing: object, byteLength: number, group: Group): Holding | null {
    let counts = holders.get(group);
    if (counts === undefined) {
      counts = new Map();
      holders.set(group, counts);
    }
    const count = counts.get(thing) ?? 0;
    if (count === 0 && !group.reserve(Account.Memory, byteLength)) return null;
    counts.set(thing, count + 1);
    return new Holding(thing, byteLength, group);
  }

  /** Harmless when repeated. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const counts = holders.get(this.#group)!;
    const count = counts.get(this.#thing)!;
    if (count > 1) {
      counts.set(this.#thing, count - 1);
      return;
    }
    counts.delete(this.#thing);
    this.#group.release(Account.Memory, this.#byteLength);
  }
}
