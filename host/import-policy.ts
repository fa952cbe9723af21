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
  readonly #allow: readonly Pattern[] | null;
  readonly #deny: readonly Pattern[];
  readonly #redirect: readonly (readonly [pattern: Pattern, definition: HostDefinition])[];
  readonly #redirected: readonly Pattern[];
  readonly #decisions = new Map<string, ImportDecision>();

  readonly rules: SavedRules;

  constructor(rules: SavedRules) {
    const { allow, deny = [], redirected = [] } = rules;
    this.rules = rules;
    this.#allow = allow?.map((pattern) => new Pattern(pattern)) ?? null;
    this.#deny = deny.map((pattern) => new Pattern(pattern));
    this.#redirect = redirections(rules).map(([pattern, definition]) => [new Pattern(pattern), definition]);
    this.#redirected = redirected.map((pattern) => new Pattern(pattern));
    this.byteLength = [...(allow ?? []), ...deny, ...redirected].reduce(
      (sum, { length }) => sum + 160 + length * 4,
      64,
    );
  }

  get patternCount(): number {
    return (this.#allow?.length ?? 0) + this.#deny.length + this.#redirect.length + this.#redirected.length;
  }

  /** Whether it may grant what nobody else provides. */
  get redirects(): boolean {
    return this.#redirect.length > 0;
  }

  /** Whether it leaves a name to an outer policy that redirects it. */
  leaves(name: string): boolean {
    return this.#redirected.some((pattern) => pattern.matches(name));
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
    if (this.#deny.some((pattern) => pattern.matches(name))) return "denied";
    if (this.#allow === null) return "granted";
    return this.#allow.some((pattern) => pattern.matches(name)) ? "granted" : "denied";
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
    const parts = text.split("*");
    this.#start = parts[0]!;
    this.#end = parts.at(-1)!;
    this.#between = parts.length === 1 ? null : parts.slice(1, -1).filter((part) => part !== "");
    this.#length = parts.reduce((sum, { length }) => sum + length, 0);
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
