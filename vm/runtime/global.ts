/** A global (spec: syntax-globalinst): a place among the store's words, seen by the embedder as an object. */

import { decodeValue, encodeValue, type Value } from "./values.ts";
import type { GlobalType, ValType } from "../types.ts";
import type { Store } from "./store.ts";

/** A global of a store (spec: syntax-globalinst). */
export class Global {
  readonly kind = "global";
  readonly store: Store;
  /** In the engine's types. */
  readonly type: GlobalType;
  /** First of its four words in the store's globals. */
  readonly at: number;

  constructor(store: Store, type: GlobalType, at: number) {
    this.store = store;
    this.type = type;
    this.at = at;
  }

  /** The value: i32, f32 and f64 as numbers, i64 as a bigint. (spec: embed-global-read) */
  get value(): Value {
    return decodeValue(this.store, this.type.type, this.store.globalWords, this.at);
  }

  /** Throws `TypeError` for an immutable global and for a value of another type. */
  set value(value: Value) {
    if (!this.type.mutable) throw new TypeError("the global is immutable");
    encodeValue(this.store, this.type.type, value, this.store.globalWords, this.at);
  }
}

/** A tag (spec: syntax-taginst): an exception's type. */
export class Tag {
  readonly kind = "tag";
  readonly store: Store;
  /** The engine's id of its function type. */
  readonly typeId: number;

  constructor(store: Store, typeId: number) {
    this.store = store;
    this.typeId = typeId;
  }

  #word = 0;

  /** What exceptions of the tag begin with in the store's heap. */
  get word(): number {
    if (this.#word === 0) this.#word = this.store.addTag(this);
    return this.#word;
  }

  /** What its exceptions carry, in the engine's types. */
  get params(): readonly ValType[] {
    return this.store.engine.types.funcType(this.typeId).params;
  }
}
