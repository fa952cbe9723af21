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

export type ImportDecision = "granted" | "denied" | HostDefinition;

/** UTF-16 units of "module::name" that are matched with patterns: longer ones are denied. */
const MAX_NAME_LENGTH = 512;
/** Of a configuration and of all that it comes from. */
export const MAX_INHERITED_PATTERNS = 1_024;

let policies = 0;

export class ImportPolicy {
  /** Tells policies apart where configurations are compared. */
  readonly id: number = ++policies;
  readonly #allow: readonly string[] | null;
  readonly #deny: readonly string[];
  readonly #redirect: readonly (readonly [pattern: string, definition: HostDefinition])[];

  constructor(rules: ImportRules) {
    const { redirect = {} } = rules;
    this.#allow = rules.allow ?? null;
    this.#deny = rules.deny ?? [];
    this.#redirect = redirect instanceof Map ? [...redirect] : Object.entries(redirect);
  }

  /** Bytes that its patterns take. */
  get byteLength(): number {
    return [...(this.#allow ?? []), ...this.#deny].reduce((sum, pattern) => sum + 64 + pattern.length * 2, 64);
  }

  get patternCount(): number {
    return (this.#allow?.length ?? 0) + this.#deny.length + this.#redirect.length;
  }

  /** Its rules as texts: what it redirects it allows. */
  get rules(): { readonly allow: readonly string[] | null; readonly deny: readonly string[] } {
    const redirected = this.#redirect.map(([pattern]) => pattern);
    return { allow: this.#allow === null ? null : [...this.#allow, ...redirected], deny: this.#deny };
  }

  /** Whether it may grant what nobody else provides. */
  get redirects(): boolean {
    return this.#redirect.length > 0;
  }

  decide(name: string): ImportDecision {
    for (const [pattern, definition] of this.#redirect) if (matchesPattern(pattern, name)) return definition;
    if (this.#deny.some((pattern) => matchesPattern(pattern, name))) return "denied";
    if (this.#allow === null) return "granted";
    return this.#allow.some((pattern) => matchesPattern(pattern, name)) ? "granted" : "denied";
  }
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
    if (decision === "denied") return "denied";
    if (decision !== "granted") redirection ??= decision;
  }
  return redirection ?? "granted";
}

/** Whether `text` is `pattern` with each "*" replaced by some text. The first place for a part between stars is the best. */
export function matchesPattern(pattern: string, text: string): boolean {
  const star = pattern.indexOf("*");
  if (star < 0) return pattern === text;
  if (!text.startsWith(pattern.slice(0, star))) return false;
  let inText = star;
  const parts = pattern.slice(star + 1).split("*");
  const last = parts.pop()!;
  for (const part of parts) {
    const found = text.indexOf(part, inText);
    if (found < 0) return false;
    inText = found + part.length;
  }
  return inText + last.length <= text.length && text.endsWith(last);
}
