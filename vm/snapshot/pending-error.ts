/**
 * Errors that a paused invocation is about to meet: traps, exceptions, ends by a limit, and what host functions threw. Of
 * errors that the embedder does not name the words are kept.
 */

import { type BacktraceFrame, SnapshotError, Termination, type TerminationReason, Trap } from "../errors.ts";
import { guestException } from "../execute/exceptions.ts";
import { MAX_BACKTRACE_FRAMES } from "../limits.ts";
import type { FrameState } from "../runtime/func.ts";
import { GuestException } from "../runtime/guest-exception.ts";
import type { Store } from "../runtime/store.ts";
import { Heap, refType } from "../types.ts";
import { ErrorKind } from "./format.ts";
import type { Input } from "./input.ts";
import type { Output } from "./output.ts";
import { readPlain, writePlain } from "./plain.ts";
import type { ReferenceCheck } from "./references.ts";

const NONNULL_EXNREF = refType(Heap.Exn, false);
const REASONS: readonly TerminationReason[] = [
  "fuel exhausted",
  "memory limit",
  "host out of memory",
  "killed",
  "import denied",
];

/** Gives errors of the embedder's classes as plain data; undefined for others. */
export type ErrorState = (error: unknown) => FrameState | undefined;

export function writeError(out: Output, store: Store, error: unknown, state: ErrorState | undefined): void {
  if (
    error instanceof GuestException &&
    store.hasHeap &&
    error.exception.isOf(store.heap) &&
    !error.exception.isCollected
  ) {
    out.u8(ErrorKind.Exception);
    out.word(error.exception.handle);
    return;
  }
  const own = state?.(error);
  if (own !== undefined) {
    out.u8(ErrorKind.Embedder);
    writePlain(out, own, "the state of an error");
  } else if (error instanceof Trap) {
    out.u8(ErrorKind.Trap);
    out.text(error.reason);
    out.text(error.message);
    writeBacktrace(out, error);
  } else if (error instanceof Termination) {
    out.u8(ErrorKind.Termination);
    out.u8(REASONS.indexOf(error.reason));
    out.text(error.message);
    writeBacktrace(out, error);
  } else {
    out.u8(ErrorKind.Words);
    out.text(error instanceof Error ? error.name : "Error");
    out.text(error instanceof Error ? error.message : String(error));
  }
}

function writeBacktrace(out: Output, { omittedFrames, backtrace }: Trap | Termination): void {
  out.count(omittedFrames);
  out.count(backtrace.length);
  for (const { funcIndex, funcName, position, moduleName } of backtrace) {
    out.count(funcIndex);
    out.count(position);
    writePlain(out, [funcName, moduleName], "a backtrace");
  }
}

/** `make` gives the error that {@link ErrorState} gave as data. */
export function readError(
  input: Input,
  store: Store,
  references: ReferenceCheck,
  make: ((state: FrameState) => Error | undefined) | undefined,
): Error {
  switch (input.u8()) {
    case ErrorKind.Exception: {
      const handle = input.word();
      references.check(input, handle, NONNULL_EXNREF);
      return guestException(store, handle);
    }
    case ErrorKind.Embedder: {
      const error = make?.(readPlain(input));
      if (error === undefined) throw new SnapshotError("mismatch", "an error that nobody knows");
      return error;
    }
    case ErrorKind.Trap: {
      const trap = new Trap(input.text() as Trap["reason"]);
      trap.message = input.text();
      return withBacktrace(input, trap);
    }
    case ErrorKind.Termination: {
      const end = new Termination(REASONS[input.index(REASONS.length, "reason")]!);
      end.message = input.text();
      return withBacktrace(input, end);
    }
    case ErrorKind.Words: {
      const name = input.text();
      const error = new Error(input.text());
      error.name = name;
      return error;
    }
    default:
      throw input.invalid("an error");
  }
}

function withBacktrace<E extends Trap | Termination>(input: Input, error: E): E {
  error.omittedFrames = input.count();
  const frames: BacktraceFrame[] = [];
  for (let left = input.count(MAX_BACKTRACE_FRAMES); left > 0; left--) {
    const funcIndex = input.count();
    const position = input.count();
    const names = readPlain(input);
    const [funcName, moduleName] = Array.isArray(names) ? (names as FrameState[]) : [];
    frames.push({ funcIndex, position, funcName: textOrNull(funcName), moduleName: textOrNull(moduleName) });
  }
  error.backtrace = frames;
  return error;
}

function textOrNull(value: FrameState | undefined): string | null {
  return typeof value === "string" ? value : null;
}
