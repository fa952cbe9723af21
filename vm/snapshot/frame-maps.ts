/**
 * Places and stack maps of the functions whose frames one operation saves or restores. However many functions and call
 * sites take turns on the stack, each function is lowered once, and soon validated for all its places at once: the
 * caches between operations (places.ts, frame-types.ts) hold a few, for many snapshots of one program.
 */

import type { CompiledModule } from "../compiled-module.ts";
import { instantiationIndex } from "../lower/instantiation.ts";
import { type StackMap, stackMapsInSteps } from "../validate/stack-map.ts";
import { type FrameTypes, frameTypesAt, frameTypesOf, textPosition } from "./frame-types.ts";
import { Pace, PART_BYTES } from "./pace.ts";
import { type Place, type PlaceMap, placesOf } from "./places.ts";

/** Places of a function that are looked at one by one before all of them are at once. */
const FEW_PLACES = 8;
/** Types of operands and locals that are kept in advance: what is left out is found one by one. */
const MAX_TYPES_AHEAD = 4_194_304;
/** Lowering or validating a byte of code takes as long as copying so many. */
const BYTES_PER_CODE_BYTE = 128;
const BYTES_PER_SLOT = 16;
const PLACES_PER_STEP = 2_000;

interface FunctionMaps {
  readonly places: PlaceMap;
  readonly types: Map<Place, FrameTypes>;
  /** By position in the module, when all were looked at. */
  ahead: ReadonlyMap<number, StackMap> | null;
}

function keyOf(funcIndex: number, isExact: boolean): number {
  return funcIndex * 2 + (isExact ? 1 : 0);
}

export class FrameMaps {
  /** Of the whole operation: {@link placesOf} and {@link typesAt} add to it what they take. */
  readonly pace = new Pace();
  readonly #modules = new Map<CompiledModule, Map<number, FunctionMaps>>();
  #typesLeft = MAX_TYPES_AHEAD;

  /** What {@link placesOf} has given, if it was asked before: most frames are of few functions. */
  knownPlaces(module: CompiledModule, funcIndex: number, isExact: boolean): PlaceMap | undefined {
    return this.#known(module, funcIndex, isExact)?.places;
  }

  *placesOf(module: CompiledModule, funcIndex: number, isExact: boolean): Generator<void, PlaceMap> {
    return (yield* this.#function(module, funcIndex, isExact)).places;
  }

  /** What {@link typesAt} has given, if it was asked before. */
  knownTypes(module: CompiledModule, funcIndex: number, isExact: boolean, place: Place): FrameTypes | undefined {
    const types = this.#known(module, funcIndex, isExact)?.types.get(place);
    if (types !== undefined) this.#addTypes(types);
    return types;
  }

  /** At a place of `placesOf` of the same arguments. */
  *typesAt(module: CompiledModule, funcIndex: number, isExact: boolean, place: Place): Generator<void, FrameTypes> {
    const maps = yield* this.#function(module, funcIndex, isExact);
    const types = yield* this.#find(module, funcIndex, maps, place);
    maps.types.set(place, types);
    this.#addTypes(types);
    return types;
  }

  #addTypes({ locals, operands }: FrameTypes): void {
    this.pace.add(PART_BYTES + BYTES_PER_SLOT * (locals.length + operands.length));
  }

  #known(module: CompiledModule, funcIndex: number, isExact: boolean): FunctionMaps | undefined {
    return this.#modules.get(module)?.get(keyOf(funcIndex, isExact));
  }

  *#function(module: CompiledModule, funcIndex: number, isExact: boolean): Generator<void, FunctionMaps> {
    let functions = this.#modules.get(module);
    if (functions === undefined) {
      functions = new Map();
      this.#modules.set(module, functions);
    }
    const key = keyOf(funcIndex, isExact);
    let maps = functions.get(key);
    if (maps === undefined) {
      maps = { places: yield* placesOf(module, funcIndex, isExact), types: new Map(), ahead: null };
      functions.set(key, maps);
      this.#addPass(module, funcIndex);
    }
    return maps;
  }

  *#find(module: CompiledModule, funcIndex: number, maps: FunctionMaps, place: Place): Generator<void, FrameTypes> {
    const { frame } = maps.places;
    if (funcIndex !== instantiationIndex(module.data) && maps.types.size >= FEW_PLACES) {
      maps.ahead ??= yield* this.#lookAhead(module, funcIndex, maps.places);
      const map = maps.ahead.get(textPosition(module, funcIndex, place));
      if (map !== undefined) return frameTypesOf(map, funcIndex, place, frame);
    }
    this.#addPass(module, funcIndex);
    return yield* frameTypesAt(module, funcIndex, place, frame);
  }

  *#lookAhead(
    module: CompiledModule,
    funcIndex: number,
    { places }: PlaceMap,
  ): Generator<void, ReadonlyMap<number, StackMap>> {
    this.#addPass(module, funcIndex);
    const positions: number[] = [];
    for (const place of places) {
      positions.push(textPosition(module, funcIndex, place));
      if (positions.length % PLACES_PER_STEP === 0) yield;
    }
    positions.sort((a, b) => a - b);
    const { maps, typeCount } = yield* stackMapsInSteps(module.context, funcIndex, positions, this.#typesLeft);
    this.#typesLeft -= typeCount;
    return maps;
  }

  /** One pass over the code of a function. */
  #addPass({ data }: CompiledModule, funcIndex: number): void {
    const body = funcIndex - data.importedFuncs;
    this.pace.add(BYTES_PER_CODE_BYTE * ((data.bodyEnds[body] ?? 0) - (data.bodyStarts[body] ?? 0)));
  }
}
