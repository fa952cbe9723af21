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

  decide(name: string): ImportDecision {
    for (const [pattern, definition] of this.#redirect) if (matchesPattern(pattern, name)) return definition;
    if (this.#deny.some((pattern) => matchesPattern(pattern, name))) return "denied";
    if (this.#allow === null) return "granted";
    return this.#allow.some((pattern) => matchesPattern(pattern, name)) ? "granted" : "denied";
  }
}

/** What several policies say together, the outermost first: each may deny, the first redirection counts. */
export function decideImport(all: readonly ImportPolicy[], name: string): ImportDecision {
  for (const policy of all) {
    const decision = policy.decide(name);
    if (decision !== "granted") return decision;
  }
  return "granted";
}

/** Whether `text` is `pattern` with each "*" replaced by some text. Takes time in the product of their lengths at most. */
export function matchesPattern(pattern: string, text: string): boolean {
  let at = 0;
  let inText = 0;
  let star = -1;
  let retry = 0;
  while (inText < text.length) {
    if (at < pattern.length && pattern[at] === "*") {
      star = at++;
      retry = inText;
    } else if (at < pattern.length && pattern[at] === text[inText]) {
      at++;
      inText++;
    } else if (star >= 0) {
      at = star + 1;
      inText = ++retry;
    } else return false;
  }
  while (pattern[at] === "*") at++;
  return at === pattern.length;
}
