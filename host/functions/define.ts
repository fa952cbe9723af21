/**
 * How a host function is written down, once: its name, its WebAssembly type by the meanings of its
 * parameters, what it costs, which codes it returns and which traps it has. Import checking,
 * permission names, traces, the tests' table and the documentation are all read off these
 * definitions; host-definition.ts makes the engine's functions of them.
 */

import type { FrameState, GuestOutcome } from "../../vm/index.ts";
import { FrameRequest, SUSPEND } from "../../vm/index.ts";
import type { Guest } from "./guest.ts";

/**
 * What a parameter means decides its WebAssembly type and how it arrives:
 *
 * | meaning | type | arrives as |
 * | --- | --- | --- |
 * | `text` | i32 | address of UTF-8 text whose length follows |
 * | `bytes` | i32 | address of bytes to read |
 * | `out` | i32 | address that results are written to |
 * | `length`, `count`, `u32` | i32 | number |
 * | `flag` | i32 | boolean: anything but 0 is true |
 * | `tag` | i64 | signed bigint |
 * | `u64` | i64 | unsigned bigint |
 * | `size` | i64 | number, rounded from 2^53 on |
 * | `pid` | i64 | number; from 2^53 on rounded, which no process ever has |
 * | `exact-pid` | i64 | unsigned bigint, also of what no process ever has |
 * | `resource` | i64 | number of an entry of a table of this process; `UNKNOWN_ID` from 2^53 on |
 * | `resource-or-own` | i64 | as `resource`; -1 means the caller's own |
 * | `millis` | i64 | number; `Infinity` for 2^64 - 1 and all that no clock reaches |
 * | `f64` | f64 | number |
 */
export type Meaning =
  | "bytes"
  | "count"
  | "exact-pid"
  | "f64"
  | "flag"
  | "length"
  | "millis"
  | "out"
  | "pid"
  | "resource"
  | "resource-or-own"
  | "size"
  | "tag"
  | "text"
  | "u32"
  | "u64";

export type WasmType = "f64" | "i32" | "i64";

/** No table entry has this number. */
export const UNKNOWN_ID = -2;
/** In place of a configuration or module: the caller's own. */
export const OWN_ID = -1;

const TYPES: Readonly<Record<Meaning, WasmType>> = {
  bytes: "i32",
  count: "i32",
  "exact-pid": "i64",
  f64: "f64",
  flag: "i32",
  length: "i32",
  millis: "i64",
  out: "i32",
  pid: "i64",
  resource: "i64",
  "resource-or-own": "i64",
  size: "i64",
  tag: "i64",
  text: "i32",
  u32: "i32",
  u64: "i64",
};

/** A parameter's name and meaning: "id_ptr: out". */
export type Parameter = `${string}: ${Meaning}`;

type MeaningOf<P extends Parameter> = P extends `${string}: ${infer M}` ? M : never;
type ArgOf<M> = M extends "exact-pid" | "tag" | "u64" ? bigint : M extends "flag" ? boolean : number;
type Args<Params extends readonly Parameter[]> = { -readonly [K in keyof Params]: ArgOf<MeaningOf<Params[K]>> };

/** A result code and when it is returned. */
export interface Code {
  readonly code: number;
  readonly when: string;
}

export type Arg = bigint | boolean | number;

/** A number or bigint by the result type, nothing for functions without a result, or a wait. */
export type Result = bigint | number | undefined | typeof SUSPEND | FrameRequest;

export type Continuation = (guest: Guest, state: FrameState, outcome: GuestOutcome | null) => Result;

/** What all functions have, apart from their name. */
export interface FunctionOptions {
  readonly result?: WasmType;
  /** What it does, in one to three sentences of Markdown. */
  readonly doc: string;
  /** Codes with their meaning. Functions that return values and not codes have none. */
  readonly codes?: Readonly<Record<number, string>>;
  /** When it traps, apart from what follows from the parameters' meanings. */
  readonly traps?: readonly string[];
  /** Fuel of every call; what depends on the arguments is charged by the function. */
  readonly fuel?: number;
  /** In words, what it charges besides. */
  readonly fuelNote?: string;
  /** A frame function: what it may continue with. */
  readonly continuations?: Readonly<Record<string, Continuation>>;
  /** What a call goes on with that is too long for one step, of a function whose calls mostly are not. */
  readonly steps?: Readonly<Record<string, Continuation>>;
  /** The call may suspend its process. Only functions that say so can. */
  readonly waits?: true;
  /** Whether its call that waits is data of its process: for messages and for time alone. */
  readonly isResumable?: boolean;
}

type ResultOf<Options extends FunctionOptions> = Options extends { readonly waits: true }
  ? Result
  : // biome-ignore lint/suspicious/noConfusingVoidType: functions without a result return nothing.
    Exclude<Result, typeof SUSPEND> | void;

export interface HostFunction {
  readonly namespace: string;
  readonly name: string;
  /** "lunatic::message::send": what allow-lists, errors and traces call it. */
  readonly fullName: string;
  readonly parameters: readonly { readonly name: string; readonly meaning: Meaning }[];
  readonly params: readonly WasmType[];
  readonly results: readonly WasmType[];
  readonly doc: string;
  readonly codes: readonly Code[];
  readonly traps: readonly string[];
  readonly fuel: number;
  readonly fuelNote: string | null;
  readonly continuations: Readonly<Record<string, Continuation>> | null;
  readonly steps: Readonly<Record<string, Continuation>> | null;
  readonly waits: boolean;
  readonly isResumable: boolean;
  readonly call: (guest: Guest, ...args: Arg[]) => Result;
}

/** Fuel of a call that only looks something up. */
const DEFAULT_FUEL = 20;

/** Makes the definitions of one namespace; each call of the result is one function. */
export function functionsOf(namespace: string) {
  return <const Params extends readonly Parameter[], const Options extends FunctionOptions>(
    name: string,
    parameters: Params,
    options: Options,
    call: (guest: Guest, ...args: Args<Params>) => ResultOf<Options>,
  ): HostFunction => {
    const named = parameters.map(parse);
    return {
      namespace,
      name,
      fullName: `${namespace}::${name}`,
      parameters: named,
      params: named.map(({ meaning }) => TYPES[meaning]),
      results: options.result === undefined ? [] : [options.result],
      doc: options.doc,
      codes: Object.entries(options.codes ?? {}).map(([code, when]) => ({ code: Number(code), when })),
      traps: options.traps ?? [],
      fuel: options.fuel ?? DEFAULT_FUEL,
      fuelNote: options.fuelNote ?? null,
      continuations: options.continuations ?? null,
      steps: options.steps ?? null,
      waits: options.waits ?? false,
      isResumable: options.isResumable ?? false,
      call: call as unknown as (guest: Guest, ...args: Arg[]) => Result,
    };
  };
}

function parse(parameter: Parameter): { name: string; meaning: Meaning } {
  const colon = parameter.indexOf(": ");
  return { name: parameter.slice(0, colon), meaning: parameter.slice(colon + 2) as Meaning };
}

/** The arguments of a call, by index. */
export interface Arguments {
  i32(index: number): number;
  i64(index: number): bigint;
  /** As numbers, rounded where they are no safe integers. */
  i64Number(index: number): number;
  u64Number(index: number): number;
  f64(index: number): number;
}

const MAX_ID = 2 ** 53;

/** An argument as its meaning has it. */
export function argOf(meaning: Meaning, args: Arguments, index: number): Arg {
  switch (meaning) {
    case "f64":
      return args.f64(index);
    case "flag":
      return args.i32(index) !== 0;
    case "tag":
      return args.i64(index);
    case "exact-pid":
    case "u64":
      return BigInt.asUintN(64, args.i64(index));
    case "pid":
    case "size":
      return args.u64Number(index);
    case "resource":
      return toId(args.i64Number(index));
    case "resource-or-own": {
      const value = args.i64Number(index);
      return value === -1 ? OWN_ID : toId(value);
    }
    case "millis":
      return toMillis(args.i64Number(index));
    default:
      return args.i32(index) >>> 0;
  }
}

function toId(value: number): number {
  return value >= 0 && value < MAX_ID ? value : UNKNOWN_ID;
}

/** No clock reaches 2^53 milliseconds: such a wait is one without end. Negative are those from 2^63 on. */
function toMillis(value: number): number {
  return value >= 0 && value < MAX_ID ? value : Number.POSITIVE_INFINITY;
}

/** Parameters that hold an address of guest memory. */
export function isAddress(meaning: Meaning): boolean {
  return meaning === "bytes" || meaning === "out" || meaning === "text";
}

/** Parameters that name something which may not exist. */
export function isId(meaning: Meaning): boolean {
  return meaning === "pid" || meaning === "exact-pid" || meaning === "resource" || meaning === "resource-or-own";
}

/** "(i64 process_id, i32 id_ptr) -> i32", as the documentation writes types. */
export function signatureOf({ parameters, params, results }: HostFunction): string {
  const inside = parameters.map(({ name }, i) => `${params[i]} ${name}`).join(", ");
  return `(${inside}) -> ${results[0] ?? "-"}`;
}
