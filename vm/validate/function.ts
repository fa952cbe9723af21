/**
 * Validates bodies and constant expressions: one forward pass with the algorithm of the
 * specification's appendix (spec: algo-valid), never recursive, which can stop after any
 * instruction and go on later. The table gives most instructions their type; those that depend on
 * context have cases here, references and aggregates in references.ts.
 */

import { illegalOpcode, readFenceOrder } from "../binary/instructions.ts";
import { readValType } from "../binary/read-types.ts";
import { Reader } from "../binary/reader.ts";
import { checkLocalCount } from "../binary/skip-expr.ts";
import type { CompileError } from "../errors.ts";
import { CODE_BYTES } from "../footprint.ts";
import type { Expr } from "../module.ts";
import { INSTRUCTION_BY_NUMBER, Op } from "../opcodes.ts";
import { EXNREF, FUNCREF, isRefType, Num, type AddressType, type ValType } from "../types.ts";
import { Blocks } from "./blocks.ts";
import { validateBulk } from "./bulk.ts";
import type { ModuleContext } from "./context.ts";
import { NO_TYPES, type ValTypes } from "./operands.ts";
import { validateReference } from "./references.ts";
import {
  CONSTANT,
  LANES,
  NATURAL_ALIGNMENTS,
  PARAMS_1,
  PARAMS_2,
  PARAMS_3,
  RESULTS,
  Shape,
  SHAPES,
  SKIP_BYTES,
} from "./rows.ts";

const MAX_OFFSET_32 = 0xffff_ffff;

export class FunctionValidator extends Blocks {
  #results: ValTypes = NO_TYPES;

  /** The globals that a constant expression may read: those before it. */
  #visibleGlobals = 0;

  /** Local declarations that are still to read. */
  #groupsLeft = 0;
  #declarationsPosition = 0;

  constructor(context: ModuleContext) {
    super(context);
    this.reader = new Reader(context.module.bytes);
  }

  /** Begins the body of a function that is not imported. */
  beginBody(funcIndex: number): void {
    const { module } = this.context;
    const body = funcIndex - module.importedFuncs;
    const { params, results } = this.context.funcType(funcIndex);
    this.#begin(module.bodyStarts[body]!, module.bodyEnds[body]!, results);
    this.reader.funcIndex = funcIndex;
    this.isConstant = false;
    this.locals.begin(params);
    this.#declarationsPosition = this.reader.position;
    this.position = this.reader.position;
    this.#groupsLeft = this.reader.u32();
    if (this.#groupsLeft === 0) this.#beginCode();
  }

  /** Begins a constant expression of type `result` that sees the first `visibleGlobals` globals. */
  beginExpr(expr: Expr, result: ValType, visibleGlobals: number): void {
    this.#begin(expr.start, expr.end, this.single(result));
    this.reader.funcIndex = undefined;
    this.isConstant = true;
    this.#visibleGlobals = visibleGlobals;
    this.locals.begin(NO_TYPES);
    this.#beginCode();
  }

  #begin(start: number, end: number, results: ValTypes): void {
    this.reader.position = start;
    this.reader.end = end;
    this.#results = results;
    this.resetStacks();
  }

  /**
   * Reads about `budget` bytes more and returns whether the body or expression is valid to its
   * end. Throws a `CompileError`: `invalid`, or `malformed` in words that depend on where reading
   * stopped; checkBody has the exact ones.
   */
  step(budget: number): boolean {
    const { reader } = this;
    this.pausePosition = reader.position + Math.max(1, budget);
    while (this.#groupsLeft > 0) {
      if (reader.position >= this.pausePosition) return false;
      this.#localGroup();
      if (this.#groupsLeft === 0) this.#beginCode();
    }
    if (this.isConstant) return this.#constantCode();
    if (!this.finishInstruction()) return false;
    while (reader.position < this.pausePosition) {
      this.position = reader.position;
      const byte = reader.u8();
      this.#instruction(byte);
      if (this.depth === 0) return this.#endOfBody();
    }
    return false;
  }

  #constantCode(): boolean {
    const { reader } = this;
    while (reader.position < this.pausePosition) {
      this.position = reader.position;
      const byte = reader.u8();
      const isPrefix = byte >= 0xfb && byte <= 0xfe;
      if (!isPrefix && byte !== Op.End && CONSTANT[byte] === 0) throw this.#notConstant();
      this.#instruction(byte);
      if (this.depth === 0) return this.#endOfBody();
    }
    return false;
  }

  #notConstant(): CompileError {
    return this.invalid("constant expression required");
  }

  #endOfBody(): true {
    if (this.reader.position !== this.reader.end) throw this.reader.malformed("section size mismatch");
    return true;
  }

  // Locals

  #localGroup(): void {
    const { reader } = this;
    const locals = this.locals;
    this.position = reader.position;
    const count = reader.u32();
    const type = this.context.canonical(readValType(reader), this.place);
    locals.add(count, type);
    if (locals.count - locals.paramCount > 0xffff_ffff) throw reader.malformed("too many locals");
    this.#groupsLeft--;
  }

  #beginCode(): void {
    checkLocalCount(this.reader, this.locals.count, this.#declarationsPosition);
    this.locals.finish(this.reader.end - this.reader.position);
    this.pushBlock(Op.Block, NO_TYPES, this.#results, 0);
  }

  #localType(index: number): ValType {
    const type = this.locals.type(index);
    if (type < 0) throw this.unknown("local", index);
    return type;
  }

  /** Else {@link localsHere} gives the same all over a body. */
  get mayHaveUnsetLocals(): boolean {
    return this.locals.hasNonDefaultable;
  }

  /** The type of each local, and whether it may be read here. At most `MAX_LOCALS`. */
  localsHere(): { type: ValType; isSet: boolean }[] {
    return Array.from({ length: this.locals.count }, (_, index) => {
      const type = this.#localType(index);
      return { type, isSet: this.locals.isSet(index, type) };
    });
  }

  // Instructions

  #instruction(op: number): void {
    const { reader } = this;
    switch (op) {
      case Op.Unreachable:
        this.setUnreachable();
        return;
      case Op.Block:
      case Op.Loop:
      case Op.If:
        this.enterBlock(op);
        return;
      case Op.Else:
        this.elseBranch();
        return;
      case Op.TryTable:
        this.tryTable();
        return;
      case Op.End:
        this.endBlock();
        return;
      case Op.Try:
      case Op.Catch:
      case Op.CatchAll:
      case Op.Delegate:
      case Op.Rethrow:
        if (!this.#accepts(op)) throw illegalOpcode(reader, op, null, this.position);
        this.legacy(op);
        return;
      case Op.Throw:
        this.popAll(this.tagParams(reader.u32()));
        this.setUnreachable();
        return;
      case Op.ThrowRef:
        this.pop(EXNREF);
        this.setUnreachable();
        return;
      case Op.Br:
        this.popAll(this.labelTypes(reader.u32()));
        this.setUnreachable();
        return;
      case Op.BrIf: {
        const types = this.labelTypes(reader.u32());
        this.pop(Num.I32);
        this.popAll(types);
        this.pushAll(types);
        return;
      }
      case Op.BrTable:
        this.branchTable();
        return;
      case Op.Return:
        this.popAll(this.#results);
        this.setUnreachable();
        return;
      case Op.Call: {
        const { params, results } = this.func(reader.u32());
        this.countCode(CODE_BYTES.call);
        this.popAll(params);
        this.pushAll(results);
        return;
      }
      case Op.ReturnCall:
        this.#tailCall(this.func(reader.u32()));
        return;
      case Op.CallIndirect: {
        const { params, results } = this.#indirectType();
        this.countCode(CODE_BYTES.call);
        this.popAll(params);
        this.pushAll(results);
        return;
      }
      case Op.ReturnCallIndirect:
        this.#tailCall(this.#indirectType());
        return;
      case Op.CallRef: {
        const typeIndex = reader.u32();
        const { params, results } = this.funcTypeAt(typeIndex);
        this.countCode(CODE_BYTES.call);
        this.popDefined(typeIndex);
        this.popAll(params);
        this.pushAll(results);
        return;
      }
      case Op.ReturnCallRef: {
        const typeIndex = reader.u32();
        const type = this.funcTypeAt(typeIndex);
        this.popDefined(typeIndex);
        this.#tailCall(type);
        return;
      }
      case Op.Drop:
        this.popAny();
        return;
      case Op.Select:
        this.#select();
        return;
      case Op.SelectTyped:
        this.#selectTyped();
        return;
      case Op.LocalGet: {
        const index = reader.u32();
        const type = this.#localType(index);
        if (this.locals.hasNonDefaultable && !this.locals.isSet(index, type))
          throw this.invalid("uninitialized local", String(index));
        this.push(type);
        return;
      }
      case Op.LocalSet: {
        const index = reader.u32();
        const type = this.#localType(index);
        this.pop(type);
        if (this.locals.hasNonDefaultable) this.locals.markSet(index, type);
        return;
      }
      case Op.LocalTee: {
        const index = reader.u32();
        const type = this.#localType(index);
        this.pop(type);
        this.push(type);
        if (this.locals.hasNonDefaultable) this.locals.markSet(index, type);
        return;
      }
      case Op.GlobalGet:
        this.#globalGet();
        return;
      case Op.GlobalSet: {
        const index = reader.u32();
        const global = this.context.module.globals[index];
        if (global === undefined) throw this.unknown("global", index);
        if (!global.type.mutable) throw this.invalid("immutable global", String(index));
        this.pop(this.context.globalTypes[index]!);
        return;
      }
      case Op.TableGet: {
        const index = reader.u32();
        this.pop(this.table(index).address);
        this.push(this.tableElement(index));
        return;
      }
      case Op.TableSet: {
        const index = reader.u32();
        const { address } = this.table(index);
        this.pop(this.tableElement(index));
        this.pop(address);
        return;
      }
      case Op.RefNull:
      case Op.RefIsNull:
      case Op.RefFunc:
      case Op.RefAsNonNull:
      case Op.BrOnNull:
      case Op.BrOnNonNull:
        validateReference(this, op);
        return;
      case 0xfb:
        this.#prefixed(op, 0x200);
        return;
      case 0xfc:
        this.#prefixed(op, 0x100);
        return;
      case 0xfd:
        this.#prefixed(op, 0x400);
        return;
      case 0xfe:
        this.#prefixed(op, 0x300);
        return;
      default:
        this.#general(op);
    }
  }

  #prefixed(prefix: number, page: number): void {
    const second = this.reader.u32();
    const op = page + second;
    // Only the vector page has 0x200 numbers; the pages of the others end where the next begins.
    const isInPage = second < (prefix === 0xfd ? 0x200 : 0x100);
    const shape = isInPage ? SHAPES[op] : Shape.Illegal;
    if (shape === Shape.Illegal) throw illegalOpcode(this.reader, prefix, second, this.position);
    if (shape === Shape.Wide && !this.#accepts(op)) throw illegalOpcode(this.reader, prefix, second, this.position);
    if (this.isConstant && CONSTANT[op] === 0) throw this.#notConstant();
    if (shape !== Shape.Contextual) this.#general(op);
    else if (prefix === 0xfb) validateReference(this, op);
    else validateBulk(this, op);
  }

  #accepts(op: number): boolean {
    const proposal = INSTRUCTION_BY_NUMBER[op]?.proposal ?? null;
    return proposal === null || this.context.proposals.has(proposal);
  }

  /** The general case: the row has the type, its immediates need only be read and checked. */
  #general(op: number): void {
    const { reader } = this;
    let address: AddressType = Num.I32;
    switch (SHAPES[op]) {
      case Shape.None:
        break;
      case Shape.I32:
        reader.s32();
        break;
      case Shape.I64:
        reader.skipS64();
        break;
      case Shape.Bytes:
        reader.skip(SKIP_BYTES[op]!);
        break;
      case Shape.MemArg:
        address = this.#memArg(op);
        break;
      case Shape.MemArgLane:
        address = this.#memArg(op);
        this.#lane(LANES[op]!);
        break;
      case Shape.Lane:
        this.#lane(LANES[op]!);
        break;
      case Shape.Lanes16:
        for (let i = 0; i < 16; i++) this.#lane(32);
        break;
      case Shape.Memory:
        address = this.memory(reader.u32()).address;
        break;
      case Shape.Data:
        this.checkData(reader.u32());
        break;
      case Shape.DataMemory: {
        const dataIndex = reader.u32();
        address = this.memory(reader.u32()).address;
        this.checkData(dataIndex);
        break;
      }
      case Shape.Elem:
        this.elementType(reader.u32());
        break;
      case Shape.Order:
        readFenceOrder(reader);
        break;
      case Shape.Wide: {
        const { params, results } = INSTRUCTION_BY_NUMBER[op]!.type!;
        this.popAll(params);
        this.pushAll(results);
        return;
      }
      default:
        throw illegalOpcode(reader, op, null, this.position);
    }
    const third = PARAMS_3[op]!;
    if (third !== 0) this.pop(third === Num.Address ? address : third);
    const second = PARAMS_2[op]!;
    if (second !== 0) this.pop(second === Num.Address ? address : second);
    const first = PARAMS_1[op]!;
    if (first !== 0) this.pop(first === Num.Address ? address : first);
    const result = RESULTS[op]!;
    if (result !== 0) this.push(result === Num.Address ? address : result);
  }

  #memArg(op: number): AddressType {
    const { reader } = this;
    const flags = reader.u32();
    if (flags >= 0x80) throw reader.malformed("malformed memop flags", this.position);
    const memIndex = (flags & 0x40) === 0 ? 0 : reader.u32();
    const offset = reader.u64AsNumber();
    const { address } = this.memory(memIndex);
    const align = flags & 0x3f;
    const natural = NATURAL_ALIGNMENTS[op]!;
    if (op >= Op.MemoryAtomicNotify && op < Op.V128Load) {
      if (align !== natural) throw this.invalid("atomic alignment must be natural");
    } else if (align > natural) throw this.invalid("alignment must not be larger than natural");
    if (address === Num.I32 && offset > MAX_OFFSET_32) throw this.invalid("offset out of range");
    return address;
  }

  #lane(lanes: number): void {
    const index = this.reader.u8();
    if (index >= lanes) throw this.invalid("invalid lane index", String(index));
  }

  // Calls, variables, tables

  #indirectType(): { params: ValTypes; results: ValTypes } {
    const typeIndex = this.reader.u32();
    const tableIndex = this.reader.u32();
    const { address } = this.table(tableIndex);
    this.require(this.tableElement(tableIndex), FUNCREF);
    const type = this.funcTypeAt(typeIndex);
    this.pop(address);
    return type;
  }

  /** The callee returns in this function's place. */
  #tailCall({ params, results }: { params: ValTypes; results: ValTypes }): void {
    this.countCode(CODE_BYTES.call);
    if (results !== this.#results) {
      this.pausePosition -= results.length;
      if (results.length !== this.#results.length) {
        throw this.mismatch(this.text(...this.#results), this.text(...results));
      }
      for (let i = 0; i < results.length; i++) this.require(results[i]!, this.#results[i]!);
    }
    this.popAll(params);
    this.setUnreachable();
  }

  /** Without a type immediate, select is for numbers and vectors only. */
  #select(): void {
    this.pop(Num.I32);
    const second = this.popAny();
    const first = this.popAny();
    if (isRefType(first) || isRefType(second))
      throw this.mismatch("number or vector", this.text(isRefType(first) ? first : second));
    if (first !== second && first !== Num.Bottom && second !== Num.Bottom) {
      throw this.mismatch(this.text(first), this.text(second));
    }
    this.push(first === Num.Bottom ? second : first);
  }

  #selectTyped(): void {
    const { reader } = this;
    const count = reader.count();
    if (count !== 1) throw this.invalid("invalid result arity", `${count} result types`);
    const type = this.context.canonical(readValType(reader), this.place);
    this.pop(Num.I32);
    this.pop(type);
    this.pop(type);
    this.push(type);
  }

  #globalGet(): void {
    const index = this.reader.u32();
    const { globals } = this.context.module;
    const count = this.isConstant ? this.#visibleGlobals : globals.length;
    if (index >= count) throw this.unknown("global", index);
    if (this.isConstant && globals[index]!.type.mutable) throw this.#notConstant();
    this.push(this.context.globalTypes[index]!);
  }
}
