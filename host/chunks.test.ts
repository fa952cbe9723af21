import { expect } from "chai";
import { countReachable } from "./node/testing.ts";
import { giveChunk, NO_CHUNK, takeChunk, type Chunk } from "./chunks.ts";

describe("chunks of messages", () => {
  it("have the room that was asked for, and share it with none that is taken", () => {
    const taken: Chunk[] = [];
    for (const length of [1, 63, 64, 65, 100, 128, 129, 4_096, 4_097, 65_536, 65_537, 100_000]) {
      for (let i = 0; i < 40; i++) taken.push(takeChunk(length));
      for (const chunk of taken.slice(-40)) {
        expect(chunk.length).to.be.at.least(length);
        expect(chunk.at + chunk.length).to.be.at.most(chunk.bytes.length);
        expect(chunk.view.buffer).to.equal(chunk.bytes.buffer);
      }
    }
    const marked = new Map<Chunk, number>();
    taken.forEach((chunk, i) => {
      marked.set(chunk, i & 0xff);
      chunk.bytes.fill(i & 0xff, chunk.at, chunk.at + chunk.length);
    });
    expect(marked.size).to.equal(taken.length);
    for (const [{ bytes, at, length }, mark] of marked) {
      expect(bytes.subarray(at, at + length).every((byte) => byte === mark)).to.equal(true);
    }
    taken.forEach(giveChunk);
  });

  it("are used again, so many as are worth keeping", () => {
    for (const [length, kept] of [
      [100, 32_768],
      [4_096, 1_024],
      [65_536, 64],
      [1_048_576, 16],
    ] as const) {
      const first = Array.from({ length: kept + 20 }, () => takeChunk(length));
      const buffers = new Set(first.map(({ bytes }) => bytes.buffer));
      first.forEach(giveChunk);
      const again = first.map(() => takeChunk(length));
      expect(again.filter(({ bytes }) => buffers.has(bytes.buffer)).length).to.be.within(kept, kept + 16);
      again.forEach(giveChunk);
    }
  });

  it("are pieces of few buffers however many there are, which are let go when nobody has a piece of them", async () => {
    const length = 256;
    const references: WeakRef<object>[] = [];
    (() => {
      const taken = Array.from({ length: 60_000 }, () => takeChunk(length));
      const buffers = new Set(taken.map(({ bytes }) => bytes.buffer));
      expect(buffers.size).to.be.at.most(60_000 / 256 + 2);
      for (const buffer of buffers) references.push(new WeakRef(buffer));
      taken.forEach(giveChunk);
    })();
    expect(await countReachable(references)).to.be.at.most(66);
  });

  it("of no bytes are no chunk to be used again", () => {
    giveChunk(NO_CHUNK);
    expect(takeChunk(1)).to.not.equal(NO_CHUNK);
  });
});
