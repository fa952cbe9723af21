import { expect } from "chai";
import fc from "fast-check";
import { Reader } from "./reader.ts";
import { Writer } from "./writer.ts";

function written(write: (writer: Writer) => void): Uint8Array {
  const writer = new Writer(1);
  write(writer);
  return writer.toBytes();
}

describe("writer", () => {
  it("writes integers that the reader reads back", () => {
    fc.assert(
      fc.property(fc.nat(0xffff_ffff), fc.integer(), fc.bigInt(0n, (1n << 64n) - 1n), (unsigned, signed, long) => {
        expect(new Reader(written((writer) => writer.u32(unsigned))).u32()).to.equal(unsigned);
        expect(new Reader(written((writer) => writer.s32(signed))).s32()).to.equal(signed);
        expect(new Reader(written((writer) => writer.u64(long))).u64()).to.equal(long);
        expect(new Reader(written((writer) => writer.s64(long))).s64()).to.equal(BigInt.asIntN(64, long));
        expect(new Reader(written((writer) => writer.s33(unsigned))).s33()).to.equal(unsigned);
      }),
    );
  });

  it("writes the shortest form", () => {
    expect([...written((writer) => writer.s32(-64))]).to.deep.equal([0x40]);
    expect([...written((writer) => writer.s32(64))]).to.deep.equal([0xc0, 0x00]);
    expect([...written((writer) => writer.s33(-0x10))]).to.deep.equal([0x70]);
    expect([...written((writer) => writer.u32(0x7f))]).to.deep.equal([0x7f]);
    expect([...written((writer) => writer.s64(-1n))]).to.deep.equal([0x7f]);
  });

  it("puts sizes in front of what they measure", () => {
    for (const size of [0, 1, 127, 128, 20_000]) {
      const bytes = written((writer) => {
        writer.u8(0xaa);
        writer.bytes(new Uint8Array(size).fill(0x55));
        writer.insertSize(1);
      });
      const reader = new Reader(bytes, 1);
      expect(reader.u32()).to.equal(size);
      expect(bytes.length - reader.position).to.equal(size);
      expect(bytes.subarray(reader.position).every((byte) => byte === 0x55)).to.equal(true);
    }
  });

  it("writes names in UTF-8 and float bits little-endian", () => {
    expect([...written((writer) => writer.name("é"))]).to.deep.equal([2, 0xc3, 0xa9]);
    expect([...written((writer) => writer.f32Bits(0x7fa0_0001))]).to.deep.equal([0x01, 0x00, 0xa0, 0x7f]);
    expect([...written((writer) => writer.f64Bits(0xfff0_0000_0000_0001n))]).to.deep.equal([
      1, 0, 0, 0, 0, 0, 0xf0, 0xff,
    ]);
  });
});
