/**
 * Test scripts (`.wast`): text to commands. The grammar is that of the reference interpreter
 * (spec repository, interpreter/README.md "Scripts"). Text modules are cut out by their parentheses
 * and parsed when the command runs.
 */

import { encodeModule } from "../binary/encode.ts";
import { Writer } from "../binary/writer.ts";
import { limitExceeded } from "../errors.ts";
import { MAX_NESTING } from "../limits.ts";
import { HEAP_TYPE_NAMES } from "../types.ts";
import type {
  Action,
  Command,
  Constant,
  LanePattern,
  ModuleSource,
  RefPattern,
  ResultPattern,
  Script,
  VectorShape,
} from "./commands.ts";
import { nat } from "./context.ts";
import { Cursor } from "./cursor.ts";
import { parseLane, parseVector, SHAPES } from "./immediates.ts";
import { Kind, tokenize } from "./lexer.ts";
import { f32Bits, f64Bits, integerBits } from "./numbers.ts";
import { parseModule, parseModuleAt, type ParseOptions } from "./parser.ts";

export type * from "./commands.ts";

/** The commands of a script. Throws `CompileError` with line and column; modules are not looked into. */
export function parseScript(source: string | Uint8Array, options: ParseOptions = {}): Script {
  return new ScriptParser(new Cursor(tokenize(source)), options).parse();
}

const ASSERT_MODULE = new Set([
  "assert_malformed",
  "assert_invalid",
  "assert_malformed_custom",
  "assert_invalid_custom",
  "assert_unlinkable",
] as const);

const REF_PATTERNS: ReadonlySet<string> = new Set<RefPattern>([
  "ref.any",
  "ref.array",
  "ref.eq",
  "ref.exn",
  "ref.extern",
  "ref.func",
  "ref.i31",
  "ref.struct",
]);

type AssertModuleKind = typeof ASSERT_MODULE extends Set<infer K> ? K : never;

interface NumberConstant {
  readonly kind: "i32" | "i64" | "f32" | "f64";
  readonly bits: bigint;
}

/** A thread whose commands are being read. */
interface OpenThread {
  readonly line: number;
  readonly name: string;
  readonly shared: readonly string[];
  readonly outer: Command[];
}

class ScriptParser {
  readonly #cursor: Cursor;

  readonly #options: ParseOptions;

  constructor(cursor: Cursor, options: ParseOptions) {
    this.#cursor = cursor;
    this.#options = options;
  }

  /** Threads nest: those that are open stand in a list, not on the JavaScript stack. */
  parse(): Script {
    const cursor = this.#cursor;
    if (this.#isBareModule()) return { commands: [this.#bareModule()] };
    let commands: Command[] = [];
    const open: OpenThread[] = [];
    for (;;) {
      if (cursor.kind() === Kind.End && open.length === 0) return { commands };
      if (cursor.kind() === Kind.Close) {
        const thread = open.pop();
        if (thread === undefined) throw cursor.unexpected();
        cursor.at++;
        const { line, name, shared, outer } = thread;
        outer.push({ kind: "thread", line, name, shared, commands });
        commands = outer;
      } else if (cursor.isForm("thread")) {
        if (open.length >= MAX_NESTING) throw limitExceeded(`more than ${MAX_NESTING} nested threads`, cursor.place());
        open.push({ ...this.#threadHead(), outer: commands });
        commands = [];
      } else {
        commands.push(this.#command());
      }
    }
  }

  /** A script may be a module's fields without `(module`. */
  #isBareModule(): boolean {
    const fields = [
      "type",
      "rec",
      "import",
      "func",
      "table",
      "memory",
      "tag",
      "global",
      "export",
      "start",
      "elem",
      "data",
    ];
    return fields.some((word) => this.#cursor.isForm(word));
  }

  #bareModule(): Command {
    const { text } = this.#cursor;
    const source: ModuleSource = {
      format: "text",
      line: 1,
      encode: () => encodeModule(parseModule(text, this.#options)),
    };
    return { kind: "module", line: 1, name: null, definition: false, source };
  }

  #threadHead(): Omit<OpenThread, "outer"> {
    const cursor = this.#cursor;
    const line = cursor.line();
    cursor.expectForm("thread");
    const name = this.#id();
    const shared: string[] = [];
    while (cursor.takeForm("shared")) {
      cursor.expectForm("module");
      shared.push(this.#id());
      cursor.expectClose();
      cursor.expectClose();
    }
    return { line, name, shared };
  }

  #command(): Command {
    const cursor = this.#cursor;
    const line = cursor.line();
    const open = cursor.at;
    if (cursor.kind() !== Kind.Open) throw cursor.unexpected();
    cursor.at++;
    const kind = cursor.kind() === Kind.Keyword ? cursor.word() : "";
    if (kind === "module") {
      cursor.at = open;
      return this.#module(line);
    }
    if (kind === "invoke" || kind === "get") {
      cursor.at = open;
      return { kind: "action", line, action: this.#action() };
    }
    if (kind === "assert_trap") return this.#assertTrap(line);
    const command = this.#simpleCommand(kind, line);
    cursor.expectClose();
    return command;
  }

  /** The commands that only need their closing parenthesis, read up to it. */
  #simpleCommand(kind: string, line: number): Command {
    const cursor = this.#cursor;
    switch (kind) {
      case "register": {
        cursor.at++;
        return { kind, line, as: cursor.name(), module: this.#optionalId() };
      }
      case "assert_return": {
        cursor.at++;
        const action = this.#action();
        return { kind, line, action, results: this.#results() };
      }
      case "assert_exception":
        cursor.at++;
        return { kind, line, action: this.#action() };
      case "assert_exhaustion":
      case "assert_suspension":
        cursor.at++;
        return { kind, line, action: this.#action(), message: cursor.name() };
      case "wait":
        cursor.at++;
        return { kind, line, thread: this.#id() };
      default: {
        if (!ASSERT_MODULE.has(kind as AssertModuleKind)) throw cursor.unexpected();
        cursor.at++;
        const { source } = this.#moduleHead();
        return { kind: kind as AssertModuleKind, line, source, message: cursor.name() };
      }
    }
  }

  /** A trap of an action, or of a module's instantiation. */
  #assertTrap(line: number): Command {
    const cursor = this.#cursor;
    cursor.at++;
    let command: Command;
    if (cursor.isForm("module")) {
      const { source } = this.#moduleHead();
      command = { kind: "assert_module_trap", line, source, message: cursor.name() };
    } else {
      command = { kind: "assert_trap", line, action: this.#action(), message: cursor.name() };
    }
    cursor.expectClose();
    return command;
  }

  #module(line: number): Command {
    const cursor = this.#cursor;
    if (cursor.isKeyword("instance", 2)) {
      cursor.at += 3;
      const name = this.#optionalId();
      const module = this.#optionalId();
      cursor.expectClose();
      return { kind: "instance", line, name, module };
    }
    const { name, definition, source } = this.#moduleHead();
    return { kind: "module", line, name, definition, source };
  }

  /** `(module definition? $id? (binary|quote)? ...)`, to behind its closing parenthesis. */
  #moduleHead(): { name: string | null; definition: boolean; source: ModuleSource } {
    const cursor = this.#cursor;
    const line = cursor.line();
    const open = cursor.at;
    cursor.expectForm("module");
    const definition = cursor.takeKeyword("definition");
    const fields = cursor.at;
    const name = this.#optionalId();
    let source: ModuleSource;
    if (cursor.takeKeyword("binary")) {
      const bytes = this.#strings();
      source = { format: "binary", line, encode: () => bytes };
    } else if (cursor.takeKeyword("quote")) {
      const text = this.#strings();
      source = { format: "quote", line, encode: () => encodeModule(parseModule(text, this.#options)) };
    } else {
      cursor.skipForm(open);
      const { tokens } = cursor;
      source = { format: "text", line, encode: () => encodeModule(parseModuleAt(tokens, fields, this.#options)) };
      return { name, definition, source };
    }
    cursor.expectClose();
    return { name, definition, source };
  }

  /** The strings up to the closing parenthesis, one after the other. */
  #strings(): Uint8Array {
    const bytes = new Writer();
    while (this.#cursor.kind() === Kind.String) bytes.bytes(this.#cursor.string());
    return bytes.toBytes();
  }

  /** An identifier with its `$`. */
  #optionalId(): string | null {
    const id = this.#cursor.takeId();
    return id === null ? null : `$${id}`;
  }

  #id(): string {
    const id = this.#optionalId();
    if (id === null) throw this.#cursor.unexpected();
    return id;
  }

  #action(): Action {
    const cursor = this.#cursor;
    const isInvoke = cursor.isForm("invoke");
    if (!isInvoke && !cursor.isForm("get")) {
      cursor.expectOpen();
      throw cursor.unexpected();
    }
    cursor.at += 2;
    const module = this.#optionalId();
    const name = cursor.name();
    const action: Action = isInvoke
      ? { kind: "invoke", module, name, args: this.#constants() }
      : { kind: "get", module, name };
    cursor.expectClose();
    return action;
  }

  #constants(): Constant[] {
    const constants: Constant[] = [];
    while (this.#cursor.kind() === Kind.Open) constants.push(this.#constant());
    return constants;
  }

  #constant(): Constant {
    const cursor = this.#cursor;
    cursor.expectOpen();
    let constant: Constant;
    if (cursor.takeKeyword("v128.const")) {
      constant = { kind: "v128", bytes: parseVector(cursor) };
    } else if (cursor.takeKeyword("ref.null")) {
      const heap = HEAP_TYPE_NAMES.get(cursor.word());
      if (heap === undefined) throw cursor.unexpected();
      cursor.at++;
      constant = { kind: "ref.null", heap };
    } else if (cursor.takeKeyword("ref.extern")) {
      constant = { kind: "ref.extern", value: nat(cursor) };
    } else if (cursor.takeKeyword("ref.host")) {
      constant = { kind: "ref.host", value: nat(cursor) };
    } else {
      constant = this.#number();
    }
    cursor.expectClose();
    return constant;
  }

  /** `i32.const n` and its like. */
  #number(): NumberConstant {
    const cursor = this.#cursor;
    const type = /^(i32|i64|f32|f64)\.const$/.exec(cursor.word())?.[1] as "i32" | "i64" | "f32" | "f64" | undefined;
    if (type === undefined) throw cursor.unexpected();
    cursor.at++;
    const widest = type === "i32" || type === "i64" ? Kind.Int : Kind.Float;
    if (cursor.kind() < Kind.Nat || cursor.kind() > widest) throw cursor.unexpected();
    const bits = numberBits(type, cursor.word());
    if (bits === null) throw cursor.fail("constant out of range");
    cursor.at++;
    return { kind: type, bits: BigInt(bits) };
  }

  #results(): ResultPattern[] {
    const results: ResultPattern[] = [];
    while (this.#cursor.kind() === Kind.Open) results.push(this.#result());
    return results;
  }

  #result(): ResultPattern {
    const cursor = this.#cursor;
    if (!cursor.takeForm("either")) return this.#pattern();
    const alternatives: ResultPattern[] = [];
    while (cursor.kind() === Kind.Open) alternatives.push(this.#pattern());
    cursor.expectClose();
    return { kind: "either", alternatives };
  }

  #pattern(): ResultPattern {
    const cursor = this.#cursor;
    cursor.expectOpen();
    const word = cursor.word();
    let pattern: ResultPattern;
    if (word === "v128.const") {
      cursor.at++;
      pattern = this.#vector();
    } else if (word === "ref.null") {
      cursor.at++;
      pattern = { kind: "ref.null", heap: this.#optionalHeapType() };
    } else if (word === "ref.host" || (word === "ref.extern" && cursor.kind(1) === Kind.Nat)) {
      cursor.at++;
      pattern = { kind: word, value: nat(cursor) };
    } else if (REF_PATTERNS.has(word)) {
      cursor.at++;
      // `(ref.func $f)` is read as `(ref.func)`: the script cannot name functions of an instance.
      if (word === "ref.func" && cursor.kind() !== Kind.Close) cursor.at++;
      pattern = { kind: "ref", of: word as RefPattern };
    } else if ((word === "f32.const" || word === "f64.const") && this.#nan(1) !== null) {
      const nan = this.#nan(1) ?? "nan:canonical";
      cursor.at += 2;
      pattern = { kind: "nan", type: word === "f32.const" ? "f32" : "f64", nan };
    } else {
      pattern = this.#number();
    }
    cursor.expectClose();
    return pattern;
  }

  #optionalHeapType(): number | null {
    const cursor = this.#cursor;
    if (cursor.kind() === Kind.Close) return null;
    const heap = HEAP_TYPE_NAMES.get(cursor.word());
    if (heap === undefined) throw cursor.unexpected();
    cursor.at++;
    return heap;
  }

  #nan(ahead: number): "nan:canonical" | "nan:arithmetic" | null {
    if (this.#cursor.isKeyword("nan:canonical", ahead)) return "nan:canonical";
    return this.#cursor.isKeyword("nan:arithmetic", ahead) ? "nan:arithmetic" : null;
  }

  #vector(): ResultPattern {
    const cursor = this.#cursor;
    const shape = cursor.word();
    const count = SHAPES.get(shape);
    if (count === undefined) throw cursor.unexpected();
    const at = cursor.at++;
    const lanes: LanePattern[] = [];
    while (cursor.kind() !== Kind.Close) {
      const nan = shape.startsWith("f") ? this.#nan(0) : null;
      if (nan !== null) cursor.at++;
      lanes.push(nan ?? parseLane(cursor, shape));
    }
    if (lanes.length !== count) throw cursor.fail("wrong number of lane literals", undefined, at);
    return { kind: "v128", shape: shape as VectorShape, lanes };
  }
}

function numberBits(type: "i32" | "i64" | "f32" | "f64", word: string): bigint | number | null {
  switch (type) {
    case "i32":
      return integerBits(word, 32);
    case "i64":
      return integerBits(word, 64);
    case "f32":
      return f32Bits(word);
    case "f64":
      return f64Bits(word);
  }
}
