/**
 * An exception of a guest that has left its code: thrown at the embedder when nobody has caught it, and through plain
 * host functions between two calls of guests. Thrown again by a host function it is the same exception.
 */

import { TracedError } from "../errors.ts";
import { valTypeText } from "../types.ts";
import type { Tag } from "./global.ts";
import type { HeapObject } from "./heap-object.ts";
import type { Value } from "./values.ts";

/** A guest's exception outside of guest code (spec: embed-exn). Its backtrace is empty unless nobody caught it. */
export class GuestException extends TracedError {
  override readonly name = "GuestException";
  /** Its tag, as an instance exports it. */
  readonly tag: Tag;
  /** What it carries, in the order of the tag's parameters. */
  readonly values: readonly Value[];
  /** The exception itself, an `exnref`. It is valid as long as `HeapObject` says. */
  readonly exception: HeapObject;

  constructor(tag: Tag, values: readonly Value[], exception: HeapObject) {
    super(`uncaught exception of type (${tag.params.map(valTypeText).join(" ")})`);
    this.tag = tag;
    this.values = values;
    this.exception = exception;
  }
}
