/** What many hold and a group pays for once: modules, the texts of configurations, open directories. */

import { Account, type Group } from "./group.ts";

/** Holdings of each thing in each group. */
const holders = new WeakMap<Group, Map<object, number>>();

export class Holding {
  readonly #thing: object;
  readonly #amount: number;
  readonly #group: Group;
  readonly #account: Account;
  #isOpen = true;

  private constructor(thing: object, amount: number, group: Group, account: Account) {
    this.#thing = thing;
    this.#amount = amount;
    this.#group = group;
    this.#account = account;
  }

  /**
   * `group` pays so much, bytes of memory unless another account is given, as long as anybody in it holds the thing; null
   * when it refuses. Whoever holds a thing pays for it with the same account.
   */
  static open(thing: object, amount: number, group: Group, account = Account.Memory): Holding | null {
    let counts = holders.get(group);
    if (counts === undefined) {
      counts = new Map();
      holders.set(group, counts);
    }
    const count = counts.get(thing) ?? 0;
    if (count === 0 && !group.reserve(account, amount)) return null;
    counts.set(thing, count + 1);
    return new Holding(thing, amount, group, account);
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
    this.#group.release(this.#account, this.#amount);
  }
}
