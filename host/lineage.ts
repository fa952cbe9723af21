/**
 * Who made whom: what a task has used too much goes to the nearest of its makers that still runs. One that has ended is
 * remembered, without its task, only while two or more that are remembered hang on it: so those are fewer than the tasks that
 * run, whatever chains guests make and in whatever order these end.
 */

export class Lineage<T extends object> {
  /** Null when it has ended. */
  #task: T | null;
  #maker: Lineage<T> | null = null;
  // Those that it made, and its place among those that its maker made.
  #first: Lineage<T> | null = null;
  #previous: Lineage<T> | null = null;
  #next: Lineage<T> | null = null;

  constructor(task: T) {
    this.#task = task;
  }

  /** Says once who has made it. */
  madeBy(maker: Lineage<T>): void {
    this.#attach(maker);
  }

  /** The nearest maker that has not ended. */
  get livingMaker(): T | null {
    let living = this.#maker;
    if (living === null) return null;
    if (living.#task !== null) return living.#task;
    const path: Lineage<T>[] = [this];
    for (; living !== null && living.#task === null; living = living.#maker) path.push(living);
    // From the top: each of them has one step to go from here on.
    for (let i = path.length - 2; i >= 0; i--) path[i]!.#move(living);
    return living === null ? null : living.#task;
  }

  /** Its task has ended: what it made belongs to its own maker. */
  end(): void {
    this.#task = null;
    this.#forget();
  }

  /** Takes it out if it has ended and no more than one hangs on it. */
  #forget(): void {
    const first = this.#first;
    if (this.#task !== null || (first !== null && first.#next !== null)) return;
    if (first !== null) {
      this.#first = null;
      first.#maker = null;
      // Before this one is taken off: what hangs on the maker is never fewer.
      if (this.#maker !== null) first.#attach(this.#maker);
    }
    this.#detach();
  }

  #move(maker: Lineage<T> | null): void {
    this.#detach();
    if (maker !== null) this.#attach(maker);
  }

  #attach(maker: Lineage<T>): void {
    const next = maker.#first;
    this.#maker = maker;
    this.#next = next;
    if (next !== null) next.#previous = this;
    maker.#first = this;
  }

  #detach(): void {
    const maker = this.#maker;
    if (maker === null) return;
    const previous = this.#previous;
    const next = this.#next;
    if (previous === null) maker.#first = next;
    else previous.#next = next;
    if (next !== null) next.#previous = previous;
    this.#maker = null;
    this.#previous = null;
    this.#next = null;
    maker.#forget();
  }
}
