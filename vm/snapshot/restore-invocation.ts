/**
 * Reads what save-invocation.ts writes. A frame may stand only where its function can pause, its callee only where it
 * has made a call that takes such results, and every slot holds what the stack map says; where frames lie follows
 * from that and is not part of a snapshot.
 */

import { GuestExit, Trap } from "../errors.ts";
import { HOST_FRAME_WORDS } from "../execute/host-calls.ts";
import { Invocation } from "../execute/invocation.ts";
import type { Activation } from "../execute/activations.ts";
import { Machine } from "../execute/machine.ts";
import { type Answer, type InvocationRecord, Next } from "../execute/record.ts";
import { ANY_DEPTH, HandlerSearch, Stage } from "../execute/search.ts";
import { INITIAL_FRAME_SLOTS, LOWERING_STEP_INSTRUCTIONS } from "../limits.ts";
import { Head, Link, Reg } from "../lower/code.ts";
import { instantiationIndex } from "../lower/instantiation.ts";
import { continuationsOf, type FrameState, type GuestOutcome, type HostFunc } from "../runtime/func.ts";
import { GuestException } from "../runtime/guest-exception.ts";
import type { HeapObject } from "../runtime/heap-object.ts";
import type { Instance } from "../runtime/instance.ts";
import { decodeValue, slotCount, slotsOf, type Value } from "../runtime/values.ts";
import type { Waiter, WaitResult } from "../runtime/waiters.ts";
import { type FuncType, Heap, refType, type ValType } from "../types.ts";
import { ActivationKind, FrameKind } from "./format.ts";
import { FrameMaps } from "./frame-maps.ts";
import type { Slot } from "./frame-types.ts";
import { PART_BYTES } from "./pace.ts";
import { type Place, PlaceKind, type PlaceMap } from "./places.ts";
import { readError } from "./pending-error.ts";
import { readPlain } from "./plain.ts";
import { acceptsExterns } from "./references.ts";
import type { StoreReader } from "./restore.ts";

/** Slots that arguments and results of an entry may need whatever the limit of depth is. */
const MIN_SLOTS = 4_096;
const NONNULL_EXNREF = refType(Heap.Exn, false);
const NO_TYPE: FuncType = { params: [], results: [] };

/** The innermost of the frames that were read, and what lies above it. */
interface Segment {
  readonly instance: Instance;
  readonly fp: number;
  readonly pc: number;
  readonly place: Place;
  /** Where the next frame begins, and the results that it must leave. */
  readonly callTop: number;
  readonly results: readonly ValType[];
}

interface Wait {
  readonly machine: Machine;
  readonly address: number;
  readonly timeoutNs: bigint | null;
  readonly result: WaitResult | null;
  readonly memory: number;
}

export class InvocationReader {
  readonly #reader: StoreReader;
  readonly #invocations: Invocation[] = [];
  readonly #hostStates: FrameState[] = [];
  readonly #waits = new Map<number, Wait>();
  /** Arrays in the making that an operation has claimed. */
  readonly #claimed = new Set<number>();
  readonly #maps = new FrameMaps();

  constructor(reader: StoreReader) {
    this.#reader = reader;
  }

  /** In steps of many frames. */
  *read(): Generator<void, { readonly invocations: Invocation[]; readonly hostStates: FrameState[] }> {
    const { input, memories } = this.#reader;
    for (let left = input.items(); left > 0; left--) {
      const one = new OneInvocation(this.#reader, this.#claimed, this.#maps);
      const { invocation, hostState, wait } = yield* one.read();
      if (this.#maps.pace.isOver(PART_BYTES)) yield;
      if (wait !== null) this.#waits.set(this.#invocations.length, wait);
      this.#invocations.push(invocation);
      this.#hostStates.push(hostState);
    }
    memories.forEach((memory, number) => {
      for (let left = input.items(); left > 0; left--) {
        const index = input.count();
        const wait = this.#waits.get(index);
        if (wait?.memory !== number || wait.result !== null) throw input.invalid(`invocation ${index} does not wait`);
        wait.machine.waiter = memory.waiters.add(wait.address, wait.timeoutNs);
        this.#waits.delete(index);
      }
    });
    for (const { machine, address, timeoutNs, result, memory } of this.#waits.values()) {
      if (result === null) throw input.invalid("a wait in no queue");
      const waiter: Waiter = memories[memory]!.waiters.add(address, timeoutNs);
      waiter.end(result);
      machine.waiter = waiter;
    }
    return { invocations: this.#invocations, hostStates: this.#hostStates };
  }
}

class OneInvocation {
  readonly #reader: StoreReader;
  readonly #claimed: Set<number>;
  readonly #maps: FrameMaps;
  #machine!: Machine;
  #maxWords = 0;
  #entryAddress = 0;
  #isInside = false;
  #wait: Wait | null = null;
  readonly #activations: Activation[] = [];
  /** Where the next frame begins. */
  #base = 0;
  /** The results that whatever runs above must leave there. */
  #expected: readonly ValType[] = [];

  constructor(reader: StoreReader, claimed: Set<number>, maps: FrameMaps) {
    this.#reader = reader;
    this.#claimed = claimed;
    this.#maps = maps;
  }

  *read(): Generator<
    void,
    { readonly invocation: Invocation; readonly hostState: FrameState; readonly wait: Wait | null }
  > {
    const { input, store, references } = this.#reader;
    this.#entryAddress = input.count();
    const type = this.#entryType();
    const bits = input.flag();
    const usedBefore = input.count();
    const debt = input.count();
    const prepaid = input.count();
    const gaveWay = input.flag();
    this.#maxWords = input.count(store.maxFrameSlots * 2);
    const slots = input.count(Math.max(store.maxFrameSlots, MIN_SLOTS));
    const x = new Machine(Math.max(slots, INITIAL_FRAME_SLOTS));
    this.#machine = x;
    x.isExact = input.flag();
    const callerInstance = this.#instanceOrNull();
    const pinned = Array.from({ length: input.items() }, () => this.#object());
    const next: Next = input.u8();
    this.#expected = type.results;
    for (let left = input.items(); left > 0; left--) {
      yield* this.#activation(left === 1 && next === Next.Return);
      if (this.#maps.pace.isOver(PART_BYTES)) yield;
    }
    const top = this.#activations[this.#activations.length - 1];
    if (top === undefined) throw input.invalid("no activation");
    x.argsAt = this.#base;
    let pending: InvocationRecord["pending"] = null;
    let answer: Answer | null = null;
    let hostParams: readonly ValType[] = [];
    let hostState: FrameState = null;
    let outcome: GuestOutcome | null = null;
    let search: HandlerSearch | null = null;
    switch (next) {
      case Next.Run:
      case Next.Wait:
        yield* this.#machineFrames(next);
        break;
      case Next.Call:
        x.callee = input.count();
        this.#values(this.#calleeParams(type, top));
        break;
      case Next.Return:
        if (top.kind === "host" && top.called === null) throw input.invalid("a return to where nothing was called");
        if (top.kind !== "call") this.#values(this.#expected);
        break;
      case Next.Answer: {
        const host = this.#hostAt(input.count());
        this.#checkResults(host.type.results);
        pending = { host, argsAt: this.#base };
        if (input.flag()) answer = this.#answer(host);
        else {
          if (host.definition.saved !== "resumable") throw input.invalid("a call that waits, and is not resumable");
          hostState = readPlain(input);
        }
        if (input.flag()) {
          hostParams = host.type.params;
          this.#values(hostParams);
        }
        break;
      }
      case Next.Continue:
        if (top.kind !== "host") throw input.invalid("no frame function to continue");
        if (input.flag()) {
          const error = this.#error();
          if (error instanceof GuestException) outcome = { kind: "threw", error };
          else if (error instanceof Trap || error instanceof GuestExit) outcome = { kind: "trapped", error };
          else throw input.invalid("an error that cannot be contained");
        }
        if ((outcome === null) !== (top.called === null)) throw input.invalid("an outcome without a call");
        break;
      case Next.Throw:
        x.exception = input.word();
        references.check(input, x.exception, NONNULL_EXNREF);
        search = yield* this.#search();
        break;
      default:
        throw input.invalid(`state ${next}`);
    }
    if (top.kind === "host" && top.called === null && next !== Next.Continue) {
      throw input.invalid("a call that was not made");
    }
    const record: InvocationRecord = {
      machine: x,
      type,
      entryAddress: this.#entryAddress,
      bits,
      activations: this.#activations,
      next,
      pending,
      answer,
      hostParams,
      isInside: this.#isInside,
      usedBefore,
      debt,
      gaveWay,
      outcome,
      search,
      callerInstance,
      maxWords: this.#maxWords,
      pinned,
      callFuel: 0,
      prepaid,
    };
    return { invocation: Invocation.restored(store, record), hostState, wait: this.#wait };
  }

  #entryType(): FuncType {
    const { input, store } = this.#reader;
    if (this.#isInstantiation(this.#entryAddress)) return NO_TYPE;
    if (!this.#reader.isFuncAt(this.#entryAddress)) throw input.invalid(`function ${this.#entryAddress}`);
    return store.typeAt(this.#entryAddress);
  }

  /** Whether an address is that of the synthetic function that instantiates a module. */
  #isInstantiation(address: number): boolean {
    const { store } = this.#reader;
    if (address <= 0 || address >= store.nextAddress) return false;
    const owner = store.ownerOf(address);
    return !("definition" in owner) && address - owner.funcsAt === instantiationIndex(owner.module.data);
  }

  #instanceOrNull(): Instance | null {
    const { input, instances } = this.#reader;
    const number = input.index(instances.length + 1, "instance");
    return number === 0 ? null : instances[number - 1]!;
  }

  #object(): HeapObject {
    const { input, heap, store } = this.#reader;
    const handle = input.word();
    if (heap?.isObjectAt(handle) !== true) throw input.invalid("no object where one is kept");
    return store.heap.wrap(handle);
  }

  #hostAt(address: number): HostFunc {
    const { input, store } = this.#reader;
    const owner = this.#reader.isFuncAt(address) ? store.ownerOf(address) : null;
    if (owner === null || !("definition" in owner)) throw input.invalid(`host function ${address}`);
    return owner;
  }

  /** What leaves `results` may be called where the present ones are expected. */
  #checkResults(results: readonly ValType[]): void {
    const { input, store } = this.#reader;
    const expected = this.#expected;
    const { types } = store.engine;
    if (results.length === expected.length && results.every((type, i) => types.matchesVal(type, expected[i]!))) return;
    throw input.invalid("a function with other results than its caller takes");
  }

  #reserve(top: number): void {
    if (top > this.#machine.limitWords) throw this.#reader.input.invalid(`a frame up to word ${top}`);
  }

  /** Values that belong to no frame. */
  #values(types: readonly ValType[]): void {
    const { input, references } = this.#reader;
    let at = this.#base;
    this.#reserve(at + 2 * slotCount(types));
    for (const type of types) {
      references.read(input, type, this.#machine.words, at);
      at += 2 * slotsOf(type);
    }
  }

  *#activation(hasReturned: boolean): Generator<void> {
    const { input } = this.#reader;
    const kind = input.u8();
    if ((kind === ActivationKind.Entry) !== (this.#activations.length === 0)) throw input.invalid("an entry inside");
    switch (kind) {
      case ActivationKind.Entry:
        this.#activations.push({ kind: "entry" });
        return;
      case ActivationKind.Call: {
        const { instance, fp, pc, place, callTop, results } = yield* this.#frames(false, hasReturned);
        this.#activations.push({ kind: "call", instance, pc, fp, position: place.fuel });
        this.#base = callTop;
        this.#expected = results;
        return;
      }
      case ActivationKind.Host:
        this.#hostFrame();
        return;
      default:
        throw input.invalid(`activation of kind ${kind}`);
    }
  }

  #hostFrame(): void {
    const { input, types } = this.#reader;
    const top = this.#activations[this.#activations.length - 1];
    if (top?.kind === "host" && top.called === null) throw input.invalid("a call that was not made");
    const host = this.#hostAt(input.count());
    this.#checkResults(host.type.results);
    const caller = this.#instanceOrNull();
    const continuation = input.text();
    const { type } = host;
    const continuations = continuationsOf(host.definition);
    if (continuations === null || !Object.hasOwn(continuations, continuation)) {
      throw input.invalid(`no continuation ${JSON.stringify(continuation)}`);
    }
    const state = readPlain(input);
    const called = input.flag() ? { params: [], results: types.readList(input) } : null;
    this.#activations.push({ kind: "host", host, caller, argsAt: this.#base, continuation, state, called });
    this.#expected = called?.results ?? [];
    const own = Math.max(slotCount(type.params), slotCount(type.results)) * 2;
    this.#reserve(this.#base + own);
    this.#base += own + HOST_FRAME_WORDS;
    this.#reserve(this.#base + 2 * slotCount(this.#expected));
  }

  /** Reads frames of one instance, outermost first. `isMachine`: the last one runs; else it stands behind a call. */
  *#frames(isMachine: boolean, hasReturned: boolean): Generator<void, Segment> {
    const { input } = this.#reader;
    const instance = this.#instanceOrNull();
    if (instance === null) throw input.invalid("frames of no instance");
    let left = input.items();
    if (left === 0) throw input.invalid("no frames");
    const x = this.#machine;
    let segment: Segment | null = null;
    for (; left > 0; left--) {
      const isLast = left === 1;
      const fp = this.#base;
      const isRunning = isMachine && isLast;
      const { module, code } = instance;
      const { funcIndex, kind, byteOffset, isExact } = this.#frameHead(instance, segment === null);
      const places =
        this.#maps.knownPlaces(module, funcIndex, isExact) ?? (yield* this.#maps.placesOf(module, funcIndex, isExact));
      const place = this.#place(places, kind, byteOffset, isRunning);
      if (place === null) throw input.invalid(`function ${funcIndex} cannot stand at ${byteOffset}`);
      while (!module.lower(funcIndex, isExact, LOWERING_STEP_INSTRUCTIONS)) yield;
      const entry = (isExact ? code.exactEntries : code.entries)[funcIndex]!;
      const pc = entry - Head.Length + place.codePosition;
      if (this.#isInstantiation(instance.funcsAt + funcIndex)) this.#checkResults([]);
      else this.#checkResults(instance.module.funcType(funcIndex).results);
      const head = pc - place.codePosition;
      const link = instance.code.words[head + Head.Link]!;
      const top = fp + instance.code.words[head + Head.FrameWords]!;
      if (top > this.#maxWords) throw input.invalid("more frames than are allowed");
      this.#reserve(top);
      const { locals, operands, callTop } =
        this.#maps.knownTypes(module, funcIndex, isExact, place) ??
        (yield* this.#maps.typesAt(module, funcIndex, isExact, place));
      const results = operands.slice(operands.length - place.results);
      const isComplete = isLast && (isMachine || hasReturned);
      const live = isComplete ? operands : operands.slice(0, operands.length - place.results);
      this.#slots(locals, fp);
      this.#slots(live, fp);
      if (segment !== null) {
        x.words[fp + link + Link.ReturnPosition] = segment.pc;
        x.words[fp + link + Link.CallerDistance] = fp - segment.fp;
        x.words[fp + link + Link.ReturnP] = segment.place.fuel;
      }
      this.#base = fp + callTop;
      this.#expected = results.map(({ type }) => type);
      segment = { instance, fp, pc, place, callTop: this.#base, results: this.#expected };
      if (this.#maps.pace.isOver()) yield;
    }
    return segment!;
  }

  #slots(slots: readonly Slot[], fp: number): void {
    const { input, references } = this.#reader;
    for (const { type, at, mayBeNull } of slots) references.read(input, type, this.#machine.words, fp + at, mayBeNull);
  }

  /** Reads which function a frame is of, and which instruction it stands at. */
  #frameHead(
    instance: Instance,
    isFirst: boolean,
  ): { readonly funcIndex: number; readonly kind: FrameKind; readonly byteOffset: number; readonly isExact: boolean } {
    const { input } = this.#reader;
    const { module, funcsAt } = instance;
    const funcIndex = input.count();
    const isInstantiation = funcIndex === instantiationIndex(module.data);
    const isOutermost = isFirst && this.#activations.length === 1;
    const isHere = isInstantiation
      ? isOutermost && funcsAt + funcIndex === this.#entryAddress
      : funcIndex < module.data.funcs.length && !instance.isImported(funcIndex);
    if (!isHere) throw input.invalid(`a frame of function ${funcIndex}`);
    const kind = input.u8();
    const byteOffset = input.count();
    return { funcIndex, kind, byteOffset, isExact: kind === FrameKind.Boundary || this.#machine.isExact };
  }

  /** Reads the rest of where a frame stands; null if none of its function may stand there. */
  #place(places: PlaceMap, kind: FrameKind, byteOffset: number, isRunning: boolean): Place | null {
    let place: Place | null | undefined;
    if (kind === FrameKind.SafePoint) place = places.places[this.#reader.input.count()];
    else if (kind === FrameKind.Boundary && isRunning) place = places.boundaryBefore(byteOffset);
    if (!place || place.byteOffset !== byteOffset) return null;
    return isRunning || place.kind === PlaceKind.AfterCall ? place : null;
  }

  /** The place of the innermost one. */
  *#machineFrames(next: Next): Generator<void, Place> {
    const { input } = this.#reader;
    const x = this.#machine;
    const { instance, fp, pc, place } = yield* this.#frames(true, true);
    x.enter(instance);
    x.fp = fp;
    x.pc = pc;
    x.position = place.fuel;
    this.#isInside = place.kind === PlaceKind.Inside;
    if (this.#isInside) this.#inside(instance, place);
    if ((next === Next.Wait) !== (this.#wait !== null)) throw input.invalid("a wait that nobody waits for");
    return place;
  }

  /** The frame that has thrown stands at its `throw`; handlers are those around where the frames stand. */
  *#search(): Generator<void, HandlerSearch> {
    const { input } = this.#reader;
    const isInCode = input.flag();
    if (isInCode) {
      const { reg } = yield* this.#machineFrames(Next.Throw);
      if (!this.#isInside || (reg !== Reg.Throw && reg !== Reg.ThrowRef))
        throw input.invalid("an exception that nothing has thrown");
    }
    const stage: Stage = input.u8();
    const level = input.count();
    const frames = input.count();
    const hasHandler = stage === Stage.Handler;
    const depth = hasHandler ? input.count() - 1 : -1;
    const deepest = hasHandler && input.flag() ? input.count() : ANY_DEPTH;
    const clause = hasHandler ? input.count() : 0;
    const search = new HandlerSearch();
    const place = { isInCode, stage, level, frames, depth, deepest, clause };
    if (stage > Stage.Handler || !(yield* search.goTo(this.#machine, this.#activations, place))) {
      throw input.invalid("a search for a handler that cannot be there");
    }
    return search;
  }

  /** The state of an operation that has begun. */
  #inside(instance: Instance, place: Place): void {
    const { input } = this.#reader;
    const x = this.#machine;
    const code = instance.code.words;
    const a = x.fp + code[x.pc + 1]!;
    x.hasCollected = input.flag();
    x.isInsideBulk = input.flag();
    if (x.isInsideBulk) {
      if (place.reg !== Reg.MemoryGrow && place.reg !== Reg.TableGrow) throw input.invalid("growth of nothing");
      const countAt = place.reg === Reg.TableGrow ? a + 2 : a;
      x.words[countAt + 1] = input.count(x.words[countAt]! >>> 0);
    }
    x.object = input.word();
    x.progress = input.count();
    if (x.object !== 0) this.#unfinishedArray(place, code[x.pc + 2]!, a);
    else if (x.progress !== 0) throw input.invalid("progress of nothing");
    if (!input.flag()) return;
    if (place.reg !== Reg.AtomicWait) throw input.invalid("a wait elsewhere");
    this.#readWait(instance, code[x.pc + 4]!);
  }

  #readWait(instance: Instance, memoryIndex: number): void {
    const { input, memories } = this.#reader;
    const memory = instance.memories[memoryIndex]!;
    const address = input.count();
    const text = input.text();
    if (!/^\d{0,20}$/.test(text)) throw input.invalid("a time");
    const result = input.u8();
    if (!memory.isShared || address >= memory.byteLength || result > 3) throw input.invalid("a wait");
    this.#wait = {
      machine: this.#machine,
      address,
      timeoutNs: text === "" ? null : BigInt(text),
      result: result === 0 ? null : result - 1,
      memory: memories.indexOf(memory),
    };
  }

  /** The array that the operation makes is of its type and length. */
  #unfinishedArray(place: Place, typeId: number, a: number): void {
    const { input, heap, store } = this.#reader;
    const x = this.#machine;
    const found = heap?.unfinishedLayout(x.object);
    if (found === undefined || found.typeId !== typeId || heap!.unfinished.get(x.object) !== x.progress) {
      throw input.invalid("another array than the one that is made");
    }
    if (this.#claimed.has(x.object)) throw input.invalid("an array that is made twice");
    this.#claimed.add(x.object);
    const slotWords = found.layout.elementBytes === 16 ? 4 : 2;
    const length = lengthAt(place.reg, x.words, a, slotWords);
    if (length !== store.heap.arrayLength(x.object)) throw input.invalid("an array of another length");
  }

  #calleeParams(type: FuncType, top: Activation): readonly ValType[] {
    const { input, store } = this.#reader;
    const { callee } = this.#machine;
    const isEntry = top.kind === "entry" && callee === this.#entryAddress;
    if (!isEntry && !this.#reader.isFuncAt(callee)) throw input.invalid(`function ${callee}`);
    const { params, results } = isEntry ? type : store.typeAt(callee);
    this.#checkResults(results);
    this.#reserve(this.#base + 2 * slotCount(results));
    return params;
  }

  #answer(host: HostFunc): Answer {
    const { input, store } = this.#reader;
    if (!input.flag()) return { error: this.#error() };
    const values: Value[] = host.type.results.map((type) => {
      if (!input.flag()) {
        this.#values([type]);
        return decodeValue(store, type, this.#machine.words, this.#base);
      }
      const value = this.#reader.extern();
      if (!acceptsExterns(type) || value === null || value === undefined) throw input.invalid("a host value");
      return value;
    });
    return { values };
  }

  #error(): Error {
    const { input, store, references, options } = this.#reader;
    return readError(input, store, references, options.error);
  }
}

/** The length that an operation which makes an array in several turns has among its operands; -1 for others. */
function lengthAt(reg: number, words: Int32Array, a: number, slotWords: number): number {
  switch (reg) {
    case Reg.ArrayNew:
      return words[a + slotWords]! >>> 0;
    case Reg.ArrayNewDefault:
      return words[a]! >>> 0;
    case Reg.ArrayNewData:
    case Reg.ArrayNewElem:
      return words[a + 2]! >>> 0;
    default:
      return -1;
  }
}
