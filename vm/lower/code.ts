/**
 * The register code that bodies are lowered to: its operations and the growing array that holds
 * them. Code belongs to a module and knows nothing of instances, so it is shared between them.
 *
 * Operands are word offsets (4 bytes) from the frame pointer; a slot has two words. layouts.ts says
 * which words follow the operations of the hot loop; for the others a comment does, where `d` is a
 * destination, `a b c` are sources and `k` is a constant. A branch names its target, what it adds to
 * the fuel, and the fuel below which it pauses: interpreter.ts explains how fuel is counted.
 */

/** Operations of the hot loop come first; from {@link Reg.Slow} on they are executed by slow.ts. */
export const enum Reg {
  /** At position 0: the return address of an entry frame. */
  Halt,
  /** P: a safe point in straight-line code. */
  Check,
  /** P after the next instruction, its price: the boundary before an instruction, in exact code only. */
  CheckExact,

  Move32,
  Move64,
  MoveF64,
  Const32,
  Const64,
  ConstF64,

  I32Add,
  I32Sub,
  I32Mul,
  I32And,
  I32Or,
  I32Xor,
  I32Shl,
  I32ShrS,
  I32ShrU,
  I32Rotl,
  I32Rotr,
  I32DivS,
  I32DivU,
  I32RemS,
  I32RemU,
  I32AddK,
  I32MulK,
  I32AndK,
  I32OrK,
  I32XorK,
  I32ShlK,
  I32ShrSK,
  I32ShrUK,
  I32RotlK,
  I32Clz,
  I32Ctz,
  I32Extend8S,
  I32Extend16S,

  // Each block of ten keeps this order: lowering computes with it.
  I32Eq,
  I32Ne,
  I32LtS,
  I32LtU,
  I32LeS,
  I32LeU,
  I32EqK,
  I32NeK,
  I32LtSK,
  I32LtUK,
  I32GtSK,
  I32GtUK,
  I32LeSK,
  I32LeUK,
  I32GeSK,
  I32GeUK,
  I64Eq,
  I64Ne,
  I64LtS,
  I64LtU,
  I64LeS,
  I64LeU,
  I64Eqz,
  I64Nez,
  F64Eq,
  F64Ne,
  F64Lt,
  F64Le,
  F32Eq,
  F32Ne,
  F32Lt,
  F32Le,

  Select32,
  Select64,
  SelectF64,

  I64Add,
  I64Sub,
  I64Mul,
  I64And,
  I64Or,
  I64Xor,
  I64Shl,
  I64ShrS,
  I64ShrU,
  I64Rotl,
  I64AddK,
  I64AndK,
  I64OrK,
  I64XorK,
  I64MulK,
  I64ShlK,
  I64ShrSK,
  I64ShrUK,
  I64RotlK,
  I64ExtendS,
  I64ExtendU,

  F64Add,
  F64Sub,
  F64Mul,
  F64Div,
  F64Sqrt,
  F64Neg,
  F64Abs,
  F64ConvertI32S,
  F64ConvertI32U,
  F64PromoteF32,
  I32TruncF64S,
  F32Add,
  F32Sub,
  F32Mul,
  F32Div,
  F32Sqrt,
  F32Neg,
  F32Abs,
  F32ConvertI32S,
  F32DemoteF64,

  I32Load,
  I32Load8S,
  I32Load8U,
  I32Load16S,
  I32Load16U,
  I64Load,
  I64Load8U,
  I64Load16U,
  I64Load32S,
  I64Load32U,
  F64Load,
  I32Store,
  I32Store8,
  I32Store16,
  I64Store,
  F64Store,

  Global32Get,
  Global32Set,
  Global64Get,
  Global64Set,

  StructGet32,
  StructGet64,
  StructSet32,
  StructSet64,
  ArrayGet8U,
  ArrayGet16U,
  ArrayGet32,
  ArrayGet64,
  ArraySet32,
  ArraySet64,
  ArrayLen,

  Br,
  BrIf,
  BrIfNot,
  // In the order of the comparisons above.
  BrI32Eq,
  BrI32Ne,
  BrI32LtS,
  BrI32LtU,
  BrI32LeS,
  BrI32LeU,
  BrI32EqK,
  BrI32NeK,
  BrI32LtSK,
  BrI32LtUK,
  BrI32GtSK,
  BrI32GtUK,
  BrI32LeSK,
  BrI32LeUK,
  BrI32GeSK,
  BrI32GeUK,
  BrI64Eq,
  BrI64Ne,
  BrI64LtS,
  BrI64LtU,
  BrI64LeS,
  BrI64LeU,
  BrI64Eqz,
  BrI64Nez,
  BrF64Eq,
  BrF64Ne,
  BrF64Lt,
  BrF64Le,
  // Comparisons of floats have no opposite (NaN): their negations are branches of their own.
  BrF64NotLt,
  BrF64NotLe,
  BrTable,

  Call,
  CallIndirect,
  CallRef,
  CallImport,
  Return,
  Return32,
  Return64,
  ReturnF64,
  Unreachable,

  // Two instructions in one operation: fuse.ts decides.
  Move32Pair,
  I32AddShl,
  I32Add3,
  I32AddAddK,
  I32ShlAddK,
  I32MulAddK,
  I32ShrUAndK,
  I32XorShl,
  I32XorShrU,
  I32XorRotl,
  I32OrShl,
  I64XorShrU,
  I64AddMulK,
  I64RotlMulK,
  F64MulAdd,
  F64MulSub,
  F64SubMul,
  F64Mul3,
  F64Add3,
  F64AddK,
  F64MulK,
  F32MulAdd,
  F32MulSub,
  F32SubMul,
  F32Add3,
  I32LoadAddK,
  I32Load8UAddK,
  I32Load16UAddK,
  I64LoadAddK,
  F64LoadAddK,
  I32LoadAdd,
  I32Load8UAdd,
  F64LoadAdd,
  I32LoadAddShl,
  I32LoadAt,
  I64LoadAt,
  F64LoadAt,
  I32StoreAddK,
  I32Store8AddK,
  F64StoreAddK,
  I32StoreK,
  I32Store8K,
  I32StoreAt,
  I64StoreAt,
  I32AddKBrIf,
  I32AddKBrNe,
  I32AddKBrLtS,
  I32AddKBrLtU,
  I32AddKBrNeK,
  I32AddKBrLtSK,
  I32AddKBrLtUK,

  /** Everything from here on is executed by `slow`. */
  Slow,

  Numeric1, // d a instruction
  Numeric2, // d a b instruction
  GlobalGet, // d global index
  GlobalSet, // a global index
  MoveSlots, // d a count: slots, in ascending order
  Load, // d a offsetLow offsetHigh memory instruction
  Store, // a b offsetLow offsetHigh memory instruction
  VectorAccess, // instruction d a b lane offsetLow offsetHigh memory
  MemorySize, // d memory
  MemoryGrow, // a(also d) memory P
  MemoryFill, // a memory P
  MemoryCopy, // a memory memory P
  MemoryInit, // a data memory P
  DataDrop, // data
  TableGet, // d a table
  TableSet, // a b table
  TableSize, // d table
  TableGrow, // a(also d) b table P: element, count
  TableFill, // a table P
  TableCopy, // a table table P
  TableInit, // a elem table P
  ElemDrop, // elem
  RefFunc, // d function
  /** Tail calls leave the frame before they enter the next one. */
  ReturnCall, // function, offset of the arguments, words of arguments, link offset, P
  ReturnCallIndirect, // a type offset words link P table
  ReturnCallRef, // a offset words link P
  CallTable, // a type offset P table: call_indirect through another table than the first
  TrapNull, // NullTrap
  RefTest, // d a type
  RefCast, // a type
  BrOnCast, // a type, target as branches of the hot loop have it
  BrOnCastFail, // the same
  Atomic, // d a b c offsetLow offsetHigh memory instruction
  Wide, // d a b c e instruction
  AtomicWait, // a(also d) offsetLow offsetHigh memory instruction P
  /** Instantiation only. */
  GlobalInit, // a global index
  ElemInit, // a elem item

  /** Everything from here on is executed by `aggregate`. `type` is canonical, P that before the instruction. */
  Aggregate,
  StructNew, // a(also d) type P: the fields
  StructNewDefault, // d type P
  StructGet, // d a offset storage
  StructSet, // a b offset storage
  ArrayNew, // a(also d) type P: value, length
  ArrayNewDefault, // a(also d) type P: length
  ArrayNewFixed, // a(also d) type count P: the elements
  ArrayNewData, // a(also d) type data P: offset, length
  ArrayNewElem, // a(also d) type elem P: offset, length
  ArrayGet, // d a b storage
  ArraySet, // a b c storage
  ArrayFill, // a type P: array, index, value, count
  ArrayCopy, // a type P: array, index, array, index, count
  ArrayInitData, // a type data P: array, index, offset, count
  ArrayInitElem, // a type elem P: array, index, offset, count
  Throw, // a tag P, P after: the arguments
  ThrowRef, // a, P, P after
}

/** What {@link Reg.TrapNull} says. */
export const enum NullTrap {
  Any,
  I31,
}

/** How many words each operation takes is known to the lowering alone; this is the head of a function. */
export const enum Head {
  /** Word offset of the link in the frame. */
  Link,
  /** Words of the whole frame. */
  FrameWords,
  /** Words of the parameters: locals between here and the link are set to zero on entry. */
  ParamWords,
  /** Fuel of entering: P of the first instruction. */
  EntryFuel,
  Length,
}

/** The link of a frame, between its locals and its operands: four words. */
export const enum Link {
  ReturnPosition,
  /** Words from the caller's frame pointer to this one. */
  CallerDistance,
  /** P at the return position. */
  ReturnP,
  Unused,
  Length,
}

const INITIAL_WORDS = 256;
/** An array of so many words or more grows by half, the smaller ones by all. */
const LARGE_WORDS = 1_048_576;
/** Words that one step of growing copies: a fraction of a millisecond. */
const MOVED_WORDS = 131_072;
/** Words for which a large array has room before an instruction is lowered: more than nearly all become. */
const ROOM_WORDS = 8_192;

/** One clause of a `try_table` or of a legacy `try`. */
export interface Catch {
  /** Null: it catches everything. */
  readonly tagIndex: number | null;
  /** Word offset where the first argument is wanted. */
  readonly slot: number;
  /** Word offset where the exception itself is wanted; -1: nowhere. */
  readonly referenceAt: number;
  /** Where the target stands in the code, in three words as behind a branch; 0: the label is the function's own. */
  readonly target: number;
}

/** A `try_table` or legacy `try`: what is thrown inside meets its clauses. */
export interface Handler {
  /** The one around it. */
  readonly parent: Handler | null;
  /** P at its beginning, to which the targets' deltas are added. */
  readonly position: number;
  readonly catches: Catch[];
  /** How many blocks there are around it. */
  readonly depth: number;
  /** Legacy `delegate`: what it does not look at goes to handlers no deeper than this; infinite: to the next one around. */
  delegate: number;
}

/**
 * Which handlers stand around each position of a function: where one begins or ends, and which is the innermost from there
 * on. Found in logarithmic time, since a throw costs the same however many handlers there are beside it.
 */
export class Tries {
  readonly #positions: number[] = [];
  readonly #innermost: (Handler | null)[] = [];
  /** Of the code that is being written. */
  innermost: Handler | null = null;

  begin(handler: Handler, position: number): void {
    this.#add(handler, position);
  }

  end({ parent }: Handler, position: number): void {
    this.#add(parent, position);
  }

  #add(innermost: Handler | null, position: number): void {
    this.innermost = innermost;
    this.#positions.push(position);
    this.#innermost.push(innermost);
  }

  innermostAt(position: number): Handler | null {
    const positions = this.#positions;
    let low = 0;
    let high = positions.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (positions[middle]! <= position) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? null : this.#innermost[low - 1]!;
  }
}

/** Where the code of one function stands: [start, end). */
export interface CodeRange {
  readonly funcIndex: number;
  readonly start: number;
  readonly end: number;
  readonly isExact: boolean;
  /** Null where there is none. */
  readonly tries: Tries | null;
}

/** Constants that are found again: an entry takes many times what the constant does. */
const MAX_FOUND_CONSTANTS = 4_096;

/** The lowered functions of one module, in the order they were needed. */
export class ModuleCode {
  words = new Int32Array(INITIAL_WORDS);
  length = 1;
  /** f64 constants: read as doubles, so that their consumers load what was stored. */
  constants = new Float64Array(16);
  constantCount = 0;
  /** Position of each function's code (its head plus {@link Head.Length}), 0 while it is not lowered. */
  readonly entries: Int32Array;
  #exactEntries: Int32Array | null = null;
  readonly ranges: CodeRange[] = [];
  /** The next array while code is being moved to it, and how many words are there. */
  #larger: Int32Array<ArrayBuffer> | null = null;
  #moved = 0;
  readonly #constantIndex = new Map<string, number>();

  /** `functionCount` counts the synthetic instantiation function too. */
  constructor(functionCount: number) {
    this.entries = new Int32Array(functionCount);
  }

  /** The same for exact code; made with the first exact run. */
  get exactEntries(): Int32Array {
    this.#exactEntries ??= new Int32Array(this.entries.length);
    return this.#exactEntries;
  }

  reserve(words: number): void {
    if (this.length + words <= this.words.length) return;
    while (!this.makeRoom(words));
  }

  /** Whether there is room for an instruction, which {@link makeRoom} makes in steps; small arrays grow when they have to. */
  get hasRoom(): boolean {
    const { length } = this.words;
    return this.length + ROOM_WORDS <= length || length <= MOVED_WORDS;
  }

  /** A step of making room. True when it is there; until then no code may be written. */
  makeRoom(words = ROOM_WORDS): boolean {
    const needed = this.length + words;
    const { length } = this.words;
    if (needed <= length) return true;
    if (this.#larger === null || needed > this.#larger.length) {
      this.#larger = new Int32Array(Math.max(needed, length < LARGE_WORDS ? length * 2 : Math.ceil(length * 1.5)));
      this.#moved = 0;
    }
    const end = Math.min(this.#moved + MOVED_WORDS, this.length);
    this.#larger.set(this.words.subarray(this.#moved, end), this.#moved);
    this.#moved = end;
    if (end < this.length) return false;
    this.words = this.#larger;
    this.#larger = null;
    return true;
  }

  /** The index of a f64 constant given by its bits. */
  constant(low: number, high: number): number {
    const key = `${low},${high}`;
    const known = this.#constantIndex.get(key);
    if (known !== undefined) return known;
    const index = this.constantCount++;
    if (index === this.constants.length) {
      const larger = new Float64Array(index * 2);
      new Int32Array(larger.buffer).set(new Int32Array(this.constants.buffer));
      this.constants = larger;
    }
    new Int32Array(this.constants.buffer).set([low, high], index * 2);
    if (this.#constantIndex.size < MAX_FOUND_CONSTANTS) this.#constantIndex.set(key, index);
    return index;
  }

  /** The function whose code holds `position`. */
  rangeAt(position: number): CodeRange {
    let low = 0;
    let high = this.ranges.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.ranges[middle]!.start <= position) low = middle;
      else high = middle - 1;
    }
    return this.ranges[low]!;
  }
}
