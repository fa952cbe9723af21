import { expect } from "chai";
import fc from "fast-check";
import type { MemoryBlock } from "../vm/index.ts";
import { SlabAllocator } from "./slabs.ts";

const PAGE = 65_536;
const small = (): SlabAllocator => new SlabAllocator({ slabBytes: [4 * PAGE, 8 * PAGE] });

function bytesOf({ buffer, base, capacity }: MemoryBlock): Uint8Array {
  return new Uint8Array(buffer, base, capacity);
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
});
