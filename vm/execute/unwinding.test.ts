/** Nests of frame functions that go up without a guest instruction in between: every level pays, and a turn may end after each. */

import { expect } from "chai";
import {
  FRAME_RETURN_FUEL,
  FRAME_STEP_FUEL,
  MAX_BACKTRACE_FRAMES,
  MAX_COUNTED_FRAMES,
  SEARCH_FRAME_FUEL,
} from "../limits.ts";
import { callGuest, type Func, type GuestOutcome, type HostResult } from "../runtime/func.ts";
import { Store } from "../runtime/store.ts";
import { Trap } from "../errors.ts";
import { instanceOf, runToEnd, wat } from "../testing.ts";
import type { Invocation } from "./invocation.ts";
import type { TurnOptions } from "./outcome.ts";

const LEVELS = 3_000;
type Ending = (outcome: GuestOutcome) => HostResult;
/** What is at the bottom, and what each level does with what has come of the one above it. */
const WAYS: Readonly<Record<string, { readonly bottom: string; readonly fuel: number; readonly ending: Ending }>> = {
  "by results": { bottom: "nop", fuel: 0, ending: (outcome) => (outcome.kind === "returned" ? [] : "not returned") },
  "by traps that each contains and passes on": { bottom: "unreachable", fuel: 1, ending: passOn },
  "by an exception that each passes on": { bottom: "(throw $e)", fuel: 2 + SEARCH_FRAME_FUEL, ending: passOn },
};

function passOn(outcome: GuestOutcome): HostResult {
  if (outcome.kind === "returned") throw new Error("nothing to pass on");
  throw outcome.error;
}

/** A frame function that calls itself so often, the guest's function `bottom` last, and counts how often it has gone on. */
class Nest {
  readonly store = new Store();
  ups = 0;
  #bottom: Func;
  readonly #nest: Func;

  constructor(bottom: string, ending: Ending) {
    this.#nest = this.store.hostFunc({
      kind: "frame",
      name: "nest",
      params: ["i32"],
      results: [],
      call: (_: unknown, left: number) =>
        left === 0 ? callGuest(this.#bottom, [], "end") : callGuest(this.#nest, [left - 1], "end"),
      continuations: {
        end: (_, __, outcome) => {
          this.ups++;
          return ending(outcome!);
        },
      },
    });
    this.#bottom = this.#instance(bottom);
  }

  #instance(bottom: string): Func {
    return instanceOf(wat`(module (tag $e) (func (export "f") ${bottom}))`, {}, this.store).exportedFunc("f");
  }

  invoke(): Invocation {
    this.ups = 0;
    return this.store.invoke(this.#nest, [LEVELS]);
  }
}

/** Levels that each turn has gone up, and the fuel in all. */
function play(nest: Nest, options: (turn: number) => TurnOptions): { most: number; fuelUsed: number; text: string } {
  const invocation = nest.invoke();
  let most = 0;
  let before = 0;
  const end = (() => {
    try {
      return runToEnd(invocation, (turn) => {
        most = Math.max(most, nest.ups - before);
        before = nest.ups;
        return options(turn);
      });
    } catch (error) {
      return { values: null, trap: String(error) };
    }
  })();
  most = Math.max(most, nest.ups - before);
  expect(nest.ups).to.equal(LEVELS + 1);
  return { most, fuelUsed: invocation.fuelUsed, text: `${end.trap}` };
}

describe("a nest of frame functions that goes up", () => {
  for (const [name, { bottom, fuel: bottomFuel, ending }] of Object.entries(WAYS)) {
    it(`${name}: each level has its price, and a turn ends within one of them`, () => {
      const nest = new Nest(bottom, ending);
      const whole = play(nest, () => ({}));
      expect(whole.fuelUsed).to.equal((LEVELS + 1) * (FRAME_STEP_FUEL + FRAME_RETURN_FUEL) + bottomFuel);
      for (const [fuel, exact] of [
        [1, true],
        [7, false],
        [1_000, false],
        [1_000, true],
        [12_345, false],
      ] as const) {
        const { most, fuelUsed, text } = play(nest, () => ({ fuel, exact }));
        expect({ fuelUsed, text }, `${fuel} ${exact}`).to.deep.equal({ fuelUsed: whole.fuelUsed, text: whole.text });
        expect(most, `${fuel} ${exact}`).to.be.within(1, Math.ceil(fuel / FRAME_RETURN_FUEL) + 1);
      }
    });
  }
});

describe("a backtrace", () => {
  const deep = (depth: number): Trap => {
    const instance = instanceOf(wat`(module (func $f (export "f") (param i32)
      (if (i32.eqz (local.get 0)) (then unreachable))
      (call $f (i32.sub (local.get 0) (i32.const 1)))))`);
    return runToEnd(instance.invoke("f", [depth])).error as Trap;
  };

  it("of a very deep stack counts the frames that it leaves out up to a limit", () => {
    expect(deep(MAX_COUNTED_FRAMES - 2).omittedFrames).to.equal(MAX_COUNTED_FRAMES - 1 - MAX_BACKTRACE_FRAMES);
    expect(deep(100_000).omittedFrames).to.equal(MAX_COUNTED_FRAMES - MAX_BACKTRACE_FRAMES);
  });

  it("is made when somebody reads it, once", () => {
    const trap = deep(3);
    expect(trap.isTraced).to.equal(true);
    expect(trap.backtrace).to.have.length(4);
    expect(trap.backtrace).to.equal(trap.backtrace);
    expect(new Trap("unreachable").isTraced).to.equal(false);
  });
});
