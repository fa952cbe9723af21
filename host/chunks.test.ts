import { expect } from "chai";
import { countReachable } from "./node/testing.ts";
import { giveChunk, NO_CHUNK, takeChunk, type Chunk } from "./chunks.ts";
import { trimStocks } from "./stock.ts";

describe("chunks of messages", () => {
  // Nothing is kept that others have left.
  beforeEach(() => {
    trimStocks();
    trimStocks();
  });

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

  it("are used again, those that were given back last first", () => {
    for (const length of [100, 4_096, 65_536, 1_048_576]) {
      const count = Math.ceil(2_097_152 / length);
      const first = Array.from({ length: count }, () => takeChunk(length));
      const buffers = new Set(first.map(({ bytes }) => bytes.buffer));
      first.forEach(giveChunk);
      const again = first.map(() => takeChunk(length));
      expect(again.every(({ bytes }) => buffers.has(bytes.buffer))).to.equal(true);
      again.forEach(giveChunk);
    }
  });

  it("are pieces of few buffers however many there are, which are let go when nobody has needed one for a while", async () => {
    const length = 256;
    const references: WeakRef<object>[] = [];
    (() => {
      const taken = Array.from({ length: 60_000 }, () => takeChunk(length));
      const buffers = new Set(taken.map(({ bytes }) => bytes.buffer));
      expect(buffers.size).to.be.at.most(60_000 / 256 + 2);
      for (const buffer of buffers) references.push(new WeakRef(buffer));
      taken.forEach(giveChunk);
    })();
    trimStocks();
    expect(await countReachable(references)).to.equal(references.length);
    trimStocks();
    expect(await countReachable(references)).to.be.at.most(1);
  });

  it("of no bytes are no chunk to be used again", () => {
    giveChunk(NO_CHUNK);
    expect(takeChunk(1)).to.not.equal(NO_CHUNK);
  });
});
