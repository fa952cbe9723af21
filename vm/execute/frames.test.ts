import { expect } from "chai";
import fc from "fast-check";
import { INITIAL_FRAME_SLOTS } from "../limits.ts";
import { FramePool, newFrames, type Frames } from "./frames.ts";
import { Machine } from "./machine.ts";

const PLACE = INITIAL_FRAME_SLOTS * 8;
const SMALL = 256 * PLACE;

function many(pool: FramePool, count: number): Frames[] {
  return Array.from({ length: count }, () => pool.take());
}

function shuffled<T>(list: readonly T[]): T[] {
  let seed = 1;
  const keyed = list.map((item) => [(seed = (seed * 48_271) % 2_147_483_647), item] as const);
  return keyed.sort(([a], [b]) => a - b).map(([, item]) => item);
}

describe("FramePool", () => {
  it("gives zeroed frames that never overlap, whatever is taken, written and given back", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -300, max: 300 }), { maxLength: 20 }), (steps) => {
        const pool = new FramePool();
        const live: Frames[] = [];
        let stamp = 1;
        const stamps = new Map<Frames, number>();
        for (const step of steps) {
          for (let i = 0; i < step; i++) {
            const frames = pool.take();
            expect(frames.words.every((word) => word === 0)).to.equal(true);
            expect(frames.doubles.byteOffset).to.equal(frames.words.byteOffset);
            frames.words.fill(++stamp);
            stamps.set(frames, stamp);
            live.push(frames);
          }
          for (let i = step; i < 0 && live.length > 0; i++) {
            const [frames] = live.splice((i * i) % live.length, 1);
            expect(frames!.words.every((word) => word === stamps.get(frames!))).to.equal(true);
            pool.give(frames!);
          }
        }
        expect(live.every(({ words }, i) => words[0] === stamps.get(live[i]!))).to.equal(true);
      }),
      { numRuns: 30 },
    );
  });

  it("has no more places than were used at once, whoever ends first", () => {
    const pool = new FramePool();
    const kept: Frames[] = [];
    for (let round = 0; round < 1_000; round++) {
      const all = many(pool, 256);
      kept.push(all.pop()!);
      for (const frames of all) pool.give(frames);
    }
    expect(pool.byteLength).to.be.at.most(1_300 * PLACE);
  });

  it("gives nearly all back when all have ended, in any order", () => {
    const orders = [(all: Frames[]) => all, (all: Frames[]) => all.reverse(), shuffled];
    for (const order of orders) {
      const pool = new FramePool();
      const all = many(pool, 80_000);
      expect(pool.byteLength).to.be.within(80_000 * PLACE, 120_000 * PLACE);
      for (const frames of order(all)) pool.give(frames);
      expect(pool.byteLength).to.be.at.most(16 * SMALL);
    }
  });

  it("makes no buffer anew for one that begins and ends again and again at the edge", () => {
    const pool = new FramePool();
    many(pool, 16 * 256);
    const buffers = new Set<ArrayBufferLike>();
    for (let i = 0; i < 1_000; i++) {
      const frames = pool.take();
      buffers.add(frames.words.buffer);
      pool.give(frames);
    }
    expect(buffers.size).to.equal(1);
  });

  it("does not take what is not its own", () => {
    const pool = new FramePool();
    pool.give(newFrames(INITIAL_FRAME_SLOTS));
    expect(pool.byteLength).to.equal(0);
  });
});

describe("a machine", () => {
  it("gives its first frames back when it grows, and those that it has when it ends", () => {
    const machine = new Machine(INITIAL_FRAME_SLOTS);
    const { words } = machine;
    words.fill(7);
    machine.growTo(INITIAL_FRAME_SLOTS * 2);
    expect([...machine.words.subarray(0, words.length)].every((word) => word === 7)).to.equal(true);
    const next = new Machine(INITIAL_FRAME_SLOTS);
    expect([next.words.buffer, next.words.byteOffset]).to.deep.equal([words.buffer, words.byteOffset]);
    expect(next.words.every((word) => word === 0)).to.equal(true);
    next.retire();
    next.retire();
    machine.retire();
  });
});
