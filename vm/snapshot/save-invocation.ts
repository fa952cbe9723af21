/** Writes paused invocations: where each frame stands, in terms of its module's text, and its live slots. */

import { InternalError, SnapshotError } from "../errors.ts";
import { hostName } from "../execute/host-results.ts";
import type { Invocation } from "../execute/invocation.ts";
import type { Activation } from "../execute/activations.ts";
import { type Answer, type InvocationRecord, Next } from "../execute/record.ts";
import { ANY_DEPTH, type HandlerSearch, Stage } from "../execute/search.ts";
import { Head, Link, Reg } from "../lower/code.ts";
import type { GuestOutcome, HostFunc } from "../runtime/func.ts";
import { HeapObject } from "../runtime/heap-object.ts";
import type { Instance } from "../runtime/instance.ts";
import { fitsI31 } from "../runtime/reference.ts";
import type { Store } from "../runtime/store.ts";
import { encodeValue, slotsOf } from "../runtime/values.ts";
import { Heap, heapOf, isRefType, type ValType } from "../types.ts";
import { writeExtern } from "./externs.ts";
import { ActivationKind, FrameKind } from "./format.ts";
import { FrameMaps } from "./frame-maps.ts";
import type { Slot } from "./frame-types.ts";
import type { Output } from "./output.ts";
import { PART_BYTES } from "./pace.ts";
import type { Place } from "./places.ts";
import { writeError } from "./pending-error.ts";
import { writePlain } from "./plain.ts";
import { acceptsExterns, type References } from "./references.ts";
import { type Numbers, type SnapshotOptions, unsavable } from "./save.ts";
import type { TypeNames } from "./types.ts";

interface Frame {
  readonly funcIndex: number;
  readonly fp: number;
  readonly isExact: boolean;
  readonly place: Place;
}

export class InvocationWriter {
  readonly #store: Store;
  readonly #numbers: Numbers;
  readonly #types: TypeNames;
  readonly #references: References;
  readonly #options: SnapshotOptions;
  readonly #maps = new FrameMaps();

  constructor(store: Store, numbers: Numbers, types: TypeNames, references: References, options: SnapshotOptions) {
    this.#store = store;
    this.#numbers = numbers;
    this.#types = types;
    this.#references = references;
    this.#options = options;
  }

  /** In steps of many frames. */
  *write(out: Output, invocations: readonly Invocation[]): Generator<void> {
    out.count(invocations.length);
    for (const invocation of invocations) {
      yield* this.#invocation(out, invocation, invocation.record!);
      if (this.#maps.pace.isOver(PART_BYTES)) yield;
    }
    // Who waits at which address, in the order of arrival.
    const waiters = new Map(invocations.map((invocation, index) => [invocation.record!.machine.waiter, index]));
    for (const memory of this.#numbers.memories.keys()) {
      const queue = memory.isShared ? memory.waiters.all().filter((waiter) => waiters.has(waiter)) : [];
      out.count(queue.length);
      for (const waiter of queue) out.count(waiters.get(waiter)!);
    }
  }

  *#invocation(out: Output, invocation: Invocation, record: InvocationRecord): Generator<void> {
    const { machine: x, activations } = record;
    const next = this.#next(record);
    out.count(record.entryAddress);
    out.flag(record.bits);
    out.count(record.usedBefore);
    out.count(record.debt);
    // A call that is made again has paid already.
    out.count(next === record.next ? record.prepaid : record.callFuel);
    out.flag(record.gaveWay);
    out.count(record.maxWords);
    out.count(x.limitWords / 2);
    out.flag(x.isExact);
    out.count(this.#instanceNumber(record.callerInstance));
    out.count(record.pinned.length);
    for (const { handle } of record.pinned) out.word(handle);
    out.u8(next);
    out.count(activations.length);
    for (const activation of activations) {
      const isTop = activation === activations[activations.length - 1];
      yield* this.#activation(out, record, activation, isTop && next === Next.Return);
      if (this.#maps.pace.isOver(PART_BYTES)) yield;
    }
    switch (next) {
      case Next.Run:
      case Next.Wait:
        yield* this.#machineFrames(out, record);
        break;
      case Next.Call:
        out.count(record.next === Next.Call ? x.callee : record.pending!.host.address);
        this.#values(out, record, this.#paramsOf(record), x.argsAt);
        break;
      case Next.Return:
        this.#values(out, record, this.#resultsAt(record), x.argsAt);
        break;
      case Next.Answer:
        this.#pending(out, invocation, record);
        break;
      case Next.Continue:
        this.#outcome(out, record.outcome, activations);
        break;
      case Next.Throw:
        out.word(x.exception);
        yield* this.#search(out, record, record.search!);
        break;
      default:
        throw new InternalError(`an invocation cannot be saved in state ${next}`);
    }
  }

  /** A call that is issued again is one that has not been made. */
  #next({ next, pending, answer, hostParams }: InvocationRecord): Next {
    if (next !== Next.Answer || pending === null || answer !== null) return next;
    const { definition, type } = pending.host;
    if (definition.saved === "resumable") return next;
    // After a continuation of a frame function its arguments are gone.
    const hasArguments = hostParams === type.params;
    if (definition.saved === "reissue" && hasArguments) return Next.Call;
    throw unsavable(`the call of ${hostName(pending.host)} waits, and is opaque`);
  }

  #instanceNumber(instance: Instance | null): number {
    return instance === null ? 0 : this.#numbers.instances.get(instance)! + 1;
  }

  *#activation(out: Output, record: InvocationRecord, activation: Activation, hasReturned: boolean): Generator<void> {
    switch (activation.kind) {
      case "entry":
        out.u8(ActivationKind.Entry);
        return;
      case "call": {
        out.u8(ActivationKind.Call);
        const frames = yield* this.#callers(record, activation.instance, activation.fp, activation.pc);
        yield* this.#frames(out, record, activation.instance, frames, hasReturned);
        return;
      }
      case "host": {
        out.u8(ActivationKind.Host);
        out.count(activation.host.address);
        out.count(this.#instanceNumber(activation.caller));
        out.text(activation.continuation);
        writePlain(out, activation.state, `the state of ${hostName(activation.host)}`);
        out.flag(activation.called !== null);
        if (activation.called !== null) this.#types.writeList(out, activation.called.results);
        return;
      }
      default:
        throw unsavable(`a frame of kind ${(activation as { kind: string }).kind}`);
    }
  }

  /** The frame that stands behind a call at `pc` and those below it in the same instance, innermost first. */
  *#callers({ machine: x }: InvocationRecord, instance: Instance, fp: number, pc: number): Generator<void, Frame[]> {
    const { code, module } = instance;
    const frames: Frame[] = [];
    while (pc !== 0) {
      const { start, funcIndex, isExact } = code.rangeAt(pc);
      const places =
        this.#maps.knownPlaces(module, funcIndex, isExact) ?? (yield* this.#maps.placesOf(module, funcIndex, isExact));
      const place = places.returnAt(pc - start);
      if (place === null) throw new InternalError(`no call before ${pc - start} of function ${funcIndex}`);
      frames.push({ funcIndex, fp, isExact, place });
      if (this.#maps.pace.isOver(PART_BYTES)) yield;
      const link = fp + code.words[start + Head.Link]!;
      pc = x.words[link + Link.ReturnPosition]!;
      fp -= x.words[link + Link.CallerDistance]!;
    }
    return frames;
  }

  *#machineFrames(out: Output, record: InvocationRecord): Generator<void> {
    const { machine: x, isInside } = record;
    const instance = x.instance!;
    const { start, funcIndex, isExact } = instance.code.rangeAt(x.pc);
    const places = yield* this.#maps.placesOf(instance.module, funcIndex, isExact);
    const place = places.safePointAt(x.pc - start, isInside, x.position) ?? places.boundaryAt(x.pc - start);
    if (place === null) throw new InternalError(`no place to pause at ${x.pc - start} of function ${funcIndex}`);
    const link = x.fp + instance.code.words[start + Head.Link]!;
    const callers = yield* this.#callers(
      record,
      instance,
      x.fp - x.words[link + Link.CallerDistance]!,
      x.words[link + Link.ReturnPosition]!,
    );
    callers.unshift({ funcIndex, fp: x.fp, isExact, place });
    yield* this.#frames(out, record, instance, callers, true);
    if (!isInside) return;
    out.flag(x.hasCollected);
    out.flag(x.isInsideBulk);
    if (x.isInsideBulk) {
      const a = x.fp + instance.code.words[x.pc + 1]!;
      out.count(x.words[a + (place.reg === Reg.TableGrow ? 3 : 1)]! >>> 0);
    }
    out.word(x.object);
    out.count(x.progress);
    out.flag(x.waiter !== null);
    if (x.waiter === null) return;
    const { address, timeoutNs, result } = x.waiter;
    const leftNs = this.#options.remainingNs?.(x.waiter) ?? timeoutNs;
    out.count(address);
    out.text(timeoutNs === null ? "" : String(leftNs));
    out.u8(result === null ? 0 : result + 1);
  }

  *#search(out: Output, record: InvocationRecord, search: HandlerSearch): Generator<void> {
    const { isInCode, stage, level, frames, depth, deepest, clause } = search;
    out.flag(isInCode);
    if (isInCode) yield* this.#machineFrames(out, record);
    out.u8(stage);
    out.count(level);
    out.count(frames);
    if (stage !== Stage.Handler) return;
    out.count(depth + 1);
    out.flag(deepest !== ANY_DEPTH);
    if (deepest !== ANY_DEPTH) out.count(deepest);
    out.count(clause);
  }

  /** `isComplete`: the operands of the innermost frame are all its own; else the topmost are its callee's. */
  *#frames(
    out: Output,
    record: InvocationRecord,
    instance: Instance,
    frames: readonly Frame[],
    isComplete: boolean,
  ): Generator<void> {
    const { machine: x } = record;
    out.count(this.#instanceNumber(instance));
    out.count(frames.length);
    for (let i = frames.length - 1; i >= 0; i--) {
      const { funcIndex, fp, isExact, place } = frames[i]!;
      const { module } = instance;
      const { locals, operands } =
        this.#maps.knownTypes(module, funcIndex, isExact, place) ??
        (yield* this.#maps.typesAt(module, funcIndex, isExact, place));
      out.count(funcIndex);
      out.u8(place.number < 0 ? FrameKind.Boundary : FrameKind.SafePoint);
      out.count(place.byteOffset);
      if (place.number >= 0) out.count(place.number);
      const isInnermost = i === 0 && isComplete;
      const count = isInnermost ? operands.length : operands.length - place.results;
      const write = ({ type, at }: Slot) => this.#references.write(out, type, x.words, fp + at);
      locals.forEach(write);
      operands.slice(0, count).forEach(write);
      if (this.#maps.pace.isOver()) yield;
    }
  }

  #values(out: Output, { machine: x }: InvocationRecord, types: readonly ValType[], at: number): void {
    for (const type of types) {
      this.#references.write(out, type, x.words, at);
      at += 2 * slotsOf(type);
    }
  }

  #paramsOf({ machine: x, next, type, entryAddress, pending, activations }: InvocationRecord): readonly ValType[] {
    if (next === Next.Answer) return pending!.host.type.params;
    if (activations.length === 1 && x.callee === entryAddress) return type.params;
    return this.#store.typeAt(x.callee).params;
  }

  /** Types of results that belong to no frame. */
  #resultsAt({ activations, type }: InvocationRecord): readonly ValType[] {
    const top = activations[activations.length - 1];
    if (top?.kind === "entry") return type.results;
    return top?.kind === "host" ? (top.called?.results ?? []) : [];
  }

  #pending(out: Output, invocation: Invocation, record: InvocationRecord): void {
    const { host } = record.pending!;
    out.count(host.address);
    out.flag(record.answer !== null);
    if (record.answer !== null) this.#answer(out, host, record.answer);
    else writePlain(out, this.#options.hostState?.(invocation) ?? null, `the state of ${hostName(host)}`);
    // They keep objects alive until the answer is received.
    out.flag(record.hostParams.length > 0);
    this.#values(out, record, record.hostParams, record.machine.argsAt);
  }

  #answer(out: Output, host: HostFunc, answer: Answer): void {
    out.flag("values" in answer);
    if (!("values" in answer)) {
      this.#error(out, answer.error);
      return;
    }
    const { results } = host.type;
    try {
      if (answer.values.length !== results.length) throw new TypeError(`${answer.values.length} values`);
      results.forEach((type, i) => {
        this.#result(out, type, answer.values[i]);
      });
    } catch (error) {
      if (error instanceof SnapshotError) throw error;
      throw unsavable(`the answer of ${hostName(host)}: ${String(error)}`);
    }
  }

  /** A value that the store has not got yet is none of its host values until it is received. */
  #result(out: Output, type: ValType, value: unknown): void {
    const isNew = this.#isNewExtern(type, value);
    out.flag(isNew);
    if (isNew) {
      writeExtern(out, this.#store, value, this.#options.externName, true);
      return;
    }
    const words = new Int32Array(2 * slotsOf(type));
    encodeValue(this.#store, type, value, words, 0);
    this.#references.write(out, type, words, 0);
  }

  #isNewExtern(type: ValType, value: unknown): boolean {
    if (!isRefType(type) || value === null || value === undefined) return false;
    const store = this.#store;
    const top = store.engine.types.topOf(heapOf(type));
    if (top === Heap.Func || top === Heap.Exn || value instanceof HeapObject || fitsI31(value)) return false;
    if (!acceptsExterns(type)) throw new TypeError("a host value of another type");
    return !(store.hasHeap && store.heap.externs.has(value));
  }

  #outcome(out: Output, outcome: GuestOutcome | null, activations: readonly Activation[]): void {
    const top = activations[activations.length - 1];
    if (top?.kind !== "host") throw new InternalError("no frame function to continue");
    out.flag(outcome !== null);
    if (outcome === null) return;
    if (outcome.kind === "returned") throw new InternalError("an outcome that was not delivered");
    this.#error(out, outcome.error);
  }

  #error(out: Output, error: unknown): void {
    writeError(out, this.#store, error, this.#options.errorState);
  }
}
