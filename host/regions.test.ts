/** Regions of large memories: who gets which, that they are clean, what is kept, and what their users see of them. */

import { expect } from "chai";
import fc from "fast-check";
import type { MemoryBlock, MemoryAllocator } from "../vm/index.ts";
import { SEPARATE_BUFFERS } from "../vm/index.ts";
import { Executor } from "./executor.ts";
import { compileGuest } from "./functions/testing.ts";
import { guestFunctions } from "./functions/host-definition.ts";
import { Account } from "./group.ts";
import { DataMessage } from "./message.ts";
import type { ProcessHandle } from "./process-handle.ts";
import { RegionPool } from "./regions.ts";
import { Runtime } from "./runtime.ts";
import { SlabAllocator } from "./slabs.ts";

const PAGE = 65_536;
const MIB = 1_048_576;
const REGION = 64 * PAGE;
const small = (maxRegions = 8): RegionPool => new RegionPool({ reservedBytes: REGION, maxRegions });
const isZero = ({ buffer }: MemoryBlock): boolean => new Float64Array(buffer).every((value) => Object.is(value, 0));

function filled(block: MemoryBlock, byteLength: number, value = 7): MemoryBlock {
  new Uint8Array(block.buffer).fill(value, 0, byteLength);
  return block;
}

const touched = (block: MemoryBlock, byteLength: number): MemoryBlock =>
  Object.assign(block, { usedBytes: byteLength, residentBytes: byteLength });
/** Not the regions themselves, which would be printed whole. */
const places = (all: readonly MemoryBlock[], some: readonly (MemoryBlock | null)[]): number[] =>
  some.map((block) => all.indexOf(block!)).sort((a, b) => a - b);

describe("RegionPool", () => {
  it("gives zeroed regions that nobody else has, whatever is taken, written, cleaned in part, dropped and given back", () => {
    const command = fc.record({
      kind: fc.constantFrom("take", "take", "free", "clean", "drop"),
      byteLength: fc.integer({ min: 1, max: REGION }),
      which: fc.nat(100),
    });
    fc.assert(
      fc.property(fc.array(command, { maxLength: 50 }), (commands) => {
        const pool = small();
        const live: { block: MemoryBlock; used: number }[] = [];
        for (const { kind, byteLength, which } of commands) {
          if (kind === "clean") pool.cleanSome(byteLength / 4);
          if (kind === "drop") pool.dropFree();
          if (kind === "free" && live.length > 0) {
            const [{ block, used }] = live.splice(which % live.length, 1) as [(typeof live)[number]];
            expect(pool.free(block, used)).to.equal(true);
          }
          if (kind !== "take") continue;
          const block = pool.allocate(byteLength);
          if (block === null) {
            expect(pool.count).to.equal(8);
            continue;
          }
          expect(block.capacity).to.be.at.least(byteLength);
          expect(isZero(block)).to.equal(true);
          expect(live.some((other) => other.block.buffer === block.buffer)).to.equal(false);
          const bytes = new Uint8Array(block.buffer);
          bytes[which % byteLength] = 1;
          bytes[byteLength - 1] = 0xff;
          live.push({ block, used: byteLength });
        }
      }),
      { numRuns: 20 },
    );
  });

  it("does not give what is not clean yet, of which who finds no other cleans a part", () => {
    const pool = small();
    const first = pool.allocate(REGION)!;
    pool.free(filled(first, REGION), REGION);
    expect(pool.dirtyBytes).to.equal(REGION);
    const second = pool.allocate(PAGE)!;
    expect(second === first).to.equal(false);
    expect(pool.dirtyBytes).to.equal(REGION - 524_288);
    pool.cleanSome(REGION);
    expect(pool.dirtyBytes).to.equal(0);
    expect(pool.allocate(PAGE) === first).to.equal(true);
    expect(isZero(first)).to.equal(true);
  });

  it("cleans no more than was used", () => {
    const pool = small();
    const block = filled(pool.allocate(10 * PAGE)!, 5_000);
    pool.free(block, 5_000);
    expect(pool.dirtyBytes).to.equal(8_192);
    pool.cleanSome(MIB);
    expect(isZero(block)).to.equal(true);
    const unused = pool.allocate(10 * PAGE)!;
    expect(unused === block).to.equal(true);
    pool.free(unused, 0);
    expect(pool.dirtyBytes).to.equal(0);
  });

  it("has so many and no more, those included that V8 has not collected; larger memories have none", () => {
    const pool = small(3);
    const blocks = [1, 2, 3].map(() => pool.allocate(PAGE)!);
    expect(pool.allocate(PAGE)).to.equal(null);
    for (const block of blocks) pool.free(block, 0);
    expect([pool.dropFree(), pool.dropFree(), pool.hasFree]).to.deep.equal([true, false, false]);
    // The first one is an ordinary buffer, which V8 takes care of.
    expect([pool.count, blocks.map(({ buffer }) => buffer instanceof ArrayBuffer)]).to.deep.equal([
      2,
      [true, false, false],
    ]);
    expect(pool.allocate(PAGE)).not.to.equal(null);
    expect(pool.allocate(PAGE)).to.equal(null);
    expect(small().allocate(REGION + 1)).to.equal(null);
  });

  it("keeps few resident bytes that are free, and makes no more while many were dropped", () => {
    const pool = new RegionPool();
    // Nothing is touched here: only what is said of them is large.
    const regions = Array.from({ length: 8 }, () => touched(pool.allocate(34 * MIB)!, 40 * MIB));
    for (const region of regions.slice(0, 3)) pool.free(region, 0);
    // 120 MiB are kept; the others wait for V8, and 40 of theirs are few.
    pool.free(regions[3]!, 0);
    const take = (): MemoryBlock | null => pool.allocate(34 * MIB);
    expect(places(regions, [take(), take(), take()])).to.deep.equal([0, 1, 2]);
    expect(places(regions, [take()])).to.deep.equal([-1]);
    for (const region of regions.slice(4)) pool.free(region, 0);
    expect(places(regions, [take(), take(), take()])).to.deep.equal([4, 5, 6]);
    // Until V8 has been told.
    expect([1, 2, 3].map(() => take() === null)).to.deep.equal([true, true, false]);
  });

  it("puts few small memories where larger ones have been, whose pages are there still", () => {
    const pool = new RegionPool();
    const large = [1, 2, 3].map(() => touched(pool.allocate(34 * MIB)!, 40 * MIB));
    for (const region of large) pool.free(region, 0);
    const first = pool.allocate(2 * MIB)!;
    expect(places(large, [first])).to.deep.equal([2]);
    expect(places(large, [pool.allocate(2 * MIB)])).to.deep.equal([-1]);
    expect(places(large, [pool.allocate(20 * MIB)])).to.deep.equal([1]);
    pool.free(first, 0);
    expect(places(large, [pool.allocate(2 * MIB)])).to.deep.equal([2]);
  });

  it("grows regions where they lie, up to what they have reserved", () => {
    const pool = new RegionPool();
    const ordinary = pool.allocate(3 * MIB)!;
    expect([ordinary.capacity, pool.extend(ordinary, 33 * MIB), pool.extend(ordinary, 34 * MIB)]).to.deep.equal([
      33 * MIB,
      true,
      false,
    ]);
    const shared = pool.allocate(3 * MIB)!;
    const { buffer, bytes } = shared;
    filled(shared, 3 * MIB);
    expect([shared.capacity, pool.extend(shared, 3 * MIB), shared.bytes === bytes]).to.deep.equal([
      4 * MIB,
      true,
      true,
    ]);
    expect([pool.extend(shared, 4 * MIB + 1), shared.capacity, shared.buffer === buffer]).to.deep.equal([
      true,
      8 * MIB,
      true,
    ]);
    expect([shared.bytes!.length, shared.view!.byteLength, shared.lanes!.length]).to.deep.equal([
      8 * MIB,
      8 * MIB,
      2 * MIB,
    ]);
    expect([shared.bytes![3 * MIB - 1], shared.bytes![3 * MIB]]).to.deep.equal([7, 0]);
    expect(pool.extend(shared, 4_097 * MIB)).to.equal(false);
    expect(pool.extend(SEPARATE_BUFFERS.allocate(PAGE)!, PAGE)).to.equal(false);
    pool.free(shared, 3 * MIB);
    pool.cleanSome(3 * MIB);
    const again = pool.allocate(20 * MIB)!;
    expect([again === shared, again.capacity, isZero(again)]).to.deep.equal([true, 20 * MIB, true]);
  });

  it("asks for buffers rarely where there are none: V8 collects before it gives up", () => {
    let asked = 0;
    const pool = new RegionPool({
      make: () => {
        asked++;
        return null;
      },
    });
    for (let i = 0; i < 1_000; i++) expect(pool.allocate(PAGE)).to.equal(null);
    expect([asked, pool.count]).to.deep.equal([11, 0]);
  });

  it("drops what would take too long to clean", () => {
    const pool = new RegionPool();
    const blocks = [200, 50, 50].map((mib) => pool.allocate(mib * MIB)!);
    for (const block of blocks) pool.free(block, block.capacity);
    expect(pool.dirtyBytes).to.equal((200 + 52) * MIB);
  });
});

/** The clock goes on when somebody looks: every turn takes about as long. */
function clocked(clock = { stepMs: 0.05 }): Executor {
  let nowMs = 0;
  const nextNow = (): number => {
    nowMs += clock.stepMs;
    return nowMs;
  };
  return new Executor({ source: { nowMs: nextNow, nextTurn() {}, wakeAfter: () => () => {} } });
}

/** Grows by so many pages at a time, writes to each that is new, waits for a message, and tells the sum of all words. */
const growing = (step: number, pages: number): string => `(import "arena" "note" (func $note (param i64)))
  (memory (export "memory") 1)
  (func (export "main") (local $at i32) (local $sum i64)
    (loop $more
      (local.set $at (i32.shl (memory.grow (i32.const ${step})) (i32.const 16)))
      (i32.store offset=4 (local.get $at) (memory.size))
      (br_if $more (i32.lt_u (memory.size) (i32.const ${pages}))))
    (drop (call $message::receive (i32.const 0) (i32.const 0) (i64.const -1)))
    (local.set $at (i32.const 0))
    (loop $next
      (local.set $sum (i64.add (local.get $sum) (i64.load offset=4 (local.get $at))))
      (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 4096)))
        (i32.shl (memory.size) (i32.const 16)))))
    (call $note (local.get $sum)))`;

class Setting {
  readonly executor: Executor;
  readonly runtime: Runtime;
  readonly notes: bigint[] = [];

  constructor(executor = clocked(), allocator: MemoryAllocator | null = null) {
    this.executor = executor;
    const call = (_: unknown, value: bigint): void => void this.notes.push(value);
    const note = { params: ["i64"], results: [], call } as const;
    this.runtime = new Runtime({
      executor,
      functions: [(module) => (module === "arena" ? note : undefined), guestFunctions],
      ...(allocator === null ? {} : { allocator }),
    });
  }

  /** Lets a guest grow and wait. */
  grown(step: number, pages: number, group = this.runtime.group): ProcessHandle {
    const handle = this.runtime.spawn(compileGuest(growing(step, pages)), { entry: "main", group });
    while (handle.stats.state !== "waiting") this.executor.runUntilIdle(1);
    return handle;
  }

  end(handle: ProcessHandle): void {
    void handle.send(DataMessage.of(Uint8Array.of(1)));
    this.executor.runUntilIdle();
    expect(handle.stats.state).to.equal("exited");
  }

  get used(): number {
    return this.runtime.group.used(Account.Memory);
  }
}

describe("a large memory of a process", () => {
  it("grows with the same fuel and the same contents wherever it lies", () => {
    const cases: (() => Setting)[] = [
      () => new Setting(),
      () => new Setting(clocked(), SEPARATE_BUFFERS),
      () => new Setting(new Executor({ seed: 1 })),
    ];
    for (const [step, pages] of [
      [1, 150],
      [200, 1_100],
    ] as const) {
      const seen = cases.map((setting) => {
        const host = setting();
        const handle = host.grown(step, pages);
        host.end(handle);
        return [host.notes, handle.stats.fuel];
      });
      expect(seen[1]).to.deep.equal(seen[0]);
      expect(seen[2]).to.deep.equal(seen[0]);
    }
  });

  it("moves once, and after that grows in place", () => {
    const blocks: number[] = [];
    const allocator = new SlabAllocator({ executor: clocked() });
    const watched: MemoryAllocator = {
      allocate(byteLength) {
        if (byteLength > 32 * PAGE) blocks.push(byteLength);
        return allocator.allocate(byteLength);
      },
      extend: (block, byteLength) => allocator.extend(block, byteLength),
      free: (block, usedBytes) => allocator.free(block, usedBytes),
    };
    const host = new Setting(clocked(), watched);
    host.end(host.grown(1, 500));
    expect(blocks).to.deep.equal([41 * PAGE]);
    expect(allocator.regions!.count).to.equal(1);
  });

  it("is cleaned by the end of its process, a part in each turn, and only then the group's again", () => {
    const host = new Setting();
    const regions = host.runtime.regions!;
    const { used } = host;
    const handle = host.grown(64, 129);
    handle.kill();
    let turns = 0;
    let exited = false;
    void handle.process.onExit(() => {
      exited = true;
    });
    let before = Number.POSITIVE_INFINITY;
    for (; !exited; turns++) {
      expect(host.used).to.be.greaterThan(129 * PAGE);
      host.executor.runUntilIdle(1);
      if (turns > 0) expect(before - regions.dirtyBytes).to.be.within(1, 524_288);
      before = regions.dirtyBytes;
    }
    expect(turns).to.equal(Math.ceil((129 * PAGE) / 524_288));
    expect([host.used, regions.dirtyBytes, regions.count]).to.deep.equal([used, 0, 1]);
  });

  it("is free again when anybody hears of its process's end: there is room for another in its place", () => {
    const host = new Setting();
    const group = host.runtime.createGroup({ maxMemory: 12 * MIB });
    const first = host.grown(150, 150, group);
    const other = host.grown(1, 2).process;
    first.process.relations.link(other, 1n);
    first.kill();
    let turns = 0;
    for (; !other.isRunnable && !other.hasEnded; turns++) host.executor.runUntilIdle(1);
    expect(turns).to.be.greaterThan(10);
    expect(host.grown(150, 150, group).stats.state).to.equal("waiting");
  });

  it("has nothing of somebody else's, also when that one is killed and not cleaned yet", () => {
    const host = new Setting();
    const quiet = new Setting();
    for (let round = 0; round < 4; round++) {
      const first = host.grown(7, 100 + 20 * round);
      first.kill();
      host.executor.runUntilIdle(round);
      // Whoever grows meanwhile gets what is clean.
      host.end(host.grown(5, 60));
      host.executor.runUntilIdle();
      quiet.end(quiet.grown(5, 60));
    }
    expect(host.notes).to.deep.equal(quiet.notes);
  });

  it("leaves its region when it hibernates, and finds its contents again", async () => {
    const host = new Setting();
    const quiet = new Setting();
    const handle = host.grown(9, 90);
    const work = handle.hibernate();
    host.executor.runUntilIdle();
    expect(await work).to.equal(true);
    expect(host.runtime.regions!.dirtyBytes).to.be.greaterThan(80 * PAGE);
    quiet.end(quiet.grown(3, 90));
    host.end(handle);
    quiet.notes.length = 0;
    quiet.end(quiet.grown(9, 90));
    expect(host.notes).to.deep.equal(quiet.notes);
    expect(host.runtime.regions!.dirtyBytes).to.equal(0);
  });

  it("needs no region: by a seed there are none, nor without an executor or shared buffers", () => {
    const { SharedArrayBuffer: Shared } = globalThis;
    expect(new SlabAllocator().regions).to.equal(null);
    expect(new Setting(new Executor({ seed: 1 })).runtime.regions).to.equal(null);
    const allocator = new SlabAllocator({ executor: clocked() });
    try {
      Reflect.deleteProperty(globalThis, "SharedArrayBuffer");
      const blocks = [1, 2, 3].map(() => allocator.allocate(40 * PAGE)!);
      expect(blocks.map(({ buffer }) => buffer instanceof ArrayBuffer)).to.deep.equal([true, true, true]);
      expect(blocks[2]!.capacity).to.equal(40 * PAGE);
    } finally {
      globalThis.SharedArrayBuffer = Shared;
    }
  });

  it("is dropped when nobody has used it for a while", () => {
    const clock = { stepMs: 0.05 };
    const host = new Setting(clocked(clock));
    const { executor } = host;
    host.end(host.grown(20, 100));
    const regions = host.runtime.regions!;
    expect(regions.hasFree).to.equal(true);
    // Somebody else runs for some seconds.
    clock.stepMs = 100;
    const hog = host.runtime.spawn(compileGuest(`(func (export "main") (loop $l (br $l)))`), { entry: "main" });
    for (let turns = 0; turns < 100 && regions.hasFree; turns++) executor.runUntilIdle(1);
    expect([regions.hasFree, regions.count]).to.deep.equal([false, 0]);
    hog.kill();
    executor.runUntilIdle();
  });
});
