/**
 * A structure, array or exception of a guest as the embedder sees it: opaque, and the same JavaScript
 * object for the same heap object as long as somebody holds it.
 *
 * Holding it does not keep the heap object alive, since what is alive must not depend on when JavaScript
 * collects. It is valid until guest code of its store runs again; as an argument of a host function
 * until that has returned or its promise is settled; and as long as it is retained.
 */

import type { Heap } from "./heap.ts";
import type { ObjectKind } from "../layouts.ts";

/** A structure, array or exception of a guest (spec: syntax-structinst, syntax-arrayinst, syntax-exninst). */
export class HeapObject {
  readonly kind: ObjectKind;
  readonly #heap: Heap;
  #handle: number;

  /** Made by the store. */
  constructor(heap: Heap, handle: number, kind: ObjectKind) {
    this.kind = kind;
    this.#heap = heap;
    this.#handle = handle;
  }

  /** Whether the object belongs to a heap: no other can use it. */
  isOf(heap: Heap): boolean {
    return this.#heap === heap;
  }

  /** Whether the object is gone: nothing of the guest referred to it, and it was not retained. */
  get isCollected(): boolean {
    return this.#handle === 0;
  }

  /** Where the object lies. Throws `TypeError` when it is gone. */
  get handle(): number {
    if (this.#handle === 0) throw new TypeError(`the ${this.kind} was collected: retain() keeps one alive`);
    return this.#handle;
  }

  /** The object lies elsewhere, or is gone: 0. For the collector. */
  moved(handle: number): void {
    this.#handle = handle;
  }

  /** Keeps the object alive until {@link release} was called as often. Throws `TypeError` when it is gone. */
  retain(): this {
    if (this.handle !== 0) this.#heap.retain(this);
    return this;
  }

  /** Ends what `retain` began. */
  release(): void {
    this.#heap.release(this);
  }
}
