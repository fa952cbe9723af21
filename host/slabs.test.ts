import { expect } from "chai";
import fc from "fast-check";
import { compileSync, Store, type Memory, type MemoryBlock } from "../vm/index.ts";
import { textToBinary } from "../vm/text/index.ts";
import { Executor } from "./executor.ts";
import { GroupShare } from "./group-share.ts";
import { Task, TurnEnd } from "./task.ts";
import { SlabAllocator } from "./slabs.ts";

const PAGE = 65_536;
const MIB = 1_048_576;
const small = (): SlabAllocator => new SlabAllocator({ slabBytes: [4 * PAGE, 8 * PAGE] });

const SHARED_SLABS = [1_024 * PAGE];

function bytesOf({ buffer, base, capacity }: MemoryBlock): Uint8Array {
  return new Uint8Array(buffer, base, capacity);
}

/** Calls `look` for all that is filled while `use` runs. */
function withFill(look: (array: Float64Array, start: number, end: number) => void, use: () => void): void {
  const { fill } = Float64Array.prototype;
  Float64Array.prototype.fill = function (this: Float64Array, value, start = 0, end = this.length) {
    look(this, start, end);
    return fill.call(this, value, start, end);
  };
  try {
    use();
  } finally {
    Float64Array.prototype.fill = fill;
  }
}

describe("SlabAllocator", () => {
  it("gives zeroed windows that never overlap, whatever is taken, written and given back", () => {
    const command = fc.record({ pages: fc.integer({ min: 0, max: 5 }), free: fc.nat(100), touch: fc.nat(400_000) });
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
        const allocator = small();
        const live: MemoryBlock[] = [];
        for (const { pages, free, touch } of commands) {
          if (free > 50 && live.length > 0) {
            const [block] = live.splice(free % live.length, 1);
            allocator.free(block!);
            if (free % 3 === 0) allocator.cleanSome(PAGE);
            continue;
          }
          const block = allocator.allocate(pages * PAGE)!;
          expect(block.capacity).to.be.at.least(pages * PAGE);
          const bytes = bytesOf(block);
          expect(bytes.every((byte) => byte === 0)).to.equal(true);
          for (const other of live) {
            const isApart =
              other.buffer !== block.buffer ||
              other.base >= block.base + block.capacity ||
              block.base >= other.base + other.capacity;
            expect(isApart).to.equal(true);
          }
          if (bytes.length > 0) {
            bytes[touch % bytes.length] = 0xff;
            bytes[bytes.length - 1] = 1;
          }
          live.push(block);
        }
      }),
      { numRuns: 60 },
    );
  });

  it("uses one buffer for many small memories and one of its own for a large one", () => {
    const allocator = new SlabAllocator();
    const blocks = Array.from({ length: 10 }, () => allocator.allocate(PAGE)!);
    expect(new Set(blocks.map(({ buffer }) => buffer)).size).to.equal(1);
    const large = allocator.allocate(100 * PAGE)!;
    expect(large.buffer.byteLength).to.equal(100 * PAGE);
  });

  it("grows its slabs with demand and gives back those that are empty", () => {
    const allocator = small();
    const blocks = Array.from({ length: 2_000 }, () => allocator.allocate(PAGE)!);
    const reserved = allocator.reservedBytes;
    expect(reserved).to.be.within(2_000 * PAGE, 2_010 * PAGE);
    for (const block of blocks) allocator.free(block);
    expect(allocator.reservedBytes).to.be.at.most(reserved / 4);
    for (let i = 0; i < 2_000; i++) allocator.allocate(PAGE);
    expect(allocator.reservedBytes).to.be.at.most(reserved * 1.05);
  });

  it("shares large buffers, but none while some that were dropped have not been collected", () => {
    const allocator = new SlabAllocator({ slabBytes: SHARED_SLABS });
    const perSlab = 1_024 / 32;
    const blocks = Array.from({ length: perSlab * 2 }, () => allocator.allocate(32 * PAGE)!);
    for (const { buffer } of blocks) expect(buffer).to.be.an.instanceOf(SharedArrayBuffer);
    for (const block of blocks) allocator.free(block);
    const again = Array.from({ length: perSlab * 2 }, () => allocator.allocate(32 * PAGE)!);
    expect(again.filter(({ buffer }) => buffer instanceof ArrayBuffer).length).to.be.greaterThan(0);
  });

  it("has one ordinary slab that V8 counts as large, whatever sizes there are", () => {
    const allocator = new SlabAllocator();
    const blocks = Array.from({ length: 16 }, (_, i) =>
      [1, 2, 3].map(() => allocator.allocate((17 + i) * PAGE)!),
    ).flat();
    const buffers = [...new Set(blocks.map(({ buffer }) => buffer))].filter(({ byteLength }) => byteLength > 2 * MIB);
    expect(buffers.length).to.equal(16);
    expect(buffers.map((buffer) => buffer instanceof ArrayBuffer)).to.deep.equal([true, ...new Array(15).fill(false)]);
  });

  it("gives nobody a view: what a host function has kept does not show the slot's next owner", () => {
    for (const slabBytes of [undefined, SHARED_SLABS]) {
      const allocator = new SlabAllocator(slabBytes === undefined ? {} : { slabBytes });
      const module = compileSync(textToBinary(`(module (memory (export "memory") 1) (data (i32.const 8) "abc"))`));
      const first = new Store({ allocator });
      const memory = first.instantiateSync(module).export("memory") as Memory;
      const kept = memory.read(8, 3);
      expect(kept.buffer).to.be.an.instanceOf(ArrayBuffer);
      expect(kept.buffer.byteLength).to.equal(3);
      kept[0] = 0x78;
      expect(memory.readU8(8)).to.equal(0x61);
      memory.write(8, new Uint8Array(3));
      first.dispose();
      const second = new Store({ allocator });
      second.instantiateSync(module);
      expect(String.fromCharCode(...kept)).to.equal("xbc");
    }
  });

  it("cleans when nobody else can run", () => {
    const executor = new Executor({ seed: 1 });
    const { scheduler } = executor;
    const allocator = new SlabAllocator({ slabBytes: [400 * PAGE], executor });
    const blocks = Array.from({ length: 200 }, () => allocator.allocate(PAGE)!);
    let turns = 0;
    class Busy extends Task {
      override run(): TurnEnd {
        this.turnCharge = 1_000;
        if (turns === 0) for (const block of blocks) allocator.free(block);
        expect(allocator.isDirty).to.equal(true);
        return ++turns < 20 ? TurnEnd.Runnable : TurnEnd.Ended;
      }
    }
    scheduler.start(new Busy(), new GroupShare(scheduler, scheduler.root), null);
    executor.runUntilIdle();
    expect(turns).to.equal(20);
    expect(allocator.isDirty).to.equal(false);
  });

  it("drops large slabs that nobody has used for a while, whoever else runs", () => {
    const executor = new Executor({ seed: 1 });
    const { scheduler } = executor;
    const allocator = new SlabAllocator({ executor });
    const wave = (count: number): void => {
      for (const block of Array.from({ length: count }, () => allocator.allocate(PAGE)!)) allocator.free(block);
    };
    const reserved: number[] = [];
    class Busy extends Task {
      turns = 0;
      override run(): TurnEnd {
        // Each takes 600 ms of virtual time.
        this.turnCharge = 600 * 1e6;
        if (this.turns < 6) wave(700);
        reserved.push(allocator.reservedBytes / PAGE);
        return ++this.turns < 12 ? TurnEnd.Runnable : TurnEnd.Ended;
      }
    }
    scheduler.start(new Busy(), new GroupShare(scheduler, scheduler.root), null);
    executor.runUntilIdle();
    expect(reserved.slice(0, 8)).to.deep.equal(new Array(8).fill(4_096));
    expect(reserved.slice(10)).to.deep.equal([0, 0]);
    wave(10);
    expect(allocator.reservedBytes).to.equal(16 * PAGE);
  });

  it("cleans in steps, and only the pages that are not zero", () => {
    const allocator = new SlabAllocator({ slabBytes: [400 * PAGE] });
    const blocks = Array.from({ length: 200 }, () => allocator.allocate(PAGE)!);
    for (const block of blocks) bytesOf(block).fill(7, 8_192, 8_200);
    for (const block of blocks) allocator.free(block);
    let steps = 0;
    while (allocator.cleanSome(PAGE)) steps++;
    expect(steps).to.be.within(100, 140);
    const again = Array.from({ length: 200 }, () => allocator.allocate(PAGE)!);
    for (const block of again) expect(bytesOf(block).every((byte) => byte === 0)).to.equal(true);
  });

  it("writes nothing beside what is not zero: a page that was not touched stays so", () => {
    const allocator = new SlabAllocator({ slabBytes: [400 * PAGE] });
    const blocks = Array.from({ length: 100 }, () => allocator.allocate(PAGE)!);
    for (const block of blocks) {
      const bytes = bytesOf(block);
      bytes[4_095] = 1;
      bytes[8_192] = 1;
      bytes[12_300] = 1;
      bytes[16_000] = 1;
    }
    for (const block of blocks) allocator.free(block);
    const written = new Set<string>();
    withFill(
      ({ byteOffset }, start, end) => {
        const at = (byteOffset + start * 8) % PAGE;
        written.add(`${at}-${at + (end - start) * 8}`);
      },
      () => {
        while (allocator.cleanSome(PAGE));
      },
    );
    expect([...written]).to.have.members(["4080-4096", "8192-8208", "12288-16016"]);
    for (const { buffer, base } of blocks.slice(0, 36)) {
      expect(new Uint8Array(buffer, base, PAGE).every((byte) => byte === 0)).to.equal(true);
    }
  });

  it("has no slabs but the first of each size that a heap of the C library would hold", () => {
    const allocator = new SlabAllocator();
    const blocks = Array.from({ length: 600 }, () => allocator.allocate(PAGE)!);
    const sizes = [...new Set(blocks.map(({ buffer }) => buffer))].map(({ byteLength }) => byteLength);
    expect(sizes).to.deep.equal([16 * PAGE, 528 * PAGE, 4_096 * PAGE]);
  });

  it("overwrites few slots whole, and those only that are used again and again", () => {
    const allocator = new SlabAllocator({ slabBytes: [1_000 * PAGE] });
    const whole = new Set<number>();
    const look = (_array: Float64Array, start: number, end: number): void => {
      if (end - start === PAGE / 8) whole.add(start);
    };
    const rounds = (count: number, live: number): void => {
      for (let round = 0; round < count; round++) {
        const blocks = Array.from({ length: live }, () => allocator.allocate(PAGE)!);
        expect(blocks.every((block) => bytesOf(block)[8] === 0)).to.equal(true);
        for (const block of blocks) {
          bytesOf(block).fill(7, 8, 16);
          allocator.free(block);
        }
      }
    };
    withFill(look, () => {
      rounds(20, 300);
      expect(whole.size).to.equal(0);
      rounds(20, 10);
      expect(whole.size).to.equal(10);
      for (let kept = 0; kept < 100; kept++) {
        rounds(6, 1);
        allocator.allocate(PAGE);
      }
    });
    expect(whole.size).to.equal(64);
  });

  it("a large memory is mapped by itself, with room to grow in place", () => {
    const allocator = new SlabAllocator();
    expect(allocator.allocate(127 * PAGE)!.capacity).to.equal(127 * PAGE);
    expect(allocator.allocate(128 * PAGE)!.capacity).to.equal(528 * PAGE);
    expect(allocator.allocate(600 * PAGE)!.capacity).to.equal(600 * PAGE);
    const compiled = compileSync(textToBinary(`(module (memory (export "memory") 120))`));
    const memory = new Store({ allocator }).instantiateSync(compiled).exports.get("memory") as Memory;
    memory.grow(20);
    const { buffer } = memory.bytes;
    for (let pages = 140; pages < 528; pages++) expect(memory.grow(1)).to.equal(pages);
    expect(memory.bytes.buffer).to.equal(buffer);
  });

  it("detaches no buffer where there is plenty of address space: V8 would throw its code away", () => {
    const { postMessage } = MessagePort.prototype;
    let posts = 0;
    MessagePort.prototype.postMessage = () => {
      posts++;
    };
    const transferring = ArrayBuffer.prototype as { transfer?(): never };
    const { transfer } = transferring;
    if (transfer !== undefined) {
      transferring.transfer = () => {
        throw new Error("detaches");
      };
    }
    try {
      const allocator = new SlabAllocator();
      for (let i = 0; i < 100; i++) expect(allocator.allocate(256 * PAGE)).not.to.equal(null);
    } finally {
      MessagePort.prototype.postMessage = postMessage;
      if (transfer !== undefined) transferring.transfer = transfer;
    }
    expect(posts).to.equal(0);
  });
});
