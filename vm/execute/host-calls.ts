/**
 * Calls of host functions: the first step and the continuations of frame functions, what they return, and the answers of those that
 * wait.
 */

import { InternalError, Trap } from "../errors.ts";
import { FRAME_RETURN_FUEL, FRAME_STEP_FUEL } from "../limits.ts";
import { continuationsOf, FrameRequest, SUSPEND, type GuestOutcome, type HostFunc } from "../runtime/func.ts";
import { slotCount, type Value } from "../runtime/values.ts";
import { Caller } from "./caller.ts";
import { directCaller } from "./direct-calls.ts";
import {
  asList,
  encodeDirect,
  encodeResult,
  encodeResults,
  hostName,
  isThenable,
  wrongResult,
} from "./host-results.ts";
import { Next, type Answer } from "./record.ts";
import type { RunState } from "./run-state.ts";
import { trapped } from "./unwinding.ts";

/** Words between the arguments of a frame function and those of the function it calls. */
export const HOST_FRAME_WORDS = 4;

/** Calls a host function whose arguments stand at `argsAt`. */
export function callHost(run: RunState, host: HostFunc, argsAt: number): void {
  const { definition, direct, type } = host;
  const args = direct === null ? run.decode(type.params, argsAt, false) : null;
  run.machine.argsAt = argsAt;
  run.beginHost(host);
  let result: unknown;
  try {
    if (args === null) {
      run.charge(host.directFuel);
      const caller = directCaller(run, host);
      result = direct!.call(caller);
      caller.leave();
    } else {
      const call = definition.call as (caller: Caller, ...args: Value[]) => unknown;
      result = call.call(definition, callerOf(run, host), ...args);
    }
  } catch (error) {
    run.directCaller?.leave();
    run.prepaid = 0;
    trapped(run, error);
    return;
  }
  run.prepaid = 0;
  returned(run, host, argsAt, result);
}

/** Runs one step of a host function and does what it wants next. */
function runStep(run: RunState, host: HostFunc, argsAt: number, step: () => unknown): void {
  run.machine.argsAt = argsAt;
  run.next = Next.Host;
  let result: unknown;
  try {
    result = step();
  } catch (error) {
    trapped(run, error);
    return;
  }
  returned(run, host, argsAt, result);
}

function returned(run: RunState, host: HostFunc, argsAt: number, result: unknown): void {
  if (typeof result === "object" && result instanceof FrameRequest && continuationsOf(host.definition) !== null) {
    pushHostFrame(run, host, argsAt, result);
    return;
  }
  if (host.direct !== null && result !== SUSPEND) {
    encodeDirect(run.store, host, result, run.machine.words, argsAt);
    run.next = Next.Return;
    return;
  }
  const { results } = host.type;
  // What most calls come to: a number, or nothing.
  const isNothing = results.length === 0 && (result === undefined || (Array.isArray(result) && result.length === 0));
  if (isNothing || (results.length === 1 && (typeof result === "number" || typeof result === "bigint"))) {
    if (!isNothing) encodeResult(run.store, host, results[0]!, result, run.machine.words, argsAt);
    run.next = Next.Return;
    return;
  }
  const pending = { host, argsAt };
  run.pending = pending;
  run.next = Next.Answer;
  run.answer = null;
  run.ready = null;
  if (result === SUSPEND) return;
  if (host.definition.kind === "async" && isThenable(result)) {
    run.ready = Promise.resolve(result).then(
      (value: unknown) => arrive(run, pending, { values: asList(host.type, value) }),
      (error: unknown) => arrive(run, pending, { error }),
    );
    return;
  }
  if (isThenable(result)) throw wrongResult(host, result, null);
  receive(run, { values: asList(host.type, result) });
}

/** An answer that comes late, when `resume` or `fail` has given another one, is of no interest. */
function arrive(run: RunState, pending: object, answer: Answer): void {
  if (run.pending === pending && run.answer === null) run.answer = answer;
}

/** Takes the answer of the pending host function and returns to its caller. */
export function receive(run: RunState, answer: Answer): void {
  const pending = run.pending;
  if (pending === null) throw new InternalError("an answer without a call");
  run.pending = null;
  run.answer = null;
  run.ready = null;
  if ("error" in answer) {
    trapped(run, answer.error);
    return;
  }
  encodeResults(run.store, pending.host, answer.values, run.machine.words, pending.argsAt);
  run.machine.argsAt = pending.argsAt;
  run.next = Next.Return;
}

/** A frame function wants the guest called, or to go on in its next turn. */
function pushHostFrame(run: RunState, host: HostFunc, argsAt: number, request: FrameRequest): void {
  const { func, args, continuation, state } = request;
  const called = func?.type ?? null;
  run.stack.pushHost(host, run.callerInstance, argsAt, continuation, state, called);
  run.charge(FRAME_STEP_FUEL);
  if (func === null || called === null) {
    run.next = Next.Continue;
    return;
  }
  if (func.store !== run.store) throw new TypeError("a function of another store");
  const { params, results } = called;
  if (args.length !== params.length) {
    throw new TypeError(`${hostName(host)} calls with ${args.length} arguments, ${params.length} expected`);
  }
  run.callerInstance = null;
  const x = run.machine;
  const own = Math.max(slotCount(host.type.params), slotCount(host.type.results)) * 2;
  const at = argsAt + own + HOST_FRAME_WORDS;
  const top = at + 2 * Math.max(slotCount(params), slotCount(results));
  if (top > run.maxWords) {
    trapped(run, new Trap("call stack exhausted"));
    return;
  }
  run.ensureWords(top);
  run.encode(params, args, at, false);
  x.callee = func.address;
  x.argsAt = at;
  run.next = Next.Call;
}

/** The frame function of the topmost activation goes on. */
export function continueHost(run: RunState, outcome: GuestOutcome | null): void {
  const { top } = run.stack;
  if (top.kind !== "host") throw new InternalError("no frame function to continue");
  const { host, caller, argsAt, continuation, state, called } = top;
  run.stack.pop();
  if (called !== null) run.charge(FRAME_RETURN_FUEL);
  const continuations = continuationsOf(host.definition);
  run.callerInstance = caller;
  if (continuations === null || !Object.hasOwn(continuations, continuation)) {
    throw new TypeError(`${hostName(host)} has no continuation ${JSON.stringify(continuation)}`);
  }
  const step = continuations[continuation]!;
  run.hostParams = [];
  runStep(run, host, argsAt, () => step(callerOf(run, host), state, outcome));
}

function callerOf(run: RunState, host: HostFunc): Caller {
  return new Caller(run.store, run.callerInstance, host, run);
}

/** Does what is left of a direct call that the hot loop has made and that did not simply return. */
export function finishDirect(run: RunState): void {
  const end = run.directEnd!;
  run.directEnd = null;
  if ("error" in end) trapped(run, end.error);
  else returned(run, end.host, run.machine.argsAt, end.result);
}
