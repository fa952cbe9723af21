/**
 * An exception of a guest that has left its code: thrown at the embedder when nobody has caught it, and through plain
 * host functions between two calls of guests. Thrown again by a host function it is the same exception.
 */

import type { BacktraceFrame } from "../errors.ts";
import { valTypeText } from "../types.ts";
import type { Tag } from "./global.ts";
import type { HeapObject } from "./heap-object.ts";
import type { Value } from "./values.ts";

/** A guest's exception outside of guest code (spec: embed-exn). */
export class GuestException extends Error {
  override readonly name = "GuestException";
  /** Its tag, as an instance exports it. */
  readonly tag: Tag;
  /** What it carries, in the order of the tag's parameters. */
  readonly values: readonly Value[];
  /** The exception itself, an `exnref`. It is valid as long as `HeapObject` says. */
  readonly exception: HeapObject;
  /** Where it was thrown when nobody caught it, innermost first; empty otherwise. */
  backtrace: readonly BacktraceFrame[] = [];
  omittedFrames = 0;

  constructor(tag: Tag, values: readonly Value[], exception: HeapObject) {
    super(`uncaught exception of type (${tag.params.map(valTypeText).join(" ")})`);
    this.tag = tag;
    this.values = values;
    this.exception = exception;
  }
}
