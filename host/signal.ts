/** Exit reasons and signals as values: everything that passes between processes except data. */

import { Termination, Trap, type TerminationReason } from "../vm/index.ts";
import { ProcessExit } from "./wasi/proc.ts";

/** The identity of a process in its environment: a counter from 1, never used twice. */
export type Pid = number;

/** Why a process ended. */
export type ExitReason =
  /** Its entry function returned. */
  | { readonly kind: "normal" }
  /** It called `proc_exit`. */
  | { readonly kind: "code"; readonly code: number }
  /** Somebody killed it. `by` is null for the embedder; `cause` is the reason of the signal that was aborted. */
  | { readonly kind: "killed"; readonly by: Pid | null; readonly cause?: unknown }
  /** A linked process failed. */
  | { readonly kind: "link"; readonly pid: Pid; readonly reason: ExitReason }
  /** There never was such a process, or it has ended. */
  | { readonly kind: "noproc" }
  | { readonly kind: "trap"; readonly error: Trap }
  /** A limit, or an import that is not permitted. */
  | { readonly kind: "limit"; readonly limit: TerminationReason; readonly error: Termination }
  /** A host function threw, the entry does not exist, or a native process rejected. */
  | { readonly kind: "error"; readonly error: unknown };

export const NORMAL: ExitReason = { kind: "normal" };
export const NO_PROCESS: ExitReason = { kind: "noproc" };

/** Whether links hear of it: everything but a return and `proc_exit(0)`. */
export function isFailure(reason: ExitReason): boolean {
  return reason.kind !== "normal" && !(reason.kind === "code" && reason.code === 0);
}

/** The reason of a process whose run ended with `error`. */
export function reasonOf(error: unknown): ExitReason {
  if (error instanceof ProcessExit) return { kind: "code", code: error.code };
  if (error instanceof Trap) return { kind: "trap", error };
  if (error instanceof Termination) return { kind: "limit", limit: error.reason, error };
  return { kind: "error", error };
}

/** Links in a reason before what stands between the last and the first cause is left out: chains may be of any length. */
const MAX_LINKS = 16;

/** Why a process ends that is linked to `pid`, which ended for `reason`. */
export function reasonOfLink(pid: Pid, reason: ExitReason): ExitReason {
  let links = 0;
  let cause = reason;
  for (; cause.kind === "link"; links++) cause = cause.reason;
  return { kind: "link", pid, reason: links < MAX_LINKS ? reason : cause };
}

/** One line for people. Text of guests in it is theirs: escape it before printing. */
export function reasonText(reason: ExitReason): string {
  // Reasons of links are values inside values: followed without recursion, and only so far.
  let text = "";
  for (let depth = 0; ; depth++) {
    if (reason.kind !== "link") return text + simpleText(reason);
    text += `process ${reason.pid} that it is linked to ended: `;
    if (depth === 3) return `${text}…`;
    reason = reason.reason;
  }
}

function simpleText(reason: Exclude<ExitReason, { kind: "link" }>): string {
  switch (reason.kind) {
    case "normal":
      return "normal";
    case "code":
      return `exit with code ${reason.code}`;
    case "killed":
      return (reason.by === null ? "killed" : `killed by process ${reason.by}`) + causeText(reason.cause);
    case "noproc":
      return "no such process";
    case "trap":
      return `trap: ${reason.error.message}`;
    case "limit":
      return reason.error.message;
    default:
      return reason.error instanceof Error ? reason.error.message : String(reason.error);
  }
}

/** Nothing where nobody has given a cause: the platform's says no more than that it was aborted. */
function causeText(cause: unknown): string {
  if (cause === undefined || (cause instanceof Error && cause.name === "AbortError")) return "";
  return `: ${cause instanceof Error ? cause.message : String(cause)}`;
}

/** A signal, as the trace shows it. Delivered at once, in the order they are sent. */
export type Signal =
  | { readonly kind: "message"; readonly tag: bigint; readonly byteLength: number }
  | { readonly kind: "kill" | "monitor" | "stop-monitoring" | "unlink" }
  /** `tag` is what the receiver is told with. */
  | { readonly kind: "link"; readonly tag: bigint }
  | { readonly kind: "link-died"; readonly tag: bigint; readonly reason: ExitReason }
  | { readonly kind: "process-died" };
