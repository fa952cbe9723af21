/**
 * Configurations: the limits and grants of a process, immutable and shared by all processes that
 * have the same. What a guest asks for is a draft; what its child gets is the meet with what the
 * guest has itself, so no right ever grows.
 */

import { DEFAULT_MAILBOX, type MailboxLimits } from "./mailbox.ts";
import type { GroupOptions } from "./group.ts";
import { ImportPolicy, MAX_INHERITED_PATTERNS, type ImportRules, type SavedRules } from "./import-policy.ts";
import { checkConfig, DENIED, FUEL_EXHAUSTED, FULL_MAILBOX, VISIBILITIES } from "./options.ts";
import { GrantError, grantThrough, MAX_DIRECTORY_LENGTH, type DirectoryGrant } from "./directory-grants.ts";

/** What happens when `maxFuel` is used up: the process ends, or pauses until `addFuel`. */
export type OnFuelExhausted = "end" | "pause";
/** What happens to a message for which the receiver's mailbox has no room. */
export type OnFullMailbox = "suspend" | "end-receiver" | "drop-newest";
/** Processes that may be killed, linked and monitored: of the own group, also of those inside it, or all. */
export type Visibility = "own" | "descendants" | "all";

export interface NetworkGrants {
  readonly connect: boolean;
  readonly listen: boolean;
  readonly resolve: boolean;
}

export interface ConfigOptions {
  /** Bytes of linear memory. All kinds together may exceed it by 1 MiB. Default: no limit. */
  readonly maxMemory?: number;
  /** Fuel of the whole life, rounded down. Default: no limit. */
  readonly maxFuel?: number;
  /** Processes that it has made itself and that live. Default: no limit. */
  readonly maxProcesses?: number;
  readonly mailbox?: Partial<MailboxLimits>;
  readonly onFullMailbox?: OnFullMailbox;
  readonly onFuelExhausted?: OnFuelExhausted;
  /** Default for all three: true. */
  readonly canCompileModules?: boolean;
  readonly canCreateConfigs?: boolean;
  readonly canSpawnProcesses?: boolean;
  /** The first is the program's name. */
  readonly args?: readonly string[];
  /** "NAME=value" each. */
  readonly env?: readonly string[];
  readonly preopens?: readonly DirectoryGrant[];
  /** Default: nothing. */
  readonly network?: Partial<NetworkGrants> | boolean;
  readonly imports?: ImportRules;
  /** Milliseconds of waiting after which its memory is freed until it goes on. Default: never. */
  readonly hibernateAfterMs?: number;
  /** What a denied import is: a function that ends the process when it is called, or a spawn that fails. */
  readonly denied?: "terminate" | "reject";
  /** Default: "descendants". */
  readonly visibility?: Visibility;
}

const NO_LIMIT = Number.POSITIVE_INFINITY;
/** Configurations that are remembered of those that one has led to, over all generations. */
const MAX_INTERNED = 1_024;
/** UTF-16 units of texts of one that is remembered, and of all of them. */
const MAX_INTERNED_LENGTH = 4_096;
const MAX_ALL_INTERNED_LENGTH = 1_048_576;

/** Configurations by their creator's and the draft: as many for a whole tree, so that deep ones keep no more. */
class Interned {
  readonly #known = new Map<string, Config>();
  #length = 0;

  get size(): number {
    return this.#known.size;
  }

  get(key: string): Config | undefined {
    return this.#known.get(key);
  }

  set(key: string, config: Config): void {
    this.#known.set(key, config);
    this.#length += key.length;
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MAX_INTERNED && this.#length <= MAX_ALL_INTERNED_LENGTH) break;
      this.#known.delete(oldest);
      this.#length -= oldest.length;
    }
  }
}

/** Of an argument, a variable or a directory, besides its characters. */
const BYTES_PER_TEXT = 160;

let configs = 0;

export class Config {
  readonly #id = ++configs;
  readonly maxMemory: number;
  readonly maxFuel: number;
  readonly maxProcesses: number;
  readonly mailbox: MailboxLimits;
  readonly onFullMailbox: OnFullMailbox;
  readonly onFuelExhausted: OnFuelExhausted;
  readonly canCompileModules: boolean;
  readonly canCreateConfigs: boolean;
  readonly canSpawnProcesses: boolean;
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly preopens: readonly DirectoryGrant[];
  readonly network: NetworkGrants;
  /** Its own and its creators'; null when nothing is narrowed. */
  readonly policy: ImportPolicy | null;
  readonly hibernateAfterMs: number;
  readonly denied: "terminate" | "reject";
  readonly visibility: Visibility;
  readonly #interned: Interned;

  /**
   * Embedders give options alone: what comes from a creator is checked already, or a guest's. Throws `TypeError` or
   * `RangeError` for an option that is not what it has to be.
   */
  constructor(options: ConfigOptions = {}, policy: ImportPolicy | null = null, creator: Config | null = null) {
    if (creator === null) checkConfig(options);
    this.#interned = creator === null ? new Interned() : creator.#interned;
    this.maxMemory = options.maxMemory ?? NO_LIMIT;
    this.maxFuel = Math.floor(options.maxFuel ?? NO_LIMIT);
    this.maxProcesses = options.maxProcesses ?? NO_LIMIT;
    this.mailbox = { ...DEFAULT_MAILBOX, ...options.mailbox };
    this.onFullMailbox = options.onFullMailbox ?? "suspend";
    this.onFuelExhausted = options.onFuelExhausted ?? "end";
    this.canCompileModules = options.canCompileModules ?? true;
    this.canCreateConfigs = options.canCreateConfigs ?? true;
    this.canSpawnProcesses = options.canSpawnProcesses ?? true;
    this.args = options.args ?? [];
    this.env = options.env ?? [];
    this.preopens = options.preopens ?? [];
    this.network = networkGrants(options.network);
    this.policy = options.imports === undefined ? policy : new ImportPolicy(options.imports, policy);
    this.hibernateAfterMs = options.hibernateAfterMs ?? NO_LIMIT;
    this.denied = options.denied ?? "terminate";
    this.visibility = options.visibility ?? "descendants";
  }

  #textBytes: number | null = null;

  /** What its texts cost while somebody has it: as they are, and as WASI gives them to guests. */
  get textBytes(): number {
    this.#textBytes ??=
      [...this.args, ...this.env].reduce((sum, text) => sum + BYTES_PER_TEXT + text.length * 5, 0) +
      this.preopens.reduce((sum, { name }) => sum + BYTES_PER_TEXT + name.length * 5, 0) +
      (this.policy?.byteLength ?? 0);
    return this.#textBytes;
  }

  /** What it and its creators may import, the outermost first. */
  get rules(): SavedRules[] {
    const rules: SavedRules[] = [];
    for (let { policy } = this; policy !== null; policy = policy.outer) rules.push(policy.rules);
    return rules.reverse();
  }

  /** Identifies the link plans that it leads to. */
  get policyKey(): string {
    return `${this.denied} ${this.policy?.id ?? ""}`;
  }

  /**
   * What a child gets when its creator, which has this configuration, asks for `draft`: the lesser
   * of each limit and right, directories reached through the creator's. The same draft gives the
   * same configuration again. Throws `GrantError` for a directory that the creator cannot reach, and
   * for too many patterns.
   */
  meet(draft: ConfigDraft): Config {
    return draft.remember(this, () =>
      draft.textLength > MAX_INTERNED_LENGTH ? this.#lesser(draft) : this.#interning(draft),
    );
  }

  #interning(draft: ConfigDraft): Config {
    const key = `${this.#id} ${draft.key}`;
    const known = this.#interned.get(key);
    if (known !== undefined) return known;
    const config = this.#lesser(draft);
    this.#interned.set(key, config);
    return config;
  }

  /** Configurations that it and all from the same one have led to and that are remembered. */
  get internedCount(): number {
    return this.#interned.size;
  }

  #lesser(draft: ConfigDraft): Config {
    const { settings, rules } = draft;
    return this.#least(
      {
        maxMemory: saturated(settings.maxMemory),
        maxFuel: settings.maxFuelUnits === 0n ? NO_LIMIT : saturated(settings.maxFuelUnits * FUEL_UNIT),
        maxProcesses: settings.maxProcesses,
        mailbox: { maxMessages: settings.maxMessages, maxBytes: settings.maxMailboxBytes },
        onFullMailbox: settings.onFullMailbox ?? this.onFullMailbox,
        onFuelExhausted: this.onFuelExhausted,
        canCompileModules: settings.canCompileModules,
        canCreateConfigs: settings.canCreateConfigs,
        canSpawnProcesses: settings.canSpawnProcesses,
        args: [...draft.texts("args")],
        env: [...draft.texts("env")],
        preopens: draft.texts("directories").map((path) => grantThrough(this.preopens, path)),
        network: settings.network,
        hibernateAfterMs: this.hibernateAfterMs,
        denied: this.denied,
        visibility: settings.visibility ?? this.visibility,
      },
      rules === null ? [] : [rules],
    );
  }

  /**
   * What a process goes on with that was saved with `saved`, when this is what it may have at most: the lesser of each
   * limit and right, directories by their names. Throws `GrantError` as {@link meet} does.
   */
  restored(saved: SavedConfig): Config {
    const preopens = saved.preopens.map(({ name, readOnly }) => {
      const grant = grantThrough(this.preopens, name);
      if (grant.readOnly || !readOnly) return grant;
      return { name, readOnly, isScripted: grant.isScripted === true, open: () => grant.open() };
    });
    return this.#least({ ...saved, preopens }, saved.rules);
  }

  /** Throws `GrantError` for too many patterns. */
  #least(wanted: Limits, rules: readonly SavedRules[]): Config {
    return new Config(
      {
        ...wanted,
        maxMemory: Math.min(this.maxMemory, wanted.maxMemory),
        maxFuel: Math.min(this.maxFuel, wanted.maxFuel),
        maxProcesses: Math.min(this.maxProcesses, wanted.maxProcesses),
        mailbox: {
          maxMessages: Math.min(this.mailbox.maxMessages, wanted.mailbox.maxMessages),
          maxBytes: Math.min(this.mailbox.maxBytes, wanted.mailbox.maxBytes),
        },
        onFullMailbox: lesser(FULL_MAILBOX, this.onFullMailbox, wanted.onFullMailbox),
        onFuelExhausted: lesser(FUEL_EXHAUSTED, this.onFuelExhausted, wanted.onFuelExhausted),
        denied: lesser(DENIED, this.denied, wanted.denied),
        hibernateAfterMs: Math.min(this.hibernateAfterMs, wanted.hibernateAfterMs),
        canCompileModules: this.canCompileModules && wanted.canCompileModules,
        canCreateConfigs: this.canCreateConfigs && wanted.canCreateConfigs,
        canSpawnProcesses: this.canSpawnProcesses && wanted.canSpawnProcesses,
        network: {
          connect: this.network.connect && wanted.network.connect,
          listen: this.network.listen && wanted.network.listen,
          resolve: this.network.resolve && wanted.network.resolve,
        },
        visibility: lesser(VISIBILITIES, this.visibility, wanted.visibility),
      },
      this.#narrowed(rules),
      this,
    );
  }

  /** A child's policy. Throws `GrantError` when it has too many patterns, those of all creators included. */
  #narrowed(rules: readonly SavedRules[]): ImportPolicy | null {
    let { policy } = this;
    for (const each of rules) {
      policy = new ImportPolicy(each, policy);
      if (policy.patternCount > MAX_INHERITED_PATTERNS) {
        throw new GrantError(`more than ${MAX_INHERITED_PATTERNS} patterns of imports, those of all creators included`);
      }
    }
    return policy;
  }
}

/** All of a configuration but its policy. */
type Limits = Pick<
  Config,
  | "maxMemory"
  | "maxFuel"
  | "maxProcesses"
  | "mailbox"
  | "onFullMailbox"
  | "onFuelExhausted"
  | "canCompileModules"
  | "canCreateConfigs"
  | "canSpawnProcesses"
  | "args"
  | "env"
  | "preopens"
  | "network"
  | "hibernateAfterMs"
  | "denied"
  | "visibility"
>;

/** A configuration as data: directories by name, policies by their rules. */
export interface SavedConfig extends Omit<Limits, "preopens"> {
  readonly preopens: readonly { readonly name: string; readonly readOnly: boolean }[];
  readonly rules: readonly SavedRules[];
}

/** Instructions in one unit of fuel as guests count it. */
const FUEL_UNIT = 100_000n;

/** Arguments and variables of a configuration that a guest builds, and their UTF-16 units: a child is given them in one step. */
export const MAX_TEXTS = 4_096;
export const MAX_TEXTS_LENGTH = 262_144;
/** Its directories, each of which holds a descriptor. */
export const MAX_DIRECTORIES = 64;
/** Patterns that it allows, and that it denies. */
export const MAX_PATTERNS = 256;
/** Counted of each text besides its own units. */
const UNITS_BESIDES = 3;

/** What a draft asks for besides its texts and its group. */
export interface DraftSettings {
  /** u64, as given. */
  readonly maxMemory: bigint;
  /** u64 units of 100,000; 0 for no limit. */
  readonly maxFuelUnits: bigint;
  readonly canCompileModules: boolean;
  readonly canCreateConfigs: boolean;
  readonly canSpawnProcesses: boolean;
  readonly maxProcesses: number;
  readonly maxMessages: number;
  readonly maxMailboxBytes: number;
  /** Null: as the creator's. */
  readonly onFullMailbox: OnFullMailbox | null;
  readonly visibility: Visibility | null;
  readonly network: NetworkGrants;
}

/** Of all drafts in which nothing has been set: guests make them by the thousand. */
const UNSET: DraftSettings = Object.freeze({
  maxMemory: 0xffff_ffffn,
  maxFuelUnits: 0n,
  canCompileModules: false,
  canCreateConfigs: false,
  canSpawnProcesses: false,
  maxProcesses: NO_LIMIT,
  maxMessages: NO_LIMIT,
  maxMailboxBytes: NO_LIMIT,
  onFullMailbox: null,
  visibility: null,
  network: Object.freeze({ connect: true, listen: true, resolve: true }),
});

export type TextList = "args" | "env" | "directories" | "allow" | "deny";
type Texts = Record<TextList, string[]>;
const NO_TEXTS: readonly string[] = Object.freeze([]);

/** A configuration as a guest builds it: setters store, getters return what was stored. */
export class ConfigDraft {
  #settings = UNSET;
  #texts: Texts | null = null;
  /** UTF-16 units of its arguments and variables; and of all its texts, with a few for each. */
  #argumentsLength = 0;
  #textLength = 0;
  #last: { readonly creator: Config; readonly config: Config } | null = null;
  /** The group inside the creator's that the child joins; null for the creator's own. */
  group: (GroupOptions & { readonly name: string }) | null = null;

  get settings(): DraftSettings {
    return this.#settings;
  }

  set<K extends keyof DraftSettings>(key: K, value: DraftSettings[K]): void {
    if (this.#settings === UNSET) this.#settings = { ...UNSET };
    (this.#settings as { -readonly [Key in keyof DraftSettings]: DraftSettings[Key] })[key] = value;
    this.#last = null;
  }

  /** Directories and patterns are as the guest wrote them. */
  texts(list: TextList): readonly string[] {
    return this.#texts?.[list] ?? NO_TEXTS;
  }

  /** Whether another argument, variable, directory or pattern may be added. */
  hasRoomFor(list: TextList, text: string): boolean {
    const { length } = this.texts(list);
    switch (list) {
      case "allow":
      case "deny":
        return length < MAX_PATTERNS;
      case "directories":
        return length < MAX_DIRECTORIES && text.length <= MAX_DIRECTORY_LENGTH;
      default: {
        const count = this.texts("args").length + this.texts("env").length;
        return count < MAX_TEXTS && this.#argumentsLength + text.length <= MAX_TEXTS_LENGTH;
      }
    }
  }

  add(list: TextList, text: string): void {
    this.#texts ??= { args: [], env: [], directories: [], allow: [], deny: [] };
    this.#texts[list].push(text);
    if (list === "args" || list === "env") this.#argumentsLength += text.length;
    this.#textLength += text.length + UNITS_BESIDES;
    this.#last = null;
  }

  /** What a configuration made of it costs by. */
  get textLength(): number {
    return this.#textLength;
  }

  get patternCount(): number {
    return this.texts("allow").length + this.texts("deny").length;
  }

  /** Narrows what the creator may import; null when it does not. */
  get rules(): ImportRules | null {
    if (this.patternCount === 0) return null;
    const allow = this.texts("allow");
    return { ...(allow.length === 0 ? {} : { allow: [...allow] }), deny: [...this.texts("deny")] };
  }

  /** Equal for drafts that ask for the same. */
  get key(): string {
    const { maxMemory, maxFuelUnits, ...others } = this.#settings;
    return JSON.stringify([`${maxMemory} ${maxFuelUnits}`, Object.values(others), this.#texts]);
  }

  /** What `make` returned when it was last asked for the same creator, if nothing was set or added since. */
  remember(creator: Config, make: () => Config): Config {
    if (this.#last?.creator === creator) return this.#last.config;
    const config = make();
    this.#last = { creator, config };
    return config;
  }
}

function saturated(value: bigint): number {
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? NO_LIMIT : Number(value);
}

function lesser<T>(order: readonly T[], a: T, b: T): T {
  return order.indexOf(a) < order.indexOf(b) ? a : b;
}

function networkGrants(grants: ConfigOptions["network"]): NetworkGrants {
  if (typeof grants === "boolean") return { connect: grants, listen: grants, resolve: grants };
  return { connect: grants?.connect ?? false, listen: grants?.listen ?? false, resolve: grants?.resolve ?? false };
}
