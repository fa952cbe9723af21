/**
 * The register code that bodies are lowered to: its operations and the growing array that holds
 * them. Code belongs to a module and knows nothing of instances, so it is shared between them.
 *
 * Operands are word offsets (4 bytes) from the frame pointer; a slot has two words. In the comments
 * `d` is a destination, `a b c` sources, `k` a constant. A branch ends in `target, deltaFuel,
 * limit`; see interpreter.ts for how fuel is counted by positions.
 */

/** Operations of the hot loop come first; from {@link Reg.Slow} on they are executed by slow.ts. */
export const enum Reg {
  /** At position 0: the return address of an entry frame. */
  Halt,
  /** P: a safe point in straight-line code. */
  Check,
  /** P after the next instruction, its price: the boundary before an instruction, in exact code only. */
  CheckExact,

  Move32, // d a
  Move64, // d a
  MoveF64, // d a
  Const32, // d k
  Const64, // d kLow kHigh
  ConstF64, // d index of the constant pool

  I32Add, // d a b
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
  I32AddK, // d a k
  I32MulK,
  I32AndK,
  I32OrK,
  I32XorK,
  I32ShlK,
  I32ShrSK,
  I32ShrUK,
  I32RotlK,
  I32Clz, // d a
  I32Ctz,
  I32Extend8S,
  I32Extend16S,

  // Each block of ten keeps this order: lowering computes with it.
  I32Eq, // d a b
  I32Ne,
  I32LtS,
  I32LtU,
  I32LeS,
  I32LeU,
  I32EqK, // d a k
  I32NeK,
  I32LtSK,
  I32LtUK,
  I32GtSK,
  I32GtUK,
  I32LeSK,
  I32LeUK,
  I32GeSK,
  I32GeUK,
  I64Eq, // d a b
  I64Ne,
  I64LtS,
  I64LtU,
  I64LeS,
  I64LeU,
  I64Eqz, // d a
  I64Nez,
  F64Eq, // d a b
  F64Ne,
  F64Lt,
  F64Le,
  F32Eq,
  F32Ne,
  F32Lt,
  F32Le,

  Select32, // d a b c
  Select64,
  SelectF64,

  I64Add, // d a b
  I64Sub,
  I64Mul,
  I64And,
  I64Or,
  I64Xor,
  I64Shl,
  I64ShrS,
  I64ShrU,
  I64Rotl,
  I64AddK, // d a kLow kHigh
  I64AndK,
  I64OrK,
  I64XorK,
  I64MulK,
  I64ShlK, // d a k
  I64ShrSK,
  I64ShrUK,
  I64RotlK,
  I64ExtendS, // d a
  I64ExtendU,

  F64Add, // d a b
  F64Sub,
  F64Mul,
  F64Div,
  F64Sqrt, // d a
  F64Neg,
  F64Abs,
  F64ConvertI32S,
  F64ConvertI32U,
  F64PromoteF32,
  I32TruncF64S,
  F32Add, // d a b
  F32Sub,
  F32Mul,
  F32Div,
  F32Sqrt, // d a
  F32Neg,
  F32Abs,
  F32ConvertI32S,
  F32DemoteF64,

  I32Load, // d a offset
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
  I32Store, // a(address) b(value) offset
  I32Store8,
  I32Store16,
  I64Store,
  F64Store,

  Global32Get, // d index of the instance's own globals, in words
  Global32Set, // a index
  Global64Get,
  Global64Set,

  Br, // _ _ target delta limit
  BrIf, // a _ target delta limit
  BrIfNot,
  // In the order of the comparisons above.
  BrI32Eq, // a b target delta limit
  BrI32Ne,
  BrI32LtS,
  BrI32LtU,
  BrI32LeS,
  BrI32LeU,
  BrI32EqK, // a k target delta limit
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
  BrI64Eqz, // a _ target delta limit
  BrI64Nez,
  BrF64Eq,
  BrF64Ne,
  BrF64Lt,
  BrF64Le,
  // Comparisons of floats have no opposite (NaN): their negations are branches of their own.
  BrF64NotLt,
  BrF64NotLe,
  BrTable, // a count, then (target, delta, limit) for each and the default

  Call, // function, offset of the arguments, P after the call
  CallIndirect, // a, canonical type, offset of the arguments, P after the call
  CallImport, // function, offset of the arguments, P after the call
  Return, // link offset, P after the instruction
  Return32, // link offset, P, a
  Return64,
  ReturnF64,
  Unreachable,

  // Two instructions in one operation: fuse.ts decides.
  Move32Pair, // d a d a
  I32AddShl, // d a b k: a + (b << k)
  I32Add3, // d a b c
  I32AddAddK, // d a b k
  I32ShlAddK, // d a k k: (a << k) + k
  I32MulAddK, // d a k k
  I32ShrUAndK, // d a k k
  I32XorShl, // d a b k: a ^ (b << k)
  I32XorShrU, // d a b k
  I32XorRotl, // d a b k
  I32OrShl, // d a b k
  I64XorShrU, // d a b k: a ^ (b >>> k)
  F64MulAdd, // d a b c: a + b * c, rounded twice
  F64MulSub, // d a b c: b * c - a
  F64SubMul, // d a b c: a - b * c
  F64Mul3, // d a b c: a * (b * c)
  F64AddK, // d a constant
  F64MulK, // d a constant
  F32MulAdd, // d a b c
  F32MulSub, // d a b c
  F32SubMul, // d a b c
  I32LoadAddK, // d a k offset: the address is a + k
  I32Load8UAddK, // d a k offset: the address is a + k
  I32Load16UAddK, // d a k offset: the address is a + k
  I64LoadAddK, // d a k offset: the address is a + k
  F64LoadAddK, // d a k offset: the address is a + k
  I32LoadAdd, // d a b offset: the address is a + b
  I32Load8UAdd, // d a b offset: the address is a + b
  F64LoadAdd, // d a b offset: the address is a + b
  I32LoadAddShl, // d a b k offset: the address is a + (b << k)
  I32LoadAt, // d address
  I64LoadAt, // d address
  F64LoadAt, // d address
  I32StoreAddK, // a b k offset: the address is a + k
  I32Store8AddK, // a b k offset: the address is a + k
  F64StoreAddK, // a b k offset: the address is a + k
  I32StoreK, // a k offset: the value is k
  I32Store8K, // a k offset: the value is k
  I32StoreAt, // address b
  I64StoreAt, // address b
  // d += k, then a branch on d: d k target delta limit b
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
  MoveV128, // d a
  MoveSlots, // d a count: slots, in ascending order
  ConstV128, // d k k k k
  SelectV128, // d a b c
  Load, // d a offsetLow offsetHigh memory instruction
  Store, // a b offsetLow offsetHigh memory instruction
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
  CallTable, // a type offset P table: call_indirect through another table than the first
  /** Instantiation only. */
  GlobalInit, // a global index
  ElemInit, // a elem item
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

/** Where the code of one function stands: [start, end). */
export interface CodeRange {
  readonly funcIndex: number;
  readonly start: number;
  readonly end: number;
  readonly isExact: boolean;
}

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
    const needed = this.length + words;
    if (needed <= this.words.length) return;
    const larger = new Int32Array(Math.max(needed, this.words.length * 2));
    larger.set(this.words);
    this.words = larger;
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
    this.#constantIndex.set(key, index);
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
