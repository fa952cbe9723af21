/**
 * The commands of a test script (`.wast`), data only: what the suite's runner executes.
 * The grammar is that of the reference interpreter's script language; parser in script.ts.
 */

import type { HeapType } from "../types.ts";

/** A script: its commands in order. */
export interface Script {
  readonly commands: readonly Command[];
}

/**
 * A module as the script gives it. Text and quoted modules are parsed when asked for, so that one
 * bad module leaves the script's other commands usable.
 */
export interface ModuleSource {
  readonly format: "text" | "binary" | "quote";
  /** From 1. */
  readonly line: number;
  /**
   * The module in the binary format, made anew at each call. Throws a `CompileError` for malformed
   * text; the bytes of a `binary` module are returned as they stand, unchecked.
   */
  encode(): Uint8Array;
}

/** `module` is the script's identifier of an instance, with its `$`, or null for the latest one. */
export type Action =
  | {
      readonly kind: "invoke";
      readonly module: string | null;
      readonly name: string;
      readonly args: readonly Constant[];
    }
  | { readonly kind: "get"; readonly module: string | null; readonly name: string };

/**
 * A value given to a function. Numbers are bit patterns, unsigned: 32 bits for i32 and f32, 64 for
 * i64 and f64; `bytes` are the 16 bytes of a vector, lane 0 first, little-endian.
 */
export type Constant =
  | { readonly kind: "i32" | "i64" | "f32" | "f64"; readonly bits: bigint }
  | { readonly kind: "v128"; readonly bytes: Uint8Array }
  /** `heap` is an abstract heap type. */
  | { readonly kind: "ref.null"; readonly heap: HeapType }
  /** The host's reference number `value`, as an externref. */
  | { readonly kind: "ref.extern"; readonly value: number }
  /** The same reference seen as an anyref. */
  | { readonly kind: "ref.host"; readonly value: number };

export type NanKind = "nan:canonical" | "nan:arithmetic";

/** What one lane of a vector must be: these bits, unsigned, or a NaN of that kind. */
export type LanePattern = bigint | NanKind;

export type VectorShape = "i8x16" | "i16x8" | "i32x4" | "i64x2" | "f32x4" | "f64x2";

/** The non-null references that a pattern can ask for without naming which. */
export type RefPattern =
  | "ref.any"
  | "ref.array"
  | "ref.eq"
  | "ref.exn"
  | "ref.extern"
  | "ref.func"
  | "ref.i31"
  | "ref.struct";

/** What a result must be like. */
export type ResultPattern =
  | { readonly kind: "i32" | "i64" | "f32" | "f64"; readonly bits: bigint }
  | { readonly kind: "nan"; readonly type: "f32" | "f64"; readonly nan: NanKind }
  /** Lanes in order; the lane width follows from the shape. */
  | { readonly kind: "v128"; readonly shape: VectorShape; readonly lanes: readonly LanePattern[] }
  /** A null reference; `heap` null: of any type. */
  | { readonly kind: "ref.null"; readonly heap: HeapType | null }
  /** Any non-null reference to such a thing; `value` asks for the host's reference of that number. */
  | { readonly kind: "ref"; readonly of: RefPattern }
  | { readonly kind: "ref.extern" | "ref.host"; readonly value: number }
  | { readonly kind: "either"; readonly alternatives: readonly ResultPattern[] };

/** Every identifier (`name`, `module`, `thread`) has its `$`. `line` counts from 1. */
export type Command = { readonly line: number } & (
  | {
      /** Instantiate and make it the latest instance; with `definition`, only compile it. */
      readonly kind: "module";
      readonly name: string | null;
      readonly definition: boolean;
      readonly source: ModuleSource;
    }
  /** Instantiate the definition named `module` (null: the latest) under `name`. */
  | { readonly kind: "instance"; readonly name: string | null; readonly module: string | null }
  /** Makes the exports of `module` importable as `as`. */
  | { readonly kind: "register"; readonly as: string; readonly module: string | null }
  | { readonly kind: "action"; readonly action: Action }
  | { readonly kind: "assert_return"; readonly action: Action; readonly results: readonly ResultPattern[] }
  | {
      readonly kind: "assert_trap" | "assert_exhaustion" | "assert_suspension";
      readonly action: Action;
      readonly message: string;
    }
  | { readonly kind: "assert_exception"; readonly action: Action }
  /** Instantiation traps. */
  | { readonly kind: "assert_module_trap"; readonly source: ModuleSource; readonly message: string }
  | {
      readonly kind:
        | "assert_malformed"
        | "assert_invalid"
        | "assert_malformed_custom"
        | "assert_invalid_custom"
        | "assert_unlinkable";
      readonly source: ModuleSource;
      readonly message: string;
    }
  /** Runs `commands` beside what follows, in a scope of its own that knows the instances named in `shared`. */
  | {
      readonly kind: "thread";
      readonly name: string;
      readonly shared: readonly string[];
      readonly commands: readonly Command[];
    }
  /** Waits for the end of that thread. */
  | { readonly kind: "wait"; readonly thread: string }
);
