/** Lists whose members know their places: whoever comes and goes leaves nothing behind, and the order is that of coming. */

/** Both are the list's. */
export interface Member<T> {
  earlier: T | null;
  later: T | null;
}

export class MemberList<T extends Member<T>> {
  #first: T | null = null;
  #last: T | null = null;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The one that has been in it for longest. */
  get first(): T | null {
    return this.#first;
  }

  /** It is in no list. */
  add(member: T): void {
    const last = this.#last;
    member.earlier = last;
    if (last === null) this.#first = member;
    else last.later = member;
    this.#last = member;
    this.#size++;
  }

  /** Harmless for one that is in no list. */
  delete(member: T): void {
    const { earlier, later } = member;
    if (earlier === null && this.#first !== member) return;
    if (earlier === null) this.#first = later;
    else earlier.later = later;
    if (later === null) this.#last = earlier;
    else later.earlier = earlier;
    member.earlier = null;
    member.later = null;
    this.#size--;
  }

  /** Those that are in it now. */
  toArray(): T[] {
    const members: T[] = [];
    for (let member = this.#first; member !== null; member = member.later) members.push(member);
    return members;
  }
}

/** A list that can be gone through while members come and go. */
export class WalkedList<T extends Member<T>> extends MemberList<T> {
  readonly #walks = new Set<{ next: T | null }>();

  override delete(member: T): void {
    for (const walk of this.#walks) if (walk.next === member) walk.next = member.later;
    super.delete(member);
  }

  /** Those that are in it now, without those that go before they are reached. Some that come meanwhile may be among them. */
  *walk(): Generator<T, void> {
    const walk = { next: this.first };
    this.#walks.add(walk);
    try {
      for (let left = this.size; left > 0 && walk.next !== null; left--) {
        const member: T = walk.next;
        walk.next = member.later;
        yield member;
      }
    } finally {
      this.#walks.delete(walk);
    }
  }
}
