import { expect } from "chai";
import fc from "fast-check";
import { CompileError } from "../errors.ts";
import { Reader } from "./reader.ts";
import { concat, repeat, uleb } from "./testing.ts";

/** LEB128 of any integer, as the specification writes it, padded to at least `length` bytes. */
function leb(value: bigint, signed: boolean, length = 1): number[] {
  const bytes: number[] = [];
  for (;;) {
    const byte = Number(value & 0x7fn);
    value >>= 7n;
    const isLast = signed ? (value === 0n && byte < 0x40) || (value === -1n && byte >= 0x40) : value === 0n;
    if (isLast && bytes.length + 1 >= length) return [...bytes, byte];
    bytes.push(byte | 0x80);
  }
}

function reader(...bytes: number[]): Reader {
  return new Reader(Uint8Array.from(bytes));
}

/** Each kind of integer: its reading method, width and signedness. */
const KINDS = [
  ["u32", 32, false, (r: Reader) => BigInt(r.u32())],
  ["s32", 32, true, (r: Reader) => BigInt(r.s32())],
  ["s33", 33, true, (r: Reader) => BigInt(r.s33())],
  ["u64", 64, false, (r: Reader) => r.u64()],
  ["s64", 64, true, (r: Reader) => r.s64()],
] as const;

function range(width: number, signed: boolean): { min: bigint; max: bigint } {
  const half = 1n << BigInt(width - 1);
  return signed ? { min: -half, max: half - 1n } : { min: 0n, max: half * 2n - 1n };
}

describe("Reader", () => {
  for (const [kind, width, signed, read] of KINDS) {
    const mostBytes = Math.ceil(width / 7);

    it(`reads every ${kind}, shortest or padded, and stops behind it`, () => {
      const value = fc.bigInt(range(width, signed));
      fc.assert(
        fc.property(value, fc.nat(mostBytes), (value, padding) => {
          const bytes = leb(value, signed, padding);
          const r = reader(...bytes, 0x55);
          expect(read(r)).to.equal(value);
          expect(r.position).to.equal(bytes.length);
        }),
      );
      for (const value of Object.values(range(width, signed)))
        expect(read(reader(...leb(value, signed)))).to.equal(value);
    });

    it(`rejects a ${kind} that is too large, too long or cut off`, () => {
      const { min, max } = range(width, signed);
      for (const value of signed ? [max + 1n, min - 1n] : [max + 1n]) {
        expect(() => read(reader(...leb(value, signed)))).to.throw(CompileError, "integer too large");
      }
      expect(() => read(reader(...leb(0n, signed, mostBytes + 1)))).to.throw("integer representation too long");
      const cut = leb(max, signed).slice(0, -1);
      expect(() => read(reader(...cut))).to.throw("unexpected end of section or function");
    });
  }

  it("passes over s64 like s64 reads it, and reads u64 as a number like u64", () => {
    fc.assert(
      fc.property(fc.bigInt(range(64, false)), (value) => {
        expect(reader(...leb(value, false)).u64AsNumber()).to.equal(Number(value));
        const signed = BigInt.asIntN(64, value);
        const r = reader(...leb(signed, true), 0x55);
        r.skipS64();
        expect(r.u8()).to.equal(0x55);
        expect(r.position).to.equal(r.end);
      }),
    );
  });

  it("decodes names as the host decodes UTF-8, and rejects what the host rejects", () => {
    const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    const unit = fc.oneof(
      fc.string({ unit: "binary" }).map((text) => [...new TextEncoder().encode(text)]),
      fc.array(
        fc.constantFrom(
          0x00,
          0x41,
          0x7f,
          0x80,
          0xbf,
          0xc0,
          0xc2,
          0xdf,
          0xe0,
          0xed,
          0xef,
          0xf0,
          0xf4,
          0xf5,
          0x9f,
          0xa0,
          0x90,
        ),
      ),
    );
    fc.assert(
      fc.property(fc.array(unit), (units) => {
        const bytes = Uint8Array.from(units.flat());
        let expected: string | null = null;
        try {
          expected = strict.decode(bytes);
        } catch {
          // Not UTF-8.
        }
        const r = new Reader(concat(uleb(bytes.length), bytes));
        if (expected === null) expect(() => r.name()).to.throw("malformed UTF-8 encoding");
        else expect(r.name()).to.equal(expected);
      }),
      { numRuns: 1000 },
    );
  });

  it("reads long names in linear time and refuses those past the limit", () => {
    const long = new Reader(concat(uleb(100_000), repeat(50_000, 0xc3, 0xa9)));
    expect(long.name()).to.equal("é".repeat(50_000));
    const tooLong = new Reader(concat(uleb(100_001), repeat(100_001, 0x61)));
    expect(() => tooLong.name()).to.throw(CompileError, "limit exceeded");
  });

  it("takes no count or length on trust", () => {
    expect(() => reader(0xff, 0xff, 0xff, 0xff, 0x0f).count()).to.throw("unexpected end of section or function");
    expect(() => reader(0xff, 0xff, 0xff, 0xff, 0x0f).length()).to.throw("length out of bounds");
    expect(() => reader(1).skip(2)).to.throw("unexpected end");
  });

  it("tells the byte offset and the function", () => {
    const r = new Reader(Uint8Array.from([0, 0, 0x80]), 2);
    r.funcIndex = 7;
    expect(() => r.u32())
      .to.throw(CompileError)
      .that.includes({ kind: "malformed", position: 3, funcIndex: 7 });
  });
});
