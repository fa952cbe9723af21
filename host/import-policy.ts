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

export class ImportPolicy {
  /** Tells policies apart where configurations are compared. */
  readonly id: number = ++policies;
  /** Bytes that its patterns take. */
  readonly byteLength: number;
  readonly patternCount: number;
  readonly #redirect: readonly (readonly [pattern: Pattern, definition: HostDefinition])[];
  /** Made when it is first asked: many are never. */
  #allow: readonly Pattern[] | null = null;
  #deny: readonly Pattern[] | null = null;
  #redirected: readonly Pattern[] | null = null;
  readonly #decisions = new Map<string, ImportDecision>();

  readonly rules: SavedRules;

  constructor(rules: SavedRules) {
    const { allow = [], deny = [], redirected = [] } = rules;
    this.rules = rules;
    this.#redirect = redirections(rules).map(([pattern, definition]) => [new Pattern(pattern), definition]);
    this.patternCount = allow.length + deny.length + this.#redirect.length + redirected.length;
    this.byteLength = 64;
    for (const patterns of [allow, deny, redirected]) {
      for (const { length } of patterns) this.byteLength += 160 + length * 4;
    }
  }

  /** Whether it may grant what nobody else provides. */
  get redirects(): boolean {
    return this.#redirect.length > 0;
  }

  /** Whether it leaves a name to an outer policy that redirects it. */
  leaves(name: string): boolean {
    this.#redirected ??= patternsOf(this.rules.redirected);
    return matchesAny(this.#redirected, name);
  }

  decide(name: string): ImportDecision {
    let decision = this.#decisions.get(name);
    if (decision === undefined) {
      decision = this.#decide(name);
      if (this.#decisions.size < MAX_REMEMBERED) this.#decisions.set(name, decision);
    }
    return decision;
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

/**
 * What several policies say together, the outermost first: each may deny, the first redirection
 * counts. Names that are too long are denied unseen.
 */
export function decideImport(all: readonly ImportPolicy[], name: string): ImportDecision {
  if (all.length > 0 && name.length > MAX_NAME_LENGTH) return "denied";
  let redirection: HostDefinition | null = null;
  for (const policy of all) {
    const decision = policy.decide(name);
    if (decision === "denied" && !(redirection !== null && policy.leaves(name))) return "denied";
    if (typeof decision !== "string") redirection ??= decision;
  }
  return redirection ?? "granted";
}

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
      // Stars that follow each other are one: a text of nothing else makes no list of empty parts.
      for (let star = text.indexOf("*", at); star >= 0; star = text.indexOf("*", at)) {
        if (star > at) (between ??= []).push(text.slice(at, star));
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
