/**
 * An engine: the prices of instructions and the types that all its modules and stores share.
 * Modules compiled by one engine can be instantiated in all its stores.
 */

import { INSTRUCTION_BY_NUMBER, type Op } from "./opcodes.ts";
import { MAX_PRICE } from "./limits.ts";
import { checkOptions, objectWith, type ExpectedOptions } from "./options.ts";
import { PROPOSALS, type Proposal, type Proposals } from "./proposals.ts";
import { Layouts } from "./layouts.ts";
import { TypeRegistry } from "./type-registry.ts";
import type { FuncType } from "./types.ts";

/** Options of an {@link Engine}. */
export interface EngineOptions {
  /** Fuel of instructions by their mnemonic, in place of the table's. Whole numbers from 0 to 1,000. */
  readonly prices?: Readonly<Record<string, number>>;
  /** Proposals that its modules may use. Default: none. */
  readonly proposals?: Iterable<Proposal>;
}

const OPTIONS: ExpectedOptions<EngineOptions> = {
  prices: objectWith("an object of prices by mnemonics"),
  proposals: objectWith("an array or a Set of names of proposals", Symbol.iterator),
};

/** What modules and stores share: prices and canonical types. A module runs in the stores of its engine alone. */
export class Engine {
  readonly types = new TypeRegistry();
  readonly layouts = new Layouts(this.types);
  /** Fuel of one execution of each instruction, by its number. */
  readonly prices: Int32Array;
  readonly proposals: Proposals;

  /** Throws `RangeError` for a price outside its bounds, `TypeError` for an unknown instruction, proposal or option. */
  constructor(options: EngineOptions = {}) {
    checkOptions("Engine", options, OPTIONS);
    this.proposals = new Set(options.proposals ?? []);
    for (const name of this.proposals) if (!PROPOSALS.includes(name)) throw new TypeError(`no such proposal: ${name}`);
    this.prices = Int32Array.from(INSTRUCTION_BY_NUMBER, (instruction) => instruction?.price ?? 0);
    for (const [mnemonic, price] of Object.entries(options.prices ?? {})) this.#setPrice(mnemonic, price);
  }

  #setPrice(mnemonic: string, price: number): void {
    if (!Number.isInteger(price) || price < 0 || price > MAX_PRICE) {
      throw new RangeError(`price of ${mnemonic}: ${price} is not a whole number from 0 to ${MAX_PRICE}`);
    }
    const ops = INSTRUCTION_BY_NUMBER.flatMap((row, op) => (row?.mnemonic === mnemonic ? [op as Op] : []));
    if (ops.length === 0) throw new TypeError(`no such instruction: ${mnemonic}`);
    for (const op of ops) this.prices[op] = price;
  }

  /** The id of a function type given in the engine's types. */
  funcTypeId(type: FuncType): number {
    const comp = { kind: "func", ...type } as const;
    return this.types.canonicalize({ types: [{ final: true, supers: [], comp }], recGroups: [1] }).ids[0]!;
  }
}

let shared: Engine | null = null;

/** The engine that is used where none is given. */
export function defaultEngine(): Engine {
  shared ??= new Engine();
  return shared;
}
