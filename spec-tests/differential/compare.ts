/**
 * Two outcomes of one plan, line by line: equal, or different as the specification allows. It leaves open which
 * bits a quiet NaN has, and some traps of ours are told apart where the other engine has one message for several.
 */

export interface Comparison {
  /** Lines that say the same. */
  equal: number;
  /** Lines that differ where the specification leaves it open, by what that is. */
  readonly open: Map<string, number>;
  /** Where they differ otherwise, in words; null if they do not. */
  mismatch: string | null;
  /** Why the rest of the plan was not compared, or null. */
  stopped: string | null;
}

export interface CompareOptions {
  /** Vectors may differ: they are results of relaxed instructions. */
  readonly relaxed: boolean;
  /** Integers, and what lies in memory, may be bits of NaNs. */
  readonly reinterprets: boolean;
}

export function compareOutcomes(
  ours: readonly string[],
  theirs: readonly string[],
  options: CompareOptions = { relaxed: false, reinterprets: false },
): Comparison {
  const result: Comparison = { equal: 0, open: new Map(), mismatch: null, stopped: null };
  for (let at = 0; at < Math.max(ours.length, theirs.length); at++) {
    const [one = "nothing", other = "nothing"] = [ours[at], theirs[at]];
    result.stopped = stopOf(one) ?? stopOf(other);
    if (result.stopped !== null) break;
    const reason = one === other ? null : whyOpen(one, other, options);
    if (one === other || reason === WORDS) result.equal++;
    else if (reason !== null) result.open.set(reason, (result.open.get(reason) ?? 0) + 1);
    // What a limit refused is missing from then on.
    else if (other.endsWith(": no instance") && result.open.has(LIMIT)) continue;
    else {
      result.mismatch = `ours: ${one}\n    V8: ${other}`;
      break;
    }
  }
  return result;
}

/** The same but for each engine's way to say it. */
const WORDS = "";
const NAN = "bits of a quiet NaN";
const LIMIT = "limits of V8";
const KIND = "which of several faults is named";
const LABEL = "V8 takes a br_on_non_null whose label has no reference";
const LOOP = "V8 gives the results of a loop the types of the operands behind them";
const DEPTH = "calls deeper than V8's stack";
const RELAXED = "results of relaxed instructions";

/** Why a line says that its engine could not go on, or null. */
export function stopOf(line: string): string | null {
  return /^(?:.*: )?stop \((.*)\)/.exec(line)?.[1] ?? null;
}

/** A trap's class has no parentheses; the words about modules and imports are each engine's own and end the line. */
const ENDING = /^(.*?: )(?:(trap) \(([^()]*)\)( .*)?|(link|invalid) \(.*\))$/s;

/** Ours and theirs, where an operation exceeds several bounds, or is refused for its size before they are looked at. */
const EITHER_FAULT: ReadonlySet<string> = new Set([
  "out of bounds array access, out of bounds memory access",
  "out of bounds array access, out of bounds table access",
  "out of bounds memory access, array too large",
  "out of bounds table access, array too large",
  "out of bounds memory access, unaligned atomic",
  "expected shared memory, out of bounds memory access",
]);

/** Why two lines that are not the same may differ, or null if they may not. */
function whyOpen(one: string, other: string, options: CompareOptions): string | null {
  const [ours, theirs] = [ENDING.exec(one), ENDING.exec(other)];
  if (theirs?.[3] === "call stack exhausted" && ours?.[3] !== theirs[3]) return DEPTH;
  if (theirs?.[5] !== undefined && ours?.[5] === undefined) {
    return /implementation limit/.test(other) ? LIMIT : null;
  }
  if (ours?.[5] === "invalid" && theirs === null) return whyRefused(one);
  if (ours === null || theirs === null) return ours === theirs ? whyWordsDiffer(one, other, options) : null;
  const [, label, trap, text = "", rest = "", refusal] = ours;
  if (label !== theirs[1] || trap !== theirs[2] || refusal !== theirs[5]) return null;
  if (trap === undefined) return WORDS;
  const classes = theirs[3]!.split("|");
  if (rest !== (theirs[4] ?? "")) return classes.includes(text) ? whyWordsDiffer(rest, theirs[4] ?? "", options) : null;
  if (classes.includes(text)) return WORDS;
  return classes.some((name) => EITHER_FAULT.has(`${text}, ${name}`)) ? KIND : null;
}

/** Where V8 is known not to follow the specification. */
function whyRefused(line: string): string | null {
  if (line.includes("(type mismatch: the label takes no reference ")) return LABEL;
  return /\(type mismatch: \w+ requires \[.*\(ref .*\] but stack has \[.*\(ref /.test(line) ? LOOP : null;
}

function whyWordsDiffer(one: string, other: string, { relaxed, reinterprets }: CompareOptions): string | null {
  const [ours, theirs] = [one.split(" "), other.split(" ")];
  if (ours.length !== theirs.length) return null;
  const isMemory = (at: number): boolean => reinterprets && ours[at - 1] === "bytes";
  if (ours.every((word, i) => word === theirs[i] || isMemory(i) || areNans(word, theirs[i]!, reinterprets))) return NAN;
  const isVector = (word: string): boolean => word.startsWith("v128:");
  const differ = ours.every((word, i) => word === theirs[i] || (isVector(word) && isVector(theirs[i]!)));
  return relaxed && differ ? RELAXED : null;
}

/** Whether both are the same but for bits of quiet NaNs. A vector has floats of either width in its lanes, all of them. */
function areNans(one: string, other: string, reinterprets: boolean): boolean {
  const [type, ours] = one.split(":");
  const [otherType, theirs] = other.split(":");
  if (type !== otherType || ours === undefined || theirs === undefined) return false;
  const isNan = type === "f32" || type === "f64" || (reinterprets && (type === "i32" || type === "i64"));
  if (isNan) return isQuietNan(ours) && isQuietNan(theirs);
  return type === "v128" && [8, 16].some((digits) => areAlikeLanes(ours, theirs, digits));
}

function areAlikeLanes(ours: string, theirs: string, digits: number): boolean {
  for (let at = 0; at < 32; at += digits) {
    const [one, other] = [ours.slice(at, at + digits), theirs.slice(at, at + digits)];
    if (one !== other && !(isQuietNan(one) && isQuietNan(other))) return false;
  }
  return true;
}

function isQuietNan(hex: string): boolean {
  const quiet = hex.length === 8 ? 0x7fc0_0000n : 0x7ff8_0000_0000_0000n;
  return (BigInt(`0x${hex}`) & quiet) === quiet;
}
