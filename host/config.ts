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
  /** The outermost first; all apply. */
  readonly policies: readonly ImportPolicy[];
  readonly hibernateAfterMs: number;
  readonly denied: "terminate" | "reject";
  readonly visibility: Visibility;
  readonly #interned: Interned;

  /**
   * Embedders give options alone: what comes from a creator is checked already, or a guest's. Throws `TypeError` or
   * `RangeError` for an option that is not what it has to be.
   */
  constructor(options: ConfigOptions = {}, policies: readonly ImportPolicy[] = [], creator: Config | null = null) {
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
    this.policies = options.imports === undefined ? policies : [...policies, new ImportPolicy(options.imports)];
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
      this.policies.reduce((sum, { byteLength }) => sum + byteLength, 0);
    return this.#textBytes;
  }

  /** Identifies the link plans that it leads to. */
  get policyKey(): string {
    return `${this.denied} ${this.policies.map(({ id }) => id).join(" ")}`;
  }

  /**
   * What a child gets when its creator, which has this configuration, asks for `draft`: the lesser
   * of each limit and right, directories reached through the creator's. The same draft gives the
   * same configuration again. Throws `GrantError` for a directory that the creator cannot reach, and
   * for too many patterns.
   */
  meet(draft: ConfigDraft): Config {
    if (draft.textLength > MAX_INTERNED_LENGTH) return draft.remember(this, () => this.#lesser(draft));
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
    return this.#least(
      {
        maxMemory: saturated(draft.maxMemory),
        maxFuel: draft.maxFuelUnits === 0n ? NO_LIMIT : saturated(draft.maxFuelUnits * FUEL_UNIT),
        maxProcesses: draft.maxProcesses,
        mailbox: { maxMessages: draft.maxMessages, maxBytes: draft.maxMailboxBytes },
        onFullMailbox: draft.onFullMailbox ?? this.onFullMailbox,
        onFuelExhausted: this.onFuelExhausted,
        canCompileModules: draft.canCompileModules,
        canCreateConfigs: draft.canCreateConfigs,
        canSpawnProcesses: draft.canSpawnProcesses,
        args: [...draft.args],
        env: [...draft.env],
        preopens: draft.directories.map((path) => grantThrough(this.preopens, path)),
        network: draft.network,
        hibernateAfterMs: this.hibernateAfterMs,
        denied: this.denied,
        visibility: draft.visibility ?? this.visibility,
      },
      draft.rules === null ? [] : [draft.rules],
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

  /** All policies of a child. Throws `GrantError` when they have too many patterns together. */
  #narrowed(rules: readonly SavedRules[]): readonly ImportPolicy[] {
    if (rules.length === 0) return this.policies;
    const policies = [...this.policies, ...rules.map((each) => new ImportPolicy(each))];
    if (policies.reduce((sum, { patternCount }) => sum + patternCount, 0) > MAX_INHERITED_PATTERNS) {
      throw new GrantError(`more than ${MAX_INHERITED_PATTERNS} patterns of imports, those of all creators included`);
    }
    return policies;
  }
}

/** All of a configuration but its policies. */
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
/** Its directories, each of which holds a descriptor, and the units of the path of one. */
export const MAX_DIRECTORIES = 64;

/** A configuration as a guest builds it: setters store, getters return what was stored. */
export class ConfigDraft {
  /** u64, as given. */
  maxMemory = 0xffff_ffffn;
  /** u64 units of 100,000; 0 for no limit. */
  maxFuelUnits = 0n;
  canCompileModules = false;
  canCreateConfigs = false;
  canSpawnProcesses = false;
  maxProcesses = NO_LIMIT;
  maxMessages = NO_LIMIT;
  maxMailboxBytes = NO_LIMIT;
  onFullMailbox: OnFullMailbox | null = null;
  visibility: Visibility | null = null;
  network: NetworkGrants = { connect: true, listen: true, resolve: true };
  readonly args: string[] = [];
  readonly env: string[] = [];
  /** As the guest wrote them; looked up at spawn. */
  readonly directories: string[] = [];
  #textsLength = 0;
  /** Narrows what the creator may import. */
  rules: ImportRules | null = null;
  /** The group inside the creator's that the child joins; null for the creator's own. */
  group: (GroupOptions & { readonly name: string }) | null = null;

  #last: { readonly creator: Config; readonly shape: string; readonly rules: unknown; readonly config: Config } | null =
    null;

  /** Whether another argument, variable or directory may be added. */
  hasRoomFor(list: TextList, text: string): boolean {
    if (list === "directories") return this.directories.length < MAX_DIRECTORIES && text.length <= MAX_DIRECTORY_LENGTH;
    return this.args.length + this.env.length < MAX_TEXTS && this.#textsLength + text.length <= MAX_TEXTS_LENGTH;
  }

  add(list: TextList, text: string): void {
    this[list].push(text);
    if (list !== "directories") this.#textsLength += text.length;
  }

  /** UTF-16 units of all its texts, and a few for each. */
  get textLength(): number {
    const { args, env, directories, rules } = this;
    let length = 0;
    for (const list of [args, env, directories, rules?.allow ?? [], rules?.deny ?? []]) {
      for (const text of list) length += text.length + 3;
    }
    return length;
  }

  /** Equal for drafts that ask for the same. */
  get key(): string {
    return JSON.stringify([this.#shape, this.args, this.env, this.directories, this.rules]);
  }

  /** What `make` returned when it was last asked for the same creator, if nothing was set or added since. */
  remember(creator: Config, make: () => Config): Config {
    const shape = this.#shape;
    const { rules } = this;
    const last = this.#last;
    if (last?.creator === creator && last.shape === shape && last.rules === rules) return last.config;
    const config = make();
    this.#last = { creator, shape, rules, config };
    return config;
  }

  /** All but the texts, which are only ever added. */
  get #shape(): string {
    const { maxMemory, maxFuelUnits, args, env, directories } = this;
    const plain = [this.canCompileModules, this.canCreateConfigs, this.canSpawnProcesses, this.maxProcesses];
    const bounds = [this.maxMessages, this.maxMailboxBytes, this.onFullMailbox, this.visibility, this.network];
    const lengths = [args.length, env.length, directories.length];
    return JSON.stringify([`${maxMemory} ${maxFuelUnits}`, plain, bounds, lengths]);
  }
}

export type TextList = "args" | "env" | "directories";

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
