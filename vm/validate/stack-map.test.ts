import { expect } from "chai";
import { readInstruction } from "../binary/instructions.ts";
import { decodeModule } from "../binary/decode.ts";
import { Reader } from "../binary/reader.ts";
import { Op } from "../opcodes.ts";
import { wat } from "../testing.ts";
import { TypeRegistry } from "../type-registry.ts";
import { Num, refType } from "../types.ts";
import { validateModule } from "./module.ts";
import { stackMapAt } from "./stack-map.ts";

const MODULE = decodeModule(wat`(module
  (type $t (struct))
  (import "m" "f" (func (param i32) (result i64)))
  (func (param i32) (local $r (ref $t)) (local f64)
    i32.const 1
    f32.const 2
    local.get 0
    call 0
    drop
    (local.set $r (struct.new $t))
    (block (result v128)
      unreachable
      i32.add
      i8x16.splat)
    drop
    drop
    drop))`);

/** Positions and numbers of the only body's instructions. */
function instructions(): { position: number; op: Op }[] {
  const reader = new Reader(MODULE.bytes, MODULE.bodyStarts[0], MODULE.bodyEnds[0]);
  // Two groups of locals.
  reader.skip(6);
  const found: { position: number; op: Op }[] = [];
  while (reader.position < reader.end) {
    const { position, op } = readInstruction(reader);
    found.push({ position, op });
  }
  return found;
}

describe("stackMapAt", () => {
  const { context } = validateModule(MODULE, new TypeRegistry());
  const structId = context.typeIds[0]!;
  const at = (op: Op, nth = 0) =>
    stackMapAt(context, 1, instructions().filter((each) => each.op === op)[nth]!.position);

  it("gives the operands before an instruction", () => {
    expect(at(Op.I32Const)?.operands).to.deep.equal([]);
    expect(at(Op.Call)?.operands).to.deep.equal([Num.I32, Num.F32, Num.I32]);
    expect(at(Op.Drop)?.operands, "after the call").to.deep.equal([Num.I32, Num.F32, Num.I64]);
    expect(at(Op.Drop, 1)?.operands, "after the block").to.deep.equal([Num.I32, Num.F32, Num.V128]);
  });

  it("gives the locals, and which of them have a value", () => {
    const type = refType(structId, false);
    const locals = (isSet: boolean) => [
      { type: Num.I32, isSet: true },
      { type, isSet },
      { type: Num.F64, isSet: true },
    ];
    expect(at(Op.Call)?.locals).to.deep.equal(locals(false));
    expect(at(Op.Block)?.locals).to.deep.equal(locals(true));
  });

  it("says what cannot be reached", () => {
    expect(at(Op.Unreachable)?.isUnreachable).to.equal(false);
    expect(at(Op.I32Add)?.isUnreachable).to.equal(true);
    expect(at(Op.Drop, 1)?.isUnreachable).to.equal(false);
  });

  it("is null where no instruction of the body begins", () => {
    const { position } = instructions().find(({ op }) => op === Op.F32Const)!;
    expect(stackMapAt(context, 1, position + 1)).to.equal(null);
    expect(stackMapAt(context, 1, MODULE.bodyStarts[0]!)).to.equal(null);
    expect(stackMapAt(context, 1, MODULE.bodyEnds[0]!)).to.equal(null);
    expect(stackMapAt(context, 1, 0)).to.equal(null);
    expect(stackMapAt(context, 0, position), "imported").to.equal(null);
  });

  it("agrees with the greatest height at every instruction", () => {
    const { maxHeights } = validateModule(MODULE, new TypeRegistry());
    for (const { position } of instructions()) {
      const { operands } = stackMapAt(context, 1, position)!;
      const slots = operands.reduce((sum, type) => sum + (type === Num.V128 ? 2 : 1), 0);
      expect(slots).to.be.at.most(maxHeights[0]!);
    }
  });
});
