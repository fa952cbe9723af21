/**
 * Instruction sequences in plain and folded form (spec: text-instrs), written as binary in one pass.
 * Nesting is kept in arrays, never on the JavaScript stack. A folded instruction comes after its
 * operands in the binary: until its closing parenthesis it waits in `#waiting`.
 */

import { writeValType } from "../binary/encode.ts";
import { Writer } from "../binary/writer.ts";
import { limitExceeded, malformed, invalid } from "../errors.ts";
import { MAX_NESTING } from "../limits.ts";
import { INSTRUCTIONS, Op } from "../opcodes.ts";
import { type Context, Space } from "./context.ts";
import type { Cursor } from "./cursor.ts";
import { type Scope, writeInstruction, writeOpcode } from "./immediates.ts";
import { Kind } from "./lexer.ts";
import { stringBytes } from "./strings.ts";
import { parseTypeUse, typeUseIndex } from "./types.ts";

/** Instruction numbers by mnemonic; of two the first, writeInstruction knows the other. */
const OP_BY_MNEMONIC: ReadonlyMap<string, Op> = (() => {
  const ops = new Map<string, Op>();
  for (const [number, { mnemonic }] of Object.entries(INSTRUCTIONS)) {
    if (!ops.has(mnemonic)) ops.set(mnemonic, Number(number) as Op);
  }
  return ops;
})();

const enum Frame {
  /** `block ... end`, plain. */
  Block,
  /** `if ...` before `else` or `end`, plain. */
  If,
  /** `(op operand*)`. */
  Folded,
  /** `(block ...)`. */
  FoldedBlock,
  /** `(if operand*`, before `(then`. */
  FoldedIf,
  /** `(then ...)` or `(else ...)`. */
  FoldedArm,
  /** `(if ... (then ...)`, where `(else` may follow. */
  FoldedIfThen,
  /** `(if ... (then ...) (else ...)`. */
  FoldedIfDone,
  /** Legacy `try ...` before its first clause, plain. */
  Try,
  /** After `catch`, where another clause may follow, plain. */
  Catch,
  /** `(try`, before `(do`. */
  FoldedTry,
  /** `(try (do ...)`, where clauses or `(delegate` may follow. */
  FoldedTryBody,
  /** `(try (do ...) (catch ...)`, where more clauses may follow. */
  FoldedTryCatch,
  /** `(try ... (catch_all ...)`. */
  FoldedTryDone,
  /** `(try (do ...) (delegate 0)`. */
  FoldedTryDelegated,
}

/** Frames in which instructions stand without parentheses. */
const MAY_HOLD_PLAIN: ReadonlySet<Frame> = new Set([
  Frame.Block,
  Frame.If,
  Frame.Try,
  Frame.Catch,
  Frame.FoldedBlock,
  Frame.FoldedArm,
]);
/** Those that `end` ends. */
const MAY_END: ReadonlySet<Frame> = new Set([Frame.Block, Frame.If, Frame.Try, Frame.Catch]);
/** What is no instruction of its own. */
const IS_DELIMITER: ReadonlySet<Op> = new Set([Op.Else, Op.End, Op.Catch, Op.CatchAll, Op.Delegate]);

const NO_HINT = -1;

export class InstructionParser implements Scope {
  readonly #context: Context;
  readonly #cursor: Cursor;
  readonly #out: Writer;
  readonly #waiting = new Writer();
  locals: Space;

  readonly #frames: Frame[] = [];
  /** Per frame: where its waiting bytes start, its label if it is yet to be entered, its hint. */
  readonly #starts: number[] = [];
  readonly #pendingLabels: (string | null)[] = [];
  readonly #pendingHints: number[] = [];

  readonly #labels: (string | null)[] = [];
  /** The innermost label of each name; what it hides stands in `#hidden`, label by label. */
  readonly #labelDepths = new Map<string, number>();
  readonly #hidden: number[] = [];
  #labelNames = new Map<number, string>();
  #labelCount = 0;
  #hints: { offset: number; likely: number }[] = [];
  #bodyStart = 0;

  constructor(context: Context) {
    this.#context = context;
    this.#cursor = context.cursor;
    this.#out = context.out;
    this.locals = new Space("local");
  }

  /** Writes the instructions of a function body up to the closing parenthesis, and their `end`. */
  functionBody(func: number, locals: Space, bodyStart: number): void {
    this.locals = locals;
    this.#labelNames = new Map();
    this.#labelCount = 0;
    this.#hints = [];
    this.#bodyStart = bodyStart;
    this.#sequence(false);
    this.#mark();
    this.#out.u8(Op.End);
    if (this.#labelNames.size > 0) this.#context.labelNames.set(func, this.#labelNames);
    if (this.#hints.length > 0) this.#context.hints.push({ func, hints: this.#hints });
  }

  /** Writes a constant expression up to the closing parenthesis, and its `end`. */
  expression(): { start: number; end: number } {
    return this.#constant(false);
  }

  /** The same from a single folded instruction. */
  foldedExpression(): { start: number; end: number } {
    return this.#constant(true);
  }

  #constant(isSingle: boolean): { start: number; end: number } {
    const start = this.#out.length;
    this.locals = new Space("local");
    this.#bodyStart = -1;
    this.#sequence(isSingle);
    this.#mark();
    this.#out.u8(Op.End);
    return { start, end: this.#out.length };
  }

  /** What is written next stands at the cursor. */
  #mark(): void {
    this.#context.places?.mark(this.#out.length, this.#cursor.at);
  }

  #sequence(isSingle: boolean): void {
    const cursor = this.#cursor;
    if (isSingle && cursor.kind() !== Kind.Open) throw cursor.unexpected();
    for (;;) {
      switch (cursor.kind()) {
        case Kind.Keyword:
          this.#plain();
          break;
        case Kind.Open:
          this.#open();
          break;
        case Kind.Close:
          if (this.#frames.length === 0) return;
          this.#close();
          if (isSingle && this.#frames.length === 0) return;
          break;
        default:
          throw cursor.unexpected();
      }
    }
  }

  /** The instruction of the keyword at the cursor, if there is one here. */
  #op(): Op | undefined {
    const op = OP_BY_MNEMONIC.get(this.#cursor.word());
    if (op === undefined) return undefined;
    const { proposal } = INSTRUCTIONS[op];
    return proposal === null || this.#context.proposals.has(proposal) ? op : undefined;
  }

  /** One instruction outside parentheses, or `else` or `end` of a block. */
  #plain(): void {
    const cursor = this.#cursor;
    const top = this.#frames.at(-1);
    if (top !== undefined && !MAY_HOLD_PLAIN.has(top)) throw cursor.unexpected();
    const op = this.#op();
    if (op === undefined) throw cursor.unexpected();
    const hint = this.#hint(op);
    this.#mark();
    switch (op) {
      case Op.Catch:
      case Op.CatchAll:
        if (top !== Frame.Try && top !== Frame.Catch) throw cursor.unexpected();
        cursor.at++;
        this.#frames[this.#frames.length - 1] = op === Op.Catch ? Frame.Catch : Frame.Block;
        writeInstruction(this.#context, this, op, this.#out);
        return;
      case Op.Delegate:
        if (top !== Frame.Try) throw cursor.unexpected();
        cursor.at++;
        this.#pop();
        // The label counts from outside the block.
        this.#leaveLabel();
        writeInstruction(this.#context, this, op, this.#out);
        return;
      case Op.Else:
        if (top !== Frame.If) throw cursor.unexpected();
        cursor.at++;
        this.#checkLabel();
        this.#frames[this.#frames.length - 1] = Frame.Block;
        this.#out.u8(Op.Else);
        return;
      case Op.End:
        if (top === undefined || !MAY_END.has(top)) throw cursor.unexpected();
        cursor.at++;
        this.#checkLabel();
        this.#pop();
        this.#leaveLabel();
        this.#out.u8(Op.End);
        return;
      case Op.Block:
      case Op.Loop:
      case Op.If:
      case Op.Try:
      case Op.TryTable: {
        cursor.at++;
        const label = this.#blockLabel();
        this.#note(hint);
        this.#blockStart(op, this.#out);
        this.#push(op === Op.If ? Frame.If : op === Op.Try ? Frame.Try : Frame.Block);
        this.#enterLabel(label);
        return;
      }
      default:
        cursor.at++;
        this.#note(hint);
        writeInstruction(this.#context, this, op, this.#out);
    }
  }

  /** A parenthesis opens: a folded instruction, or an arm of a folded `if`. */
  #open(): void {
    const cursor = this.#cursor;
    const top = this.#frames.at(-1);
    if (top === Frame.FoldedIf && cursor.takeForm("then")) {
      this.#then();
      return;
    }
    if (top === Frame.FoldedIfThen && cursor.isForm("else")) {
      this.#mark();
      cursor.at += 2;
      this.#out.u8(Op.Else);
      this.#frames[this.#frames.length - 1] = Frame.FoldedIfDone;
      this.#push(Frame.FoldedArm);
      return;
    }
    if (top !== undefined && top >= Frame.FoldedTry) {
      this.#tryPart(top);
      return;
    }
    const hintAt = cursor.at++;
    const op = cursor.kind() === Kind.Keyword ? this.#op() : undefined;
    const isMisplaced = top === Frame.FoldedIfThen || top === Frame.FoldedIfDone;
    if (op === undefined || isMisplaced || IS_DELIMITER.has(op)) throw cursor.unexpected();
    cursor.at = hintAt;
    const hint = this.#hint(op);
    if (op === Op.Block || op === Op.Loop || op === Op.TryTable || op === Op.Try) this.#mark();
    else this.#context.places?.markWaiting(this.#waiting.length, cursor.at);
    cursor.at += 2;
    switch (op) {
      case Op.Block:
      case Op.Loop:
      case Op.TryTable: {
        const label = this.#blockLabel();
        this.#blockStart(op, this.#out);
        this.#push(Frame.FoldedBlock);
        this.#enterLabel(label);
        return;
      }
      case Op.Try: {
        const label = this.#blockLabel();
        this.#blockStart(op, this.#out);
        this.#push(Frame.FoldedTry);
        this.#enterLabel(label);
        return;
      }
      case Op.If: {
        const label = this.#blockLabel();
        this.#push(Frame.FoldedIf);
        this.#blockStart(op, this.#waiting);
        this.#pendingLabels[this.#pendingLabels.length - 1] = label;
        break;
      }
      default:
        this.#push(Frame.Folded);
        writeInstruction(this.#context, this, op, this.#waiting);
    }
    this.#pendingHints[this.#pendingHints.length - 1] = hint;
  }

  /** A parenthesis inside a folded legacy `try`: its body, or a clause. */
  #tryPart(top: Frame): void {
    const cursor = this.#cursor;
    const frame = this.#frames.length - 1;
    this.#mark();
    if (top === Frame.FoldedTry && cursor.takeForm("do")) {
      this.#frames[frame] = Frame.FoldedTryBody;
      this.#push(Frame.FoldedArm);
      return;
    }
    const mayCatch = top === Frame.FoldedTryBody || top === Frame.FoldedTryCatch;
    if (mayCatch && cursor.takeForm("catch")) {
      this.#frames[frame] = Frame.FoldedTryCatch;
      writeInstruction(this.#context, this, Op.Catch, this.#out);
      this.#push(Frame.FoldedArm);
      return;
    }
    if (mayCatch && cursor.takeForm("catch_all")) {
      this.#frames[frame] = Frame.FoldedTryDone;
      writeInstruction(this.#context, this, Op.CatchAll, this.#out);
      this.#push(Frame.FoldedArm);
      return;
    }
    if (top !== Frame.FoldedTryBody || !cursor.takeForm("delegate")) {
      cursor.at++;
      throw cursor.unexpected();
    }
    this.#frames[frame] = Frame.FoldedTryDelegated;
    this.#leaveLabel();
    writeInstruction(this.#context, this, Op.Delegate, this.#out);
    cursor.expectClose();
  }

  #then(): void {
    this.#note(this.#pendingHints.at(-1) ?? NO_HINT);
    this.#release();
    this.#enterLabel(this.#pendingLabels.at(-1) ?? null);
    this.#frames[this.#frames.length - 1] = Frame.FoldedIfThen;
    this.#push(Frame.FoldedArm);
  }

  /** A parenthesis closes the innermost frame. */
  #close(): void {
    const cursor = this.#cursor;
    switch (this.#frames.at(-1)) {
      case Frame.Folded:
        this.#note(this.#pendingHints.at(-1) ?? NO_HINT);
        this.#release();
        break;
      case Frame.FoldedBlock:
      case Frame.FoldedIfThen:
      case Frame.FoldedIfDone:
      case Frame.FoldedTryBody:
      case Frame.FoldedTryCatch:
      case Frame.FoldedTryDone:
        this.#leaveLabel();
        this.#mark();
        this.#out.u8(Op.End);
        break;
      case Frame.FoldedArm:
      case Frame.FoldedTryDelegated:
        break;
      default:
        throw cursor.unexpected();
    }
    this.#pop();
    cursor.at++;
  }

  #push(frame: Frame): void {
    if (this.#frames.length >= MAX_NESTING) {
      throw limitExceeded(`more than ${MAX_NESTING} nested instructions`, this.#cursor.place());
    }
    this.#frames.push(frame);
    this.#starts.push(this.#waiting.length);
    this.#pendingLabels.push(null);
    this.#pendingHints.push(NO_HINT);
  }

  #pop(): void {
    this.#frames.pop();
    this.#starts.pop();
    this.#pendingLabels.pop();
    this.#pendingHints.pop();
  }

  /** Writes what waits for the innermost frame. */
  #release(): void {
    const start = this.#starts.at(-1) ?? 0;
    this.#context.places?.release(start, this.#out.length);
    this.#out.copyFrom(this.#waiting, start, this.#waiting.length);
    this.#waiting.truncate(start);
  }

  /** The label that may stand after `block`, and its place in the name section. */
  #blockLabel(): string | null {
    const index = this.#labelCount++;
    const label = this.#cursor.takeId();
    const name = this.#context.takeName() ?? label;
    if (name !== null) this.#labelNames.set(index, name);
    return label;
  }

  #blockStart(op: Op, out: Writer): void {
    writeOpcode(out, op);
    this.#blockType(out);
    if (op === Op.TryTable) this.#catches(out);
  }

  /** (spec: binary-blocktype) Nothing or one result have forms that need no type index. */
  #blockType(out: Writer): void {
    const use = parseTypeUse(this.#context);
    const [result, second] = use.results;
    if (use.index !== null || use.params.length > 0 || second !== undefined) {
      out.s33(typeUseIndex(this.#context, use));
    } else if (result === undefined) {
      out.u8(0x40);
    } else {
      writeValType(out, result);
    }
  }

  /** The clauses of `try_table`; their labels are those outside it. */
  #catches(out: Writer): void {
    const cursor = this.#cursor;
    const clauses = new Writer(16);
    let count = 0;
    for (; cursor.kind() === Kind.Open; count++) {
      const kind = ["catch", "catch_ref", "catch_all", "catch_all_ref"].findIndex((word) => cursor.takeForm(word));
      if (kind < 0) break;
      clauses.u8(kind);
      if (kind < 2) clauses.u32(this.#context.tags.index(cursor));
      clauses.u32(this.labelIndex(cursor));
      cursor.expectClose();
    }
    out.u32(count);
    out.copyFrom(clauses, 0, clauses.length);
  }

  #enterLabel(label: string | null): void {
    const depth = this.#labels.length;
    this.#labels.push(label);
    this.#hidden.push(label === null ? -1 : (this.#labelDepths.get(label) ?? -1));
    if (label !== null) this.#labelDepths.set(label, depth);
  }

  #leaveLabel(): void {
    const label = this.#labels.pop() ?? null;
    const hidden = this.#hidden.pop() ?? -1;
    if (label === null) return;
    if (hidden < 0) this.#labelDepths.delete(label);
    else this.#labelDepths.set(label, hidden);
  }

  /** `else $l` and `end $l` must repeat the block's label. */
  #checkLabel(): void {
    const cursor = this.#cursor;
    const at = cursor.at;
    const label = cursor.takeId();
    if (label !== null && label !== this.#labels.at(-1)) throw cursor.fail("mismatching label", `$${label}`, at);
  }

  labelIndex(cursor: Cursor): number {
    if (cursor.kind() !== Kind.Id) return this.#outside.index(cursor);
    const at = cursor.at;
    const label = cursor.takeId() ?? "";
    const depth = this.#labelDepths.get(label);
    if (depth === undefined) throw cursor.fail("unknown label", `$${label}`, at);
    return this.#labels.length - 1 - depth;
  }

  /** Reads label numbers, which need no names. */
  readonly #outside = new Space("local");

  /** The branch hint before the instruction at the cursor, 0 or 1, or {@link NO_HINT}. */
  #hint(op: Op): number {
    const found = this.#context.takeAnnotations("metadata.code.branch_hint");
    const [annotation, second] = found;
    if (annotation === undefined) return NO_HINT;
    const place = this.#cursor.tokens.place(annotation.start);
    if (this.#bodyStart < 0) throw malformed("@metadata.code.branch_hint annotation: not in a function", place);
    if (second !== undefined) throw malformed("@metadata.code.branch_hint annotation: duplicate annotation", place);
    const [token, more] = annotation.tokens;
    const bytes = token?.kind === Kind.String ? stringBytes(this.#cursor.text, token.start, token.end) : null;
    if (bytes === null || more !== undefined || bytes.length !== 1 || bytes[0]! > 1) {
      throw malformed("@metadata.code.branch_hint annotation: unexpected token", place);
    }
    if (op !== Op.If && op !== Op.BrIf) throw invalid("@metadata.code.branch_hint annotation: invalid target", place);
    return bytes[0]!;
  }

  /** Notes the hint of the instruction that is written next. */
  #note(hint: number): void {
    if (hint === NO_HINT) return;
    this.#hints.push({ offset: this.#out.length - this.#bodyStart, likely: hint });
  }
}
