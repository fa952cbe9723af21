/**
 * Every error the engine raises and the words it may use. Messages begin with the official test
 * suite's text; detail follows after a colon. Each group is a union type, so that a misspelt
 * message does not compile.
 */

/** The grammar of the binary or text format is broken. */
export type MalformedMessage =
  | "END opcode expected"
  | "alignment"
  | "alignment must be a power of two"
  | "constant out of range"
  | "data count and data section have inconsistent lengths"
  | "data count section required"
  | "duplicate data segment"
  | "duplicate elem segment"
  | "duplicate export"
  | "duplicate field"
  | "duplicate func"
  | "duplicate global"
  | "duplicate label"
  | "duplicate local"
  | "duplicate memory"
  | "duplicate table"
  | "duplicate tag"
  | "duplicate type"
  | "empty annotation id"
  | "empty identifier"
  | "function and code section have inconsistent lengths"
  | "i64 constant out of range"
  | "i8 constant out of range"
  | "illegal character"
  | "illegal escape"
  | "illegal opcode"
  | "import after function"
  | "import after global"
  | "import after memory"
  | "import after table"
  | "import after tag"
  | "inline function type"
  | "integer representation too long"
  | "integer too large"
  | "invalid custom page size"
  | "invalid lane length"
  | "length out of bounds"
  | "magic header not detected"
  | "malformed UTF-8 encoding"
  | "malformed atomic fence"
  | "malformed block type"
  | "malformed cast flags"
  | "malformed catch kind"
  | "malformed elements segment kind"
  | "malformed data segment kind"
  | "malformed definition type"
  | "malformed element kind"
  | "malformed export kind"
  | "malformed field type"
  | "malformed heap type"
  | "malformed import kind"
  | "malformed limits flags"
  | "malformed memop flags"
  | "malformed mutability"
  | "malformed reference type"
  | "malformed section id"
  | "malformed storage type"
  | "malformed table"
  | "malformed tag attribute"
  | "malformed type definition"
  | "malformed value type"
  | "mismatching label"
  | "misplaced @custom annotation"
  | "misplaced @name annotation"
  | "multiple start sections"
  | "section size mismatch"
  | "too many locals"
  | "unclosed annotation"
  | "unclosed comment"
  | "unclosed string"
  | "unexpected content after last section"
  | "unexpected end"
  | "unexpected end of section or function"
  | "unexpected token"
  | "unknown binary version"
  | "unknown data segment"
  | "unknown elem segment"
  | "unknown field"
  | "unknown func"
  | "unknown global"
  | "unknown label"
  | "unknown local"
  | "unknown memory"
  | "unknown operator"
  | "unknown table"
  | "unknown tag"
  | "unknown type"
  | "wrong number of lane literals"
  | "@custom annotation: malformed UTF-8 encoding"
  | "@custom annotation: malformed placement"
  | "@custom annotation: malformed section kind"
  | "@custom annotation: missing section name"
  | "@custom annotation: unexpected token"
  | "@metadata.code.branch_hint annotation: duplicate annotation"
  | "@metadata.code.branch_hint annotation: not in a function"
  | "@metadata.code.branch_hint annotation: unexpected token"
  | "@name annotation: malformed UTF-8 encoding"
  | "@name annotation: multiple module"
  | "@name annotation: unexpected token";

/** A typing rule is broken (spec: valid). */
export type InvalidMessage =
  | "alignment must not be larger than natural"
  | "array type is not numeric or vector"
  | "array types do not match"
  | "atomic alignment must be natural"
  | "constant expression required"
  | "duplicate export name"
  | "immutable array"
  | "immutable field"
  | "immutable global"
  | "invalid custom page size"
  | "invalid lane index"
  | "invalid rethrow label"
  | "invalid result arity"
  | "memory size must be at most 2^32-1 pages"
  | "memory size must be at most 2^48 pages"
  | "memory size must be at most 2^64-1 pages"
  | "memory size must be at most 65536 pages (4GiB)"
  | "non-empty tag result type"
  | "offset out of range"
  | "shared memory must have maximum"
  | "size minimum must not be greater than maximum"
  | "start function"
  | "sub type"
  | "table size must be at most 2^32-1"
  | "type mismatch"
  | "undeclared function reference"
  | "uninitialized local"
  | "unknown data segment"
  | "unknown elem segment"
  | "unknown field"
  | "unknown function"
  | "unknown global"
  | "unknown label"
  | "unknown local"
  | "unknown memory"
  | "unknown table"
  | "unknown tag"
  | "unknown type"
  | "@metadata.code.branch_hint annotation: invalid target";

/** The guest's faults at run time (spec: exec). */
export type TrapMessage =
  | "call stack exhausted"
  | "cast failure"
  | "expected shared memory"
  /** A function of the host found its arguments unacceptable. */
  | "host function trapped"
  | "indirect call type mismatch"
  | "integer divide by zero"
  | "integer overflow"
  | "invalid conversion to integer"
  | "null array reference"
  | "null exception reference"
  | "null function reference"
  | "null i31 reference"
  | "null reference"
  | "null structure reference"
  | "out of bounds array access"
  | "out of bounds memory access"
  | "out of bounds table access"
  | "unaligned atomic"
  | "undefined element"
  | "uninitialized element"
  | "unreachable";

export type LinkMessage = "incompatible import type" | "unknown import";

/** Why a module is refused. */
export type CompileErrorKind =
  /** The grammar is broken. */
  | "malformed"
  /** A typing rule is broken. */
  | "invalid"
  /** A limit of limits.ts is exceeded. */
  | "limit";

/** Where in the input an error stands. Binary: `position`, a byte offset. Text: line and column, from 1. */
export interface SourcePlace {
  readonly position?: number;
  readonly funcIndex?: number;
  readonly line?: number;
  readonly column?: number;
}

/** Malformed bytes or text, an invalid module, an exceeded limit. */
export class CompileError extends Error {
  override readonly name = "CompileError";
  readonly kind: CompileErrorKind;
  /** The message without the place. */
  readonly reason: string;
  /** Byte offset in the module; undefined for text. */
  readonly position: number | undefined;
  readonly funcIndex: number | undefined;
  /** From 1; undefined for binaries. */
  readonly line: number | undefined;
  readonly column: number | undefined;

  constructor(kind: CompileErrorKind, reason: string, place: SourcePlace = {}) {
    super(reason + placeText(place));
    this.kind = kind;
    this.reason = reason;
    this.position = place.position;
    this.funcIndex = place.funcIndex;
    this.line = place.line;
    this.column = place.column;
  }
}

function placeText({ position, funcIndex, line, column }: SourcePlace): string {
  if (line !== undefined) return ` (line ${line}, column ${column ?? 1})`;
  const inFunction = funcIndex === undefined ? "" : `, function ${funcIndex}`;
  return position === undefined ? "" : ` (at byte ${position}${inFunction})`;
}

export function malformed(message: MalformedMessage, place: SourcePlace, detail?: string): CompileError {
  return new CompileError("malformed", withDetail(message, detail), place);
}

export function invalid(message: InvalidMessage, place: SourcePlace, detail?: string): CompileError {
  return new CompileError("invalid", withDetail(message, detail), place);
}

/** The index spaces by the words of the suite's messages "unknown … 3". */
export type IndexSpace =
  | "data segment"
  | "elem segment"
  | "field"
  | "function"
  | "global"
  | "label"
  | "local"
  | "memory"
  | "table"
  | "tag"
  | "type";

/** An index that its space does not have. */
export function invalidIndex(space: IndexSpace, index: number, place: SourcePlace): CompileError {
  return new CompileError("invalid", `unknown ${space} ${index}`, place);
}

export function limitExceeded(message: string, place: SourcePlace = {}): CompileError {
  return new CompileError("limit", `limit exceeded: ${message}`, place);
}

function withDetail(message: string, detail: string | undefined): string {
  return detail === undefined ? message : `${message}: ${detail}`;
}

/** An import is missing or does not fit. */
export class LinkError extends Error {
  override readonly name = "LinkError";
  readonly module: string;
  readonly importName: string;

  constructor(message: LinkMessage, module: string, importName: string, detail?: string) {
    super(withDetail(message, `${JSON.stringify(module)} ${JSON.stringify(importName)}${detail ? `: ${detail}` : ""}`));
    this.module = module;
    this.importName = importName;
  }
}

/** One frame of a guest backtrace, innermost first. */
export interface BacktraceFrame {
  readonly funcIndex: number;
  /** From the name section, or null. */
  readonly funcName: string | null;
  /** Byte offset of the instruction in the module. */
  readonly position: number;
  /** The name in the module's name section, or null. */
  readonly moduleName: string | null;
}

/** An error that says where in the guest it happened. */
export abstract class TracedError extends Error {
  #backtrace: readonly BacktraceFrame[] | (() => readonly BacktraceFrame[]) = [];
  /** How many frames the backtrace leaves out; of a very deep stack, how many at least. */
  omittedFrames = 0;

  /** At most `MAX_BACKTRACE_FRAMES`, innermost first. */
  get backtrace(): readonly BacktraceFrame[] {
    if (typeof this.#backtrace === "function") this.#backtrace = this.#backtrace();
    return this.#backtrace;
  }

  set backtrace(frames: readonly BacktraceFrame[]) {
    this.#backtrace = frames;
  }

  /** Sets the backtrace to frames that are made when somebody reads it: of most errors that a guest contains nobody does. */
  traceLater(frames: () => readonly BacktraceFrame[]): void {
    this.#backtrace = frames;
  }

  /** Whether it has a backtrace, without making it. */
  get isTraced(): boolean {
    return typeof this.#backtrace === "function" || this.#backtrace.length > 0;
  }
}

/** A WebAssembly trap: the guest's fault. A bounded backtrace says where. */
export class Trap extends TracedError {
  override readonly name = "Trap";
  readonly reason: TrapMessage;

  constructor(reason: TrapMessage, detail?: string) {
    super(withDetail(reason, detail));
    this.reason = reason;
  }
}

/**
 * The guest asked a host function to end the run (`proc_exit`). It passes through the engine to
 * whoever runs the guest, unless a host frame contains it as it would a trap.
 */
export class GuestExit extends Error {
  override readonly name: string = "GuestExit";
}

/** What ends a run without being the guest's fault in WebAssembly's sense. It cannot be contained at a host frame. */
export type TerminationReason = "fuel exhausted" | "memory limit" | "host out of memory" | "killed" | "import denied";

/** The end of an invocation by a limit or by its owner. */
export class Termination extends TracedError {
  override readonly name: string = "Termination";
  readonly reason: TerminationReason;

  constructor(reason: TerminationReason, detail?: string) {
    super(withDetail(reason, detail));
    this.reason = reason;
  }
}

/** `call`, `callSync` or a maximum of fuel ran out. Resumable runs return `yielded` in its place. */
export class FuelExhausted extends Termination {
  override readonly name = "FuelExhausted";
  /**
   * `whose` follows the fuel that was used, where it is not the run's alone. More may be used than allowed: an instruction
   * that is dearer than what is left, or what a host function charges.
   */
  constructor(used?: number, allowed?: number, whose = "") {
    super("fuel exhausted", used === undefined ? undefined : `${used} used${whose}, ${allowed} allowed`);
  }
}

/** A synchronous call met an import that has to wait. */
export class SuspendError extends Error {
  override readonly name = "SuspendError";
}

/**
 * Why a snapshot cannot be made or used. `unsavable`: something stands in its way. `damaged`: it is incomplete or changed.
 * `version`: another version of the format or other prices. `mismatch`: a module or import that was given is not the one
 * it needs, or is missing. `invalid`: it describes a state that cannot be.
 */
export type SnapshotErrorKind = "unsavable" | "damaged" | "version" | "mismatch" | "invalid";

const SNAPSHOT_ERROR_TEXTS: Readonly<Record<SnapshotErrorKind, string>> = {
  unsavable: "no snapshot can be taken",
  damaged: "damaged snapshot",
  version: "foreign snapshot",
  mismatch: "the snapshot needs something else",
  invalid: "invalid snapshot",
};

/** A snapshot cannot be taken, or is refused before anything was touched. */
export class SnapshotError extends Error {
  override readonly name = "SnapshotError";
  readonly kind: SnapshotErrorKind;

  constructor(kind: SnapshotErrorKind, detail: string) {
    super(`${SNAPSHOT_ERROR_TEXTS[kind]}: ${detail}`);
    this.kind = kind;
  }
}

/** Our own fault: cannot happen with valid code. */
export class InternalError extends Error {
  override readonly name = "InternalError";
  constructor(message: string) {
    super(`bug: ${message}`);
  }
}

/** The end of a `switch` over a closed union: a new kind does not compile until it is handled. */
export function assertNever(value: never): never {
  throw new InternalError(`unexpected ${JSON.stringify(value)}`);
}
