import { expect } from "chai";
import { SNAPSHOT_STEP_BYTES, SnapshotError } from "../../vm/internal.ts";
import { ByteSink, ByteSource } from "./byte-stream.ts";

describe("a stream of bytes", () => {
  it("gives back what was written, wherever pieces end", () => {
    for (let shift = 0; shift < 24; shift++) {
      const sink = new ByteSink();
      const write = (i: number): void => {
        sink.u8(i & 0xff);
        sink.u32(i * 7);
        sink.i64(-BigInt(i));
        sink.f64(i / 2);
        sink.raw(Uint8Array.of(i & 0xff, 1, 2));
      };
      const read = (i: number): void => {
        const bytes = [source.u8(), source.u32(), source.i64(), source.f64(), ...source.raw(3)];
        if (bytes.join() !== [i & 0xff, i * 7, -BigInt(i), i / 2, i & 0xff, 1, 2].join()) {
          throw new Error(`${i}: ${bytes.join()}`);
        }
      };
      const filler = new Uint8Array(SNAPSHOT_STEP_BYTES - 300 - shift).fill(9);
      for (let i = 0; i < 40; i++) write(i);
      sink.raw(filler);
      const before = sink.pieces;
      for (let i = 0; i < 40; i++) write(i);
      const source = new ByteSource([...sink.pieces, new Uint8Array(0)]);
      for (let i = 0; i < 40; i++) read(i);
      expect(source.raw(filler.length)).to.deep.equal(filler);
      expect(source.isAtEnd).to.equal(false);
      for (let i = 0; i < 40; i++) read(i);
      expect(source.isAtEnd).to.equal(true);
      expect(() => source.u8()).to.throw(SnapshotError, "end too early");
      expect(before.reduce((sum, { length }) => sum + length, 0)).to.be.below(SNAPSHOT_STEP_BYTES + 800);
    }
  });
});
