/**
 * What observed modules write into their memory, and the text made of it. Values go through memory as bits,
 * because JavaScript may change the bits of a NaN and cannot hold a vector or the insides of an object.
 *
 * The memory: where the next word goes (4 bytes), host values given so far (4 bytes), then words of 64 bits.
 * Arguments stand in the second page, 16 bytes each.
 */

/** What a word is about; its content follows in further words. */
export const enum Word {
  /** One word of bits each, a vector two. */
  I32 = 1,
  I64,
  F32,
  F64,
  V128,
  Null,
  /** Its signed value. */
  I31,
  Func,
  /** A structure or array. */
  Object,
  /** The type index of a type that the object or function has; its content may follow. */
  Type,
  /** Elements of an array, and the first of them. */
  Length,
  /** A value of the host: which one is in the table. */
  Host,
  /** The index of its tag; what it carries follows, last value first. */
  Exception,
  /** Of a tag that the module does not know. */
  ForeignException,
  /** The results follow, last value first. */
  Returned,
  /** The index of a function that the module imports, called; its arguments follow. */
  Called,
  /** Their indices. */
  Global,
  Table,
  /** Elements of a table, and the first of them. */
  Size,
}

export const FIRST_WORD = 8;
/** Words past this address are not written. */
export const LAST_WORD = 65_536 - 8;
export const ARGUMENTS_AT = 65_536;
export const ARGUMENT_BYTES = 16;
/** Values of the host that one call may show. */
export const HOST_VALUES = 64;

/** The exports of observed modules. No module of the suite has one of such a name. */
export const MEMORY_EXPORT = "observed:memory";
export const HOST_VALUES_EXPORT = "observed:hosts";
export const RESET_EXPORT = "observed:reset";
export const STATE_EXPORT = "observed:state";
export const callExport = (func: number): string => `observed:call ${func}`;
export const memoryExport = (memory: number): string => `observed:memory ${memory}`;

const NAMES: Readonly<Record<number, string>> = {
  [Word.I32]: "i32",
  [Word.I64]: "i64",
  [Word.F32]: "f32",
  [Word.F64]: "f64",
  [Word.I31]: "i31",
  [Word.Type]: "type",
  [Word.Length]: "length",
  [Word.Exception]: "exception",
  [Word.Called]: "called",
  [Word.Global]: "global",
  [Word.Table]: "table",
  [Word.Size]: "size",
};

const PLAIN: Readonly<Record<number, string>> = {
  [Word.Null]: "null",
  [Word.Func]: "func",
  [Word.Object]: "object",
  [Word.ForeignException]: "foreign-exception",
  [Word.Returned]: "returned",
};

/** Bits are written in hexadecimal, indices and sizes in decimal: `f32:7fc00000 object type:3 length:2`. */
export function wordsText(memory: Uint8Array, hostValue: (index: number) => string): string {
  const view = new DataView(memory.buffer, memory.byteOffset, memory.byteLength);
  const end = Math.min(view.getUint32(0, true), LAST_WORD + 8);
  const parts: string[] = [];
  let at = FIRST_WORD;
  const next = (): bigint => {
    const word = at < end ? view.getBigUint64(at, true) : 0n;
    at += 8;
    return word;
  };
  let hosts = 0;
  while (at < end) {
    const kind = Number(next());
    if (PLAIN[kind] !== undefined) parts.push(PLAIN[kind]);
    else if (kind === Word.Host) parts.push(hosts < HOST_VALUES ? hostValue(hosts++) : "host");
    else if (kind === Word.V128) parts.push(`v128:${hex(next(), 16)}${hex(next(), 16)}`);
    else if (kind <= Word.F64)
      parts.push(`${NAMES[kind]}:${hex(next(), kind === Word.I32 || kind === Word.F32 ? 8 : 16)}`);
    else parts.push(`${NAMES[kind] ?? `unknown ${kind}`}:${BigInt.asIntN(64, next())}`);
  }
  if (end > LAST_WORD) parts.push("and more");
  return parts.join(" ");
}

function hex(bits: bigint, digits: number): string {
  return bits.toString(16).padStart(digits, "0");
}
