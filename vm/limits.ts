/**
 * Every limit of the engine in one place, with its unit and reason. Limits on modules are those
 * of the JavaScript API's appendix (spec: js-api "Implementation-defined Limits"), so that a module
 * accepted by browsers is accepted here.
 */

/** Bytes of a module. */
export const MAX_MODULE_BYTES = 1_073_741_824;
export const MAX_TYPES = 1_000_000;
export const MAX_REC_GROUPS = 1_000_000;
/** Types in one recursion group. */
export const MAX_REC_GROUP_TYPES = 1_000_000;
/** Length of a chain of supertypes: displays are this long at most. */
export const MAX_SUBTYPING_DEPTH = 63;
export const MAX_FUNCS = 1_000_000;
export const MAX_IMPORTS = 1_000_000;
export const MAX_EXPORTS = 1_000_000;
export const MAX_GLOBALS = 1_000_000;
export const MAX_TAGS = 1_000_000;
export const MAX_DATA_SEGMENTS = 100_000;
export const MAX_TABLES = 100_000;
export const MAX_MEMORIES = 100;
export const MAX_ELEMENT_SEGMENTS = 10_000_000;
/** Elements in one segment. */
export const MAX_SEGMENT_ELEMENTS = 10_000_000;
/** Bytes of one function body. */
export const MAX_BODY_BYTES = 7_654_321;
/** Locals of one function, its parameters included. */
export const MAX_LOCALS = 50_000;
export const MAX_PARAMS = 1_000;
export const MAX_RESULTS = 1_000;
export const MAX_FIELDS = 10_000;
/** Operands of array.new_fixed. */
export const MAX_ARRAY_FIXED = 10_000;
/** Targets of one br_table, without the default. */
export const MAX_BR_TABLE = 65_520;
/** Catch clauses of one try_table, or of one deprecated `try`. */
export const MAX_CATCHES = 65_520;
/** Slots of 8 bytes of the operands of one function: they are part of its frame. */
export const MAX_OPERAND_SLOTS = 4_194_304;
/** Bytes of a name of an import, export or custom section. */
export const MAX_NAME_BYTES = 100_000;
/** Blocks inside each other in one body, binary or text. Memory per level is some 50 bytes. */
export const MAX_NESTING = 1_000_000;
/** Elements a table may be given at instantiation or by growth. */
export const MAX_TABLE_ELEMENTS = 10_000_000;
/** Pages of 64 KiB a memory may have: 4 GiB, the largest buffer of Node 20. Declarations may be larger. */
export const MAX_MEMORY_PAGES = 65_536;
/** Bytes of a text module or script. */
export const MAX_TEXT_BYTES = 1_073_741_824;
/** Live canonical types of one engine. */
export const MAX_CANONICAL_TYPES = 4_000_000;

export const PAGE_BYTES = 65_536;

/** Frames that a backtrace names: a trap stays cheap at any depth. */
export const MAX_BACKTRACE_FRAMES = 64;
/** Frames that are looked at when an error ends a run, to say how many the backtrace leaves out: below half a millisecond. */
export const MAX_COUNTED_FRAMES = 10_000;
/** Slots of 8 bytes of one invocation's frame stack, unless the store says otherwise. */
export const DEFAULT_FRAME_SLOTS = 1_048_576;
/** Slots a frame stack starts with. */
export const INITIAL_FRAME_SLOTS = 128;
/** Fuel between two safe points of straight-line code. */
export const STRAIGHT_LINE_FUEL = 1_000;
/** Price of one instruction, as configured. */
export const MAX_PRICE = 1_000;
/** Fuel of one turn: with the fuel of a body's positions it stays below 2^31. */
export const MAX_TURN_FUEL = 1_073_741_823;
/** Fuel of one body read from its first to its last instruction. */
export const MAX_BODY_FUEL = 1_073_741_824;
/** Fuel of looking for handlers in one frame, when an exception is thrown. */
export const SEARCH_FRAME_FUEL = 4;
/** Fuel of each handler that does not catch it. */
export const SEARCH_HANDLER_FUEL = 1;
/** Clauses that it is compared with for one fuel. */
export const CLAUSES_PER_FUEL = 8;
/** Clauses that one step compares. */
export const SEARCH_BLOCK_CLAUSES = 512;
/** Words of an exception that whoever catches its values takes for one fuel. */
export const EXCEPTION_WORDS_PER_FUEL = 4;
/** Bytes that one step of a bulk operation moves. */
export const BULK_BLOCK_BYTES = 4_096;
/** Slots that a synchronous call from a host function back into the guest takes of its caller's depth: it uses the JavaScript stack. */
export const REENTRY_SLOTS = 8_192;
/** Such calls inside each other, at most: more slots do not make the JavaScript stack larger. */
export const MAX_REENTRIES = 128;
/** Fuel of such a call, besides what the guest uses. */
export const REENTRY_FUEL = 100;
/** Activations of host functions and other instances that an invocation may have inside each other before they count as memory. */
export const FREE_ACTIVATIONS = 32;
/** How many more are paid for together. */
export const ACTIVATIONS_STEP = 64;
/** What one takes of V8's heap, with its place in the list. */
export const ACTIVATION_BYTES = 96;
/** Fuel of each request of a frame function: it ends even if no guest instruction runs between. */
export const FRAME_STEP_FUEL = 10;
/** Fuel of going on in a frame function whose call has ended: a nest of thousands goes up without a guest instruction in between. */
export const FRAME_RETURN_FUEL = 50;
/** Fuel that such a call may use beyond what is left of its caller's turn. */
export const REENTRY_GRANT_FUEL = 10_000_000;
/** Pages of 64 KiB of one heap: handles name 8 GiB. */
export const MAX_HEAP_PAGES = 131_072;
/** Bytes of objects after which a collection begins at the earliest: smaller heaps are not worth one. */
export const MIN_COLLECTION_BYTES = 262_144;
/** Words that one step of a collection moves or scans before the turn gives way: below a millisecond. */
export const COLLECTION_STEP_WORDS = 50_000;
/** Instructions that a collection reads for the stack map of a function before it looks at its time. */
export const COLLECTION_STEP_INSTRUCTIONS = 2_000;
/** Instructions lowered before a turn gives way: well below a millisecond. */
export const LOWERING_STEP_INSTRUCTIONS = 5_000;
/** Fuel that an isolate's guests use before the hot loop is trained, about a second: shorter runs never pay for it. */
export const TRAINING_FUEL = 1_000_000_000;
/** Fuel after the training in which V8, which takes half a second for the hot loop, has optimised it. */
export const COLD_FUEL = 20_000_000;
