/**
 * What `bench:prices` measures of references, heap objects, exceptions and atomics: instructions whose operands have to be
 * made first, each with ordinary operands and with the worst ones.
 */

/** As in price-cases.ts. */
export interface Repetition {
  readonly operands: string;
  readonly code: string;
  /** Instructions that cost 1, besides the measured one. */
  readonly others: number;
  readonly repetitions?: number;
  readonly functions?: string;
  readonly locals?: readonly Local[];
  readonly freshRounds?: number;
}

/** Its name, type and value at the beginning; no value: zero. */
export type Local = readonly [name: string, type: string, value: string];

/** Supertypes of the deepest type. */
const DEPTH = 63;
const WIDE_FIELDS = 10_000;
const CATCHES = 65_520;

const deep = Array.from({ length: DEPTH }, (_, i) => `(type $deep${i + 1} (sub $deep${i} (struct)))`).join(" ");

const TYPES = `
  (type $object (sub (struct (field $i (mut i32)) (field $l (mut i64)) (field $p (mut i8)) (field $v (mut v128)) (field $r (mut anyref)))))
  (type $hundred (struct ${"(field (mut i64))".repeat(100)}))
  (type $deep0 (sub (struct))) ${deep}
  (type $bytes8 (array (mut i8))) (type $words (array (mut i32))) (type $vectors (array (mut v128)))
  (type $any8 (array (mut anyref))) (type $funcs8 (array (mut funcref)))
  (type $callee (func))
  (func $nothing) (func $manyLocals (local ${"i64 ".repeat(50_000)}))
  (func $tailRef (return_call_ref $callee (ref.func $nothing)))
  (elem declare func $nothing $manyLocals)`;
/** A module of its own: 10,000 fields are a megabyte of text. */
const WIDE_TYPE = `(type $wide (struct ${"(field i64)".repeat(WIDE_FIELDS)}))`;

const LOCALS: readonly Local[] = [
  ["$o", "(ref null $object)", "(struct.new_default $object)"],
  ["$none", "(ref null $object)", ""],
  ["$any", "anyref", "(struct.new_default $object)"],
  ["$i31", "anyref", "(ref.i31 (i32.const 5))"],
  ["$deepest", "anyref", `(struct.new_default $deep${DEPTH})`],
  ["$callee", "(ref null $callee)", "(ref.func $nothing)"],
  ["$large", "(ref null $callee)", "(ref.func $manyLocals)"],
  ["$b8", "(ref null $bytes8)", "(array.new_default $bytes8 (i32.const 65536))"],
  ["$w", "(ref null $words)", "(array.new_default $words (i32.const 8192))"],
  ["$vs", "(ref null $vectors)", "(array.new_default $vectors (i32.const 8))"],
  ["$as", "(ref null $any8)", "(array.new_default $any8 (i32.const 8192))"],
  ["$fs", "(ref null $funcs8)", "(array.new_default $funcs8 (i32.const 8))"],
];

type Case = Omit<Repetition, "functions" | "locals">;

const withTypes = (...cases: readonly Case[]): Repetition[] =>
  cases.map((each) => ({ ...each, functions: TYPES, locals: LOCALS }));

/** Ways to get at each kind of field. */
const FIELDS = [
  ["i32", "i", "$ir", "(local.get $i2)"],
  ["i64", "l", "$lr", "(local.get $l2)"],
  ["v128", "v", "$vr", "(local.get $v0)"],
  ["reference", "r", "$any", "(local.get $any)"],
] as const;

/** Arrays made in one way, of few and many elements. */
function arrays(word: string, value: string, others: number): Repetition[] {
  const made = (type: string, length: number, repetitions: number): Case => ({
    operands: `${type} ${length}`,
    code: `(drop (${word} $${type} ${value}(i32.const ${length})))`,
    others,
    repetitions,
  });
  return withTypes(made("words", 0, 8), made("words", 1, 8), made("words", 100, 8), made("words", 100_000, 1));
}

/** A bulk operation on arrays with few and many elements. */
function bulk(word: string, operands: string, largest: number): Repetition[] {
  const form = (length: number, repetitions: number): Case => ({
    operands: `length ${length}`,
    code: `(${word} ${operands} (i32.const ${length}))`,
    others: 1 + (operands.match(/get|const|null/g)?.length ?? 0),
    repetitions,
  });
  return withTypes(form(0, 24), form(1, 24), form(Math.min(127, largest), 24), form(largest, 1));
}

function casts(word: string, result: string): Repetition[] {
  const cast = (operands: string, type: string, value: string): Case => ({
    operands,
    code: result.replace("_", `(${word} ${type} (local.get ${value}))`),
    others: 2,
  });
  return withTypes(
    cast("its own type", "(ref $object)", "$any"),
    cast("abstract", "(ref struct)", "$any"),
    cast("i31", "(ref i31)", "$i31"),
    cast("eq", "(ref eq)", "$any"),
    cast("the root of 63", "(ref $deep0)", "$deepest"),
    cast("the deepest", `(ref $deep${DEPTH})`, "$deepest"),
    cast("function", "(ref $callee)", "$callee"),
    cast("null", "(ref null $object)", "$none"),
  );
}

const TAGS = `(tag $e) (tag $other) (tag $value (param i32)) (tag $wideTag (param ${"i32 ".repeat(1000)}))
  (func $throws (throw $e))
  (func $nested (param i32) (if (local.get 0) (then (call $nested (i32.sub (local.get 0) (i32.const 1)))) (else (throw $e))))`;
const caught = (code: string, clauses = "(catch_all $h)"): string => `(block $h (try_table ${clauses} ${code}))`;
const EXCEPTION: readonly Local[] = [
  ["$x", "exnref", "(block $h (result exnref) (try_table (catch_all_ref $h) (throw $e)) (unreachable))"],
];
const WIDE_EXCEPTION: readonly Local[] = [
  [
    "$x",
    "exnref",
    `(block $h (result exnref) (try_table (catch_all_ref $h) (throw $wideTag ${"(i32.const 1)".repeat(1000)})) (unreachable))`,
  ],
];
const manyTries = (depth: number, code: string): string =>
  `${"(try_table (catch $other $h) ".repeat(depth)}${code}${")".repeat(depth)}`;

export const REFERENCE_CASES: Readonly<Record<string, readonly Repetition[]>> = {
  "ref.eq": withTypes({ operands: "", code: "(local.set $ir (ref.eq (local.get $o) (local.get $o)))", others: 3 }),
  "ref.as_non_null": withTypes({ operands: "", code: "(drop (ref.as_non_null (local.get $o)))", others: 2 }),
  br_on_null: withTypes(
    { operands: "taken", code: "(block (drop (br_on_null 0 (local.get $none))))", others: 1 },
    { operands: "not taken", code: "(block (drop (br_on_null 0 (local.get $o))))", others: 2 },
  ),
  br_on_non_null: withTypes(
    {
      operands: "taken",
      code: "(drop (block (result (ref $object)) (br_on_non_null 0 (local.get $o)) (unreachable)))",
      others: 2,
    },
    {
      operands: "not taken",
      code: "(drop (block (result (ref null $object)) (br_on_non_null 0 (local.get $none)) (local.get $o)))",
      others: 3,
    },
  ),
  call_ref: withTypes(
    { operands: "empty", code: "(call_ref $callee (local.get $callee))", others: 1 },
    { operands: "50000 locals", code: "(call_ref $callee (local.get $large))", others: 1, repetitions: 1 },
  ),
  return_call_ref: withTypes({ operands: "empty", code: "(call $tailRef)", others: 2 }),

  "struct.new": withTypes(
    {
      operands: "5 fields",
      code: "(local.set $o (struct.new $object (local.get $i0) (local.get $l0) (local.get $i1) (local.get $v0) (local.get $any)))",
      others: 6,
    },
    {
      operands: "100 fields",
      code: `(drop (struct.new $hundred ${"(local.get $l0) ".repeat(100)}))`,
      others: 101,
      repetitions: 2,
    },
  ),
  "struct.new_default": [
    ...withTypes(
      { operands: "5 fields", code: "(local.set $o (struct.new_default $object))", others: 1 },
      { operands: "no fields", code: "(local.set $any (struct.new_default $deep0))", others: 1 },
    ),
    {
      operands: `${WIDE_FIELDS} fields`,
      code: "(drop (struct.new_default $wide))",
      others: 1,
      repetitions: 1,
      functions: WIDE_TYPE,
    },
  ],
  "struct.get": withTypes(
    ...FIELDS.map(([operands, field, to]) => ({
      operands,
      code: `(local.set ${to} (struct.get $object $${field} (local.get $o)))`,
      others: 2,
    })),
  ),
  "struct.get_s": withTypes({
    operands: "i8",
    code: "(local.set $ir (struct.get_s $object $p (local.get $o)))",
    others: 2,
  }),
  "struct.get_u": withTypes({
    operands: "i8",
    code: "(local.set $ir (struct.get_u $object $p (local.get $o)))",
    others: 2,
  }),
  "struct.set": withTypes(
    ...FIELDS.map(([operands, field, , value]) => ({
      operands,
      code: `(struct.set $object $${field} (local.get $o) ${value})`,
      others: 2,
    })),
    { operands: "i8", code: "(struct.set $object $p (local.get $o) (local.get $i0))", others: 2 },
  ),
  "array.new": arrays("array.new", "(local.get $i2) ", 3),
  "array.new_default": [
    ...arrays("array.new_default", "", 2),
    ...withTypes({
      operands: "bytes8 1000000",
      code: "(drop (array.new_default $bytes8 (i32.const 1000000)))",
      others: 2,
      repetitions: 1,
    }),
  ],
  "array.new_fixed": withTypes(
    { operands: "2", code: "(local.set $w (array.new_fixed $words 2 (local.get $i0) (local.get $i1)))", others: 3 },
    {
      operands: "1000",
      code: `(drop (array.new_fixed $words 1000 ${"(local.get $i0) ".repeat(1000)}))`,
      others: 1001,
      repetitions: 1,
    },
  ),
  "array.new_data": withTypes(
    ...[0, 1, 256].map((length) => ({
      operands: `${length}`,
      code: `(drop (array.new_data $words $bytes (local.get $z) (i32.const ${length})))`,
      others: 3,
      repetitions: 8,
    })),
  ),
  "array.new_elem": withTypes(
    ...[0, 2].map((length) => ({
      operands: `${length}`,
      code: `(drop (array.new_elem $funcs8 $passive (local.get $z) (i32.const ${length})))`,
      others: 3,
    })),
  ),
  "array.get": withTypes(
    { operands: "i32", code: "(local.set $ir (array.get $words (local.get $w) (local.get $i1)))", others: 3 },
    { operands: "v128", code: "(local.set $vr (array.get $vectors (local.get $vs) (local.get $i1)))", others: 3 },
    { operands: "reference", code: "(local.set $any (array.get $any8 (local.get $as) (local.get $i1)))", others: 3 },
  ),
  "array.get_s": withTypes({
    operands: "i8",
    code: "(local.set $ir (array.get_s $bytes8 (local.get $b8) (local.get $i1)))",
    others: 3,
  }),
  "array.get_u": withTypes({
    operands: "i8",
    code: "(local.set $ir (array.get_u $bytes8 (local.get $b8) (local.get $i1)))",
    others: 3,
  }),
  "array.set": withTypes(
    { operands: "i32", code: "(array.set $words (local.get $w) (local.get $i1) (local.get $i2))", others: 3 },
    { operands: "i8", code: "(array.set $bytes8 (local.get $b8) (local.get $i1) (local.get $i2))", others: 3 },
    { operands: "v128", code: "(array.set $vectors (local.get $vs) (local.get $i1) (local.get $v0))", others: 3 },
    { operands: "reference", code: "(array.set $any8 (local.get $as) (local.get $i1) (local.get $any))", others: 3 },
  ),
  "array.len": withTypes({ operands: "", code: "(local.set $ir (array.len (local.get $w)))", others: 2 }),
  "array.fill": [
    ...bulk("array.fill $words", "(local.get $w) (local.get $z) (local.get $i2)", 8192),
    ...bulk("array.fill $any8", "(local.get $as) (local.get $z) (local.get $any)", 8192),
    ...bulk("array.fill $bytes8", "(local.get $b8) (local.get $i1) (local.get $i2)", 65_535),
  ],
  "array.copy": [
    ...bulk("array.copy $words $words", "(local.get $w) (local.get $z) (local.get $w) (local.get $i1)", 8191),
    ...bulk("array.copy $bytes8 $bytes8", "(local.get $b8) (local.get $i1) (local.get $b8) (local.get $z)", 65_535),
  ],
  "array.init_data": bulk("array.init_data $words $bytes", "(local.get $w) (local.get $i1) (local.get $z)", 256),
  "array.init_elem": bulk("array.init_elem $funcs8 $passive", "(local.get $fs) (local.get $i1) (local.get $z)", 2),
  "ref.test": casts("ref.test", "(local.set $ir _)"),
  "ref.cast": casts("ref.cast", "(drop _)"),
  br_on_cast: withTypes(
    {
      operands: "taken",
      code: "(drop (block (result anyref) (br_on_cast 0 anyref (ref $object) (local.get $any))))",
      others: 2,
    },
    {
      operands: "not taken",
      code: "(drop (block (result anyref) (br_on_cast 0 anyref (ref $deep1) (local.get $any))))",
      others: 2,
    },
  ),
  br_on_cast_fail: withTypes(
    {
      operands: "taken",
      code: "(drop (block (result anyref) (br_on_cast_fail 0 anyref (ref $deep1) (local.get $any))))",
      others: 2,
    },
    {
      operands: "not taken",
      code: "(drop (block (result anyref) (br_on_cast_fail 0 anyref (ref $object) (local.get $any))))",
      others: 2,
    },
  ),
  "any.convert_extern": withTypes({
    operands: "",
    code: "(local.set $any (any.convert_extern (local.get $er)))",
    others: 2,
  }),
  "extern.convert_any": withTypes({
    operands: "",
    code: "(local.set $er (extern.convert_any (local.get $any)))",
    others: 2,
  }),
  "ref.i31": withTypes({ operands: "", code: "(local.set $any (ref.i31 (local.get $i2)))", others: 2 }),
  "i31.get_s": withTypes({
    operands: "",
    code: "(local.set $ir (i31.get_s (ref.i31 (local.get $i2))))",
    others: 3,
  }),
  "i31.get_u": withTypes({
    operands: "",
    code: "(local.set $ir (i31.get_u (ref.i31 (local.get $i2))))",
    others: 3,
  }),

  try_table: [{ operands: "empty", code: "(try_table)", others: 0, functions: TAGS }],
  throw: [
    { operands: "caught here", code: caught("(throw $e)"), others: 1, functions: TAGS },
    { operands: "caught by the caller", code: caught("(call $throws)"), others: 2, functions: TAGS },
    {
      operands: "through 100 frames",
      code: caught("(call $nested (i32.const 100))"),
      // Each frame but the last: call, if, two operands and a subtraction.
      others: 504,
      repetitions: 1,
      functions: TAGS,
    },
    {
      operands: "one value",
      code: "(local.set $ir (block $h (result i32) (try_table (catch $value $h) (throw $value (local.get $i0))) (unreachable)))",
      others: 3,
      functions: TAGS,
    },
    {
      operands: "1000 values",
      code: `(block $h (result ${"i32 ".repeat(1000)}) (try_table (catch $wideTag $h) (throw $wideTag ${"(local.get $i0) ".repeat(1000)})) (unreachable))${"(drop)".repeat(1000)}`,
      others: 2001,
      repetitions: 1,
      functions: TAGS,
    },
    {
      operands: `${CATCHES} clauses`,
      code: caught("(throw $e)", `${"(catch $other $h) ".repeat(CATCHES - 1)}(catch_all $h)`),
      others: 1,
      repetitions: 1,
      functions: TAGS,
    },
    {
      operands: "1000 handlers of others",
      code: caught(manyTries(1000, "(throw $e)")),
      others: 1001,
      repetitions: 1,
      functions: TAGS,
    },
    {
      operands: "1000 handlers beside it",
      code: `${caught("(throw $e)")} (if (local.get $z) (then ${"(block $h (try_table (catch $other $h)))".repeat(1000)}))`,
      others: 3,
      repetitions: 1,
      functions: TAGS,
    },
  ],
  throw_ref: [
    { operands: "", code: caught("(throw_ref (local.get $x))"), others: 2, functions: TAGS, locals: EXCEPTION },
    {
      operands: "1000 values",
      code: `(block $h (result ${"i32 ".repeat(1000)}) (try_table (catch $wideTag $h) (throw_ref (local.get $x))) (unreachable))${"(drop)".repeat(1000)}`,
      others: 1002,
      repetitions: 1,
      functions: TAGS,
      locals: WIDE_EXCEPTION,
    },
  ],
  try: [{ operands: "empty", code: "(try (do) (catch_all))", others: 0, functions: TAGS }],
  rethrow: [
    {
      operands: "",
      code: "(try (do (throw $e)) (catch_all (try (do (rethrow 1)) (catch_all))))",
      others: 3,
      functions: TAGS,
    },
  ],

  "memory.atomic.wait32": [
    {
      operands: "another value",
      code: "(local.set $ir (memory.atomic.wait32 3 (local.get $a8) (local.get $i2) (local.get $l2)))",
      others: 4,
    },
    {
      operands: "no time",
      code: "(local.set $ir (memory.atomic.wait32 3 (local.get $a8) (local.get $z) (local.get $lz)))",
      others: 4,
    },
  ],
  "memory.atomic.wait64": [
    {
      operands: "another value",
      code: "(local.set $ir (memory.atomic.wait64 3 (local.get $a8) (local.get $l2) (local.get $l2)))",
      others: 4,
    },
  ],
  "atomic.fence": [{ operands: "", code: "(atomic.fence)", others: 0 }],
};
