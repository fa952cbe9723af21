import { expect } from "chai";
import { INSTRUCTIONS } from "../opcodes.ts";
import type { Memory } from "../runtime/memory.ts";
import { instanceOf, randomWords, runToEnd, wat } from "../testing.ts";
import { Num, valTypeText } from "../types.ts";
import type { TurnOptions } from "./outcome.ts";

const ACCESSES = Object.entries(INSTRUCTIONS)
  .map(([op, row]) => ({ op: Number(op), row }))
  .filter(({ op }) => op >= 0x310 && op < 0x34f)
  .map(({ row }) => row);

/** One function for each access of the memory `$m`, whose address type is `at`. */
function functions(at: string): string {
  return ACCESSES.map(({ mnemonic, type }) => {
    const values = type!.params.slice(1).map(valTypeText);
    const results = type!.results.map(valTypeText);
    const operands = values.map((_, i) => `(local.get ${i + 1})`).join(" ");
    return `(func (export "${mnemonic}") (param ${at} ${values.join(" ")}) (result ${results.join(" ")})
      (${mnemonic} $m offset=8 (local.get 0) ${operands}))`;
  }).join("\n");
}

const KINDS = {
  "the first memory": wat`(module (memory $m (export "m") 1 1 shared) ${functions("i32")})`,
  "a second memory": wat`(module (memory 1) (memory $m (export "m") 1 1 shared) ${functions("i32")})`,
  "a memory that is not shared": wat`(module (memory $m (export "m") 1) ${functions("i32")})`,
  "64-bit addresses": wat`(module (memory $m (export "m") i64 1 1 shared) ${functions("i64")})`,
};
const ROUNDS = 24;
/** Where the accesses are: the first bytes are overwritten by each. */
const AT = 40;

/** Values that agree in some of their bytes, so that comparisons of every width hold now and then. */
function operand(next: () => number, type: number): number | bigint {
  const low = [next(), 0x11111111, 0x1111, 0xffffffff, 0][next() % 5]!;
  const high = [next(), 0x11111111, 0, 0xffffffff][next() % 4]!;
  return type === Num.I64 ? BigInt.asIntN(64, (BigInt(high) << 32n) | BigInt(low)) : low | 0;
}

describe("atomic accesses", () => {
  const hostBytes = wat`(module (memory $m (export "m") 1 1 shared) ${functions("i32")})`;
  const turns: Record<string, TurnOptions> = { "in one turn": {}, "in exact turns of 1": { fuel: 1, exact: true } };

  for (const [kind, bytes] of Object.entries(KINDS)) {
    for (const [how, turn] of Object.entries(turns)) {
      it(`give what the host's engine gives: ${kind}, ${how}`, () => {
        const next = randomWords(7);
        const host = new WebAssembly.Instance(new WebAssembly.Module(hostBytes), {}).exports;
        const hostView = new DataView((host["m"] as WebAssembly.Memory).buffer);
        const instance = instanceOf(bytes);
        const memory = instance.export("m") as Memory;
        for (const { mnemonic, type, width } of ACCESSES) {
          for (let round = 0; round < ROUNDS; round++) {
            const address = AT + (next() % (8 / width)) * width;
            const before = BigInt.asUintN(64, operand(next, Num.I64) as bigint);
            hostView.setBigUint64(AT + 8, before, true);
            memory.writeU64(AT + 8, before);
            const values = type!.params.slice(1).map((param) => operand(next, param));
            const expected = (host[mnemonic] as (...args: unknown[]) => unknown)(address, ...values);
            const first = kind === "64-bit addresses" ? BigInt(address) : address;
            const { values: got } = runToEnd(instance.invoke(mnemonic, [first, ...values]), turn);
            expect(got, mnemonic).to.deep.equal(expected === undefined ? [] : [expected]);
            expect(memory.readU64(AT + 8), mnemonic).to.equal(hostView.getBigUint64(AT + 8, true));
          }
        }
      });
    }
  }

  it("trap for a wrong alignment, then for bounds, before they change anything", () => {
    for (const [kind, bytes] of Object.entries(KINDS)) {
      const instance = instanceOf(bytes);
      for (const { mnemonic, type, width } of ACCESSES) {
        const values = type!.params.slice(1).map((param) => (param === Num.I64 ? -1n : -1));
        const at = (address: number): number | bigint => (kind === "64-bit addresses" ? BigInt(address) : address);
        const call = (address: number) => () => instance.callSync(mnemonic, [at(address), ...values]);
        if (width > 1) expect(call(65537), mnemonic).to.throw("unaligned atomic");
        expect(call(65536 - 8), mnemonic).to.throw("out of bounds memory access");
        expect(call(65536 - 8 - width), mnemonic).to.not.throw();
      }
    }
  });

  it("cost one fuel, fences too", () => {
    const instance = instanceOf(wat`(module (memory 1 1 shared)
      (func (export "f") (atomic.fence) (i32.atomic.store (i32.const 0) (i32.const 1))))`);
    expect(runToEnd(instance.invoke("f")).fuelUsed).to.equal(4);
  });
});
