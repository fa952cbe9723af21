/**
 * Where in a text stands what was written as binary: kept only when somebody asks, by parsing once more. So a text that is
 * well-formed but invalid has errors with line and column, and texts that are valid cost nothing for it.
 */

import { Section } from "../binary/decode.ts";
import { CompileError, type SourcePlace } from "../errors.ts";
import { NO_PROPOSALS } from "../proposals.ts";
import { TypeRegistry } from "../type-registry.ts";
import { Validation } from "../validate/module.ts";
import { parseModule, type ParseOptions } from "./parser.ts";

/** Offsets of instructions in the bytes of a parsed module, and fields by what they define, with their tokens. */
export class TextPlaces {
  /** Offsets never fall. */
  readonly #offsets: number[] = [];
  readonly #tokens: number[] = [];
  /** Of instructions that wait for their operands. */
  readonly #waiting: { readonly offset: number; readonly token: number }[] = [];
  readonly #fields = new Map<Section, number[]>();
  /** The line and column of a token. */
  placeOf: (token: number) => SourcePlace = () => ({});

  /** The instruction at `token` begins at `offset`. */
  mark(offset: number, token: number): void {
    this.#offsets.push(offset);
    this.#tokens.push(token);
  }

  /** As {@link mark}, among those that wait. */
  markWaiting(offset: number, token: number): void {
    this.#waiting.push({ offset, token });
  }

  /** What waits from `start` on is written at `offset`. */
  release(start: number, offset: number): void {
    let first = this.#waiting.length;
    while (first > 0 && this.#waiting[first - 1]!.offset >= start) first--;
    for (const waiting of this.#waiting.splice(first)) this.mark(offset + waiting.offset - start, waiting.token);
  }

  /** So many items of a section have been defined when the field at `token` ends. */
  markField(section: Section, count: number, token: number): void {
    const tokens = this.#fields.get(section) ?? [];
    while (tokens.length < count) tokens.push(token);
    this.#fields.set(section, tokens);
  }

  /** Of the instruction at an offset, or of the last one before it. */
  ofOffset(offset: number): SourcePlace {
    let low = 0;
    let high = this.#offsets.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#offsets[middle]! <= offset) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? {} : this.placeOf(this.#tokens[low - 1]!);
  }

  /** Of the field that defines an item of a section. */
  ofItem(section: Section, index: number): SourcePlace {
    const token = this.#fields.get(section)?.[index];
    return token === undefined ? {} : this.placeOf(token);
  }
}

/** What is wrong with a well-formed text, with line and column where they are known; null when it is valid. */
export function invalidText(text: string | Uint8Array, options: ParseOptions = {}): CompileError | null {
  const places = new TextPlaces();
  const module = parseModule(text, options, places);
  const locate = (section: Section, index: number): SourcePlace => places.ofItem(section, index);
  const { proposals = NO_PROPOSALS } = options;
  const validation = new Validation(module, new TypeRegistry(), proposals, undefined, locate);
  try {
    while (!validation.step(Number.MAX_SAFE_INTEGER));
    return null;
  } catch (error) {
    if (!(error instanceof CompileError)) throw error;
    const { position, funcIndex, kind, reason } = error;
    if (position === undefined) return error;
    const inFunction = funcIndex === undefined ? {} : { funcIndex };
    return new CompileError(kind, reason, { ...inFunction, ...places.ofOffset(position) });
  }
}
