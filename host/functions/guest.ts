/**
 * What a host function sees of the process that calls it: memory in checked pieces, fuel, and the
 * means to trap or to wait. Nothing here hands out a view of guest memory, so nothing of a call can
 * reach memory that has become somebody else's.
 */

import type { Caller, Instance } from "../../vm/index.ts";
import { Memory, Trap } from "../../vm/index.ts";
import type { Process } from "../process.ts";
import { FEW_TAGS, TagSet } from "../tag-table.ts";
import { EffectHash } from "./effect-hash.ts";

/** Bytes of a text given by a guest: names, texts of configurations. */
export const MAX_TEXT_BYTES = 1_048_576;
/** Characters of an error's text. */
const MAX_ERROR_LENGTH = 4_096;

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();
/** Where texts lie while they are decoded: a copy of its own for each would be a buffer outside of V8's heap. */
const DECODING_BYTES = 65_536;
let decoding: { readonly bytes: Uint8Array; readonly view: DataView } | null = null;

/**
 * Names that are asked for again and again, entries of processes above all, by a hash of their bytes: a new string for each, and a view
 * of its bytes, would be a tenth of what spawning leaves to collect.
 */
const SHORT_TEXT_BYTES = 32;
const SHORT_TEXTS = new Array<string>(64).fill("");
/** Codes of the one that is read. */
const SHORT_TEXT: number[] = [];

function isText(text: string, codes: readonly number[]): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) !== codes[i]) return false;
  return true;
}

/** The text of the last error, and its bytes, which nobody changes: who fails again and again fails for the same reason. */
let lastError = "";
let lastErrorBytes = encoder.encode("");

function bytesOfError(text: string): Uint8Array {
  if (text !== lastError) {
    lastError = text;
    lastErrorBytes = encoder.encode(text);
  }
  return lastErrorBytes;
}

/** One for each process. Valid while the host function runs, and in the `finish` of one that waits. */
export class Guest {
  readonly process: Process;
  caller!: Caller;
  /** The function's full name, for the text of traps. */
  #functionName = "";
  /** The memory of the instance that called last. */
  #memory: Memory | null = null;
  #memoryOf: Instance | null = null;
  /** What the call changed, for the trace; null when nobody traces. */
  effects: EffectHash | null = null;

  constructor(process: Process) {
    this.process = process;
  }

  /** A call begins. */
  enter(caller: Caller, functionName: string): void {
    this.caller = caller;
    this.#functionName = functionName;
    if (this.process.runtime.trace !== null) this.effects = new EffectHash();
  }

  /** A trap that ends the process unless `trap::catch` contains it. */
  trap(reason: string): Trap {
    return new Trap("host function trapped", `${this.#functionName}: ${reason}`);
  }

  charge(fuel: number): void {
    this.caller.chargeFuel(fuel);
  }

  /** The price of bytes that the host moves for the guest: the engine's of `memory.copy`. */
  chargeBytes(byteLength: number): void {
    this.caller.chargeFuel(byteLength >>> 6);
  }

  /** The instance that calls: the process's own when the call comes from no guest code. */
  get instance(): Instance | null {
    return this.caller.instance ?? this.process.instance;
  }

  get memory(): Memory {
    const { instance } = this;
    if (this.#memory === null || this.#memoryOf !== instance) {
      const memory = instance?.export("memory");
      if (!(memory instanceof Memory)) throw this.trap("the module exports no memory named `memory`");
      this.#memory = memory;
      this.#memoryOf = instance;
    }
    return this.#memory;
  }

  /** Throws a trap unless all of the range is in memory. Addresses and lengths are unsigned. */
  checkRange(address: number, byteLength: number): void {
    if (address + byteLength > this.memory.byteLength) {
      throw this.trap(`out of bounds memory access: ${byteLength} bytes at address ${address}`);
    }
  }

  /** A copy, charged by its length. */
  readBytes(address: number, byteLength: number): Uint8Array {
    this.checkRange(address, byteLength);
    this.chargeBytes(byteLength);
    return this.memory.read(address, byteLength);
  }

  /** Charged by their length; they count as an effect of the call. */
  writeBytes(address: number, bytes: Uint8Array): void {
    this.checkRange(address, bytes.length);
    this.chargeBytes(bytes.length);
    this.memory.write(address, bytes);
    this.effects?.write(address, bytes);
  }

  /** Bytes that were written without {@link writeBytes} count as an effect of the call too. */
  changed(address: number, byteLength: number): void {
    this.effects?.write(address, this.memory.read(address, byteLength));
  }

  /** Traps when the text is not UTF-8 or longer than `maxBytes`. */
  readText(address: number, byteLength: number, maxBytes = MAX_TEXT_BYTES): string {
    this.checkRange(address, byteLength);
    if (byteLength > maxBytes) throw this.trap(`a text of ${byteLength} bytes, at most ${maxBytes} allowed`);
    this.charge(byteLength >>> 3);
    try {
      return this.#decode(address, byteLength);
    } catch {
      throw this.trap(`the text at address ${address} is not UTF-8`);
    }
  }

  #decode(address: number, byteLength: number): string {
    const short = byteLength <= SHORT_TEXT_BYTES ? this.#shortText(address, byteLength) : null;
    if (short !== null) return short;
    if (byteLength > DECODING_BYTES) return UTF8.decode(this.memory.read(address, byteLength));
    if (decoding === null) {
      const bytes = new Uint8Array(DECODING_BYTES);
      decoding = { bytes, view: new DataView(bytes.buffer) };
    }
    this.memory.readInto(address, decoding, 0, byteLength);
    return UTF8.decode(decoding.bytes.subarray(0, byteLength));
  }

  /** One of the texts that were read lately, if it has these bytes; null for what is not ASCII. */
  #shortText(address: number, byteLength: number): string | null {
    const { memory } = this;
    let hash = byteLength;
    for (let i = 0; i < byteLength; i++) {
      const byte = memory.readU8(address + i);
      if (byte > 0x7f) return null;
      SHORT_TEXT[i] = byte;
      hash = (Math.imul(hash, 31) + byte) | 0;
    }
    const place = hash & (SHORT_TEXTS.length - 1);
    const known = SHORT_TEXTS[place]!;
    if (known.length === byteLength && isText(known, SHORT_TEXT)) return known;
    const text = String.fromCharCode(...SHORT_TEXT.slice(0, byteLength));
    SHORT_TEXTS[place] = text;
    return text;
  }

  writeText(address: number, text: string): void {
    this.writeBytes(address, encoder.encode(text));
  }

  /** Tags one after the other, so much fuel each. */
  readTags(address: number, count: number, fuel: number): TagSet {
    this.checkRange(address, count * 8);
    this.charge(count * fuel);
    const { memory } = this;
    if (count <= FEW_TAGS) {
      return new TagSet(Array.from({ length: count }, (_, i) => BigInt.asIntN(64, memory.readU64(address + i * 8))));
    }
    const words = new Array<number>(count * 2);
    for (let i = 0; i < words.length; i++) words[i] = memory.readU32(address + i * 4) | 0;
    return new TagSet(words);
  }

  /** Writes the number of a new error resource to `address` and returns code 1. Traps when the table is full. */
  fail(address: number, error: unknown): 1 {
    const text = error instanceof Error ? error.message : String(error);
    const bytes = bytesOfError(text.slice(0, MAX_ERROR_LENGTH));
    const id = this.process.resources.errors.add(bytes, bytes.length);
    if (id === null) throw this.trap(`too many errors; the last: ${text.slice(0, 100)}`);
    this.writeU64(address, id);
    return 1;
  }

  writeU64(address: number, value: bigint | number): void {
    this.checkRange(address, 8);
    const wide = BigInt(value);
    this.memory.writeU64(address, wide);
    this.effects?.word(address, wide);
  }

  writeU32(address: number, value: number): void {
    this.checkRange(address, 4);
    this.memory.writeU32(address, value);
    this.effects?.word(address, BigInt(value));
  }
}
