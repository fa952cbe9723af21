/**
 * Which imports a module gets: granted, redirected to the embedder's function, or denied. Policies
 * of a process and of all who made it apply together, so no child gets an import back.
 */

import type { HostDefinition } from "../vm/index.ts";

/** Patterns of "module::name", in which "*" stands for any text: "wasi_snapshot_preview1::fd_*". */
export interface ImportRules {
  /** If given, everything else is denied. */
  readonly allow?: readonly string[];
  /** Denied even if allowed. */
  readonly deny?: readonly string[];
  /** The embedder's function in place of the usual one, whatever the other rules say. */
  readonly redirect?: Readonly<Record<string, HostDefinition>> | ReadonlyMap<string, HostDefinition>;
}

/** Rules of a process that was saved: its embedder's functions were no data. */
export interface SavedRules extends ImportRules {
  /** Patterns that were redirected, whatever the other rules say: so they are again where an outer policy redirects them. */
  readonly redirected?: readonly string[];
}

export type ImportDecision = "granted" | "denied" | HostDefinition;

/** UTF-16 units of "module::name" that are matched with patterns: longer ones are denied. */
const MAX_NAME_LENGTH = 512;
/** Of a configuration and of all that it comes from. */
export const MAX_INHERITED_PATTERNS = 1_024;

let policies = 0;

/** Decisions that a policy remembers: more names than there are functions. */
const MAX_REMEMBERED = 1_024;

/** What one configuration says, inside of what its creators have said: each may deny, the outermost redirection counts. */
export class ImportPolicy {
  /** Tells policies apart where configurations are compared. */
  readonly id: number = ++policies;
  readonly rules: SavedRules;
  /** The creator's. */
  readonly outer: ImportPolicy | null;
  // Of this one and all around it: patterns, bytes that they take, and whether any may grant what nobody else provides.
  readonly patternCount: number;
  readonly byteLength: number;
  readonly redirects: boolean;
  readonly #redirect: readonly (readonly [pattern: Pattern, definition: HostDefinition])[];
  /** Made when it is first asked: many are never. */
  #allow: readonly Pattern[] | null = null;
  #deny: readonly Pattern[] | null = null;
  #redirected: readonly Pattern[] | null = null;
  readonly #decisions = new Map<string, ImportDecision>();

  constructor(rules: SavedRules, outer: ImportPolicy | null = null) {
    const { allow = [], deny = [], redirected = [] } = rules;
    this.rules = rules;
    this.outer = outer;
    this.#redirect = redirections(rules).map(([pattern, definition]) => [new Pattern(pattern), definition]);
    const own = allow.length + deny.length + this.#redirect.length + redirected.length;
    this.patternCount = (outer?.patternCount ?? 0) + own;
    this.byteLength = (outer?.byteLength ?? 0) + 64;
    for (const patterns of [allow, deny, redirected]) {
      for (const { length } of patterns) this.byteLength += 160 + length * 4;
    }
    this.redirects = this.#redirect.length > 0 || outer?.redirects === true;
  }

  /** Whether it remembers what it has decided of a name. */
  knows(name: string): boolean {
    return this.#decisions.has(name);
  }

  /** Names that are too long are denied unseen. */
  decide(name: string): ImportDecision {
    if (name.length > MAX_NAME_LENGTH) return "denied";
    const known = this.#decisions.get(name);
    if (known !== undefined) return known;
    // Those around it have mostly been asked before. Guests make thousands that lie in each other: no recursion.
    const inside: ImportPolicy[] = [];
    let decision: ImportDecision | undefined;
    for (let policy: ImportPolicy | null = this; policy !== null && decision === undefined; policy = policy.outer) {
      decision = policy.#decisions.get(name);
      if (decision === undefined) inside.push(policy);
    }
    decision ??= "granted";
    for (let i = inside.length - 1; i >= 0; i--) decision = inside[i]!.#narrow(decision, name);
    if (this.#decisions.size < MAX_REMEMBERED) this.#decisions.set(name, decision);
    return decision;
  }

  /** What is left of a decision of those around it. */
  #narrow(outer: ImportDecision, name: string): ImportDecision {
    if (outer === "denied") return outer;
    const own = this.#decide(name);
    if (outer === "granted") return own;
    return own === "denied" && !this.#leaves(name) ? own : outer;
  }

  /** Whether it leaves a name to an outer policy that redirects it. */
  #leaves(name: string): boolean {
    this.#redirected ??= patternsOf(this.rules.redirected);
    return matchesAny(this.#redirected, name);
  }

  #decide(name: string): ImportDecision {
    for (const [pattern, definition] of this.#redirect) if (pattern.matches(name)) return definition;
    this.#deny ??= patternsOf(this.rules.deny);
    if (matchesAny(this.#deny, name)) return "denied";
    if (this.rules.allow === undefined) return "granted";
    this.#allow ??= patternsOf(this.rules.allow);
    return matchesAny(this.#allow, name) ? "granted" : "denied";
  }
}

/** What is redirected, by its pattern. */
export function redirections({
  redirect = {},
}: ImportRules): (readonly [pattern: string, definition: HostDefinition])[] {
  return redirect instanceof Map ? [...redirect] : Object.entries(redirect);
}

/** All that a policy has redirected, as a snapshot keeps it. */
export function redirectedPatterns(rules: SavedRules): string[] {
  return [...redirections(rules).map(([pattern]) => pattern), ...(rules.redirected ?? [])];
}

const STAR = 0x2a;
const NOTHING_BETWEEN: readonly string[] = [];

function patternsOf(texts: readonly string[] = []): readonly Pattern[] {
  return texts.map((text) => new Pattern(text));
}

function matchesAny(patterns: readonly Pattern[], name: string): boolean {
  for (const pattern of patterns) if (pattern.matches(name)) return true;
  return false;
}

/** A text with "*" for any text. */
class Pattern {
  /** What names begin with, or are when there is no star. */
  readonly #start: string;
  /** What has to come between, in this order, and what names end with. Null without stars. */
  readonly #between: readonly string[] | null;
  readonly #end: string;
  /** Characters that are no stars. */
  readonly #length: number;

  constructor(text: string) {
    const first = text.indexOf("*");
    this.#start = first < 0 ? text : text.slice(0, first);
    let length = this.#start.length;
    let between: string[] | null = null;
    let at = first + 1;
    if (first >= 0) {
      for (;;) {
        // Stars that follow each other are one: a text of nothing else makes no list of empty parts.
        while (text.charCodeAt(at) === STAR) at++;
        const star = text.indexOf("*", at);
        if (star < 0) break;
        (between ??= []).push(text.slice(at, star));
        length += star - at;
        at = star + 1;
      }
    }
    this.#between = first < 0 ? null : (between ?? NOTHING_BETWEEN);
    this.#end = first < 0 ? text : text.slice(at);
    this.#length = first < 0 ? length : length + this.#end.length;
  }

  /** The first place for a part is the best. */
  matches(name: string): boolean {
    const between = this.#between;
    if (between === null) return name === this.#start;
    if (this.#length > name.length || !name.startsWith(this.#start) || !name.endsWith(this.#end)) return false;
    let at = this.#start.length;
    for (const part of between) {
      const found = name.indexOf(part, at);
      if (found < 0) return false;
      at = found + part.length;
    }
    return at + this.#end.length <= name.length;
  }
}

/** Whether `text` is `pattern` with each "*" replaced by some text. */
export function matchesPattern(pattern: string, text: string): boolean {
  return new Pattern(pattern).matches(text);
}
