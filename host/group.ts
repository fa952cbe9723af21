/**
 * Groups: every process belongs to one. They nest, outlive their members, hold the accounts of
 * what their processes use, and compete as one with their siblings. A charge goes up to all groups
 * above, and each may refuse.
 */

import { check, valueText, wholeFuel } from "../vm/internal.ts";
import { MemberList, type Member } from "./member-list.ts";
import { DEFAULT_MAX_SERIES, Metrics } from "./metrics.ts";
import { GROUP_LIMIT } from "./options.ts";
import { GroupShare } from "./group-share.ts";
import type { Scheduler } from "./scheduler.ts";

/**
 * What is counted. Bytes for memory, bytes of the last second for the log, units of fuel, pieces for the rest. Inside this
 * project alone: a constant enumeration is nothing at run time.
 */
export const enum Account {
  Fuel,
  Memory,
  Processes,
  Timers,
  Names,
  Descriptors,
  LogBytes,
  Series,
  /** Bytes of memory that lie outside of the host's own heap. */
  Outside,
}

/** As {@link Account}, in the words of embedders. */
export type AccountName =
  | "fuel"
  | "memory"
  | "processes"
  | "timers"
  | "names"
  | "descriptors"
  | "logBytes"
  | "series"
  | "outsideMemory";

const ACCOUNTS_BY_NAME: ReadonlyMap<unknown, Account> = new Map<AccountName, Account>([
  ["fuel", Account.Fuel],
  ["memory", Account.Memory],
  ["processes", Account.Processes],
  ["timers", Account.Timers],
  ["names", Account.Names],
  ["descriptors", Account.Descriptors],
  ["logBytes", Account.LogBytes],
  ["series", Account.Series],
  ["outsideMemory", Account.Outside],
]);
const ACCOUNTS = ACCOUNTS_BY_NAME.size;

/** Throws `TypeError` for a name that does not exist: an index that is none would set no limit. */
function accountOf(account: Account | AccountName): Account {
  const found = typeof account === "number" && account < ACCOUNTS ? account : ACCOUNTS_BY_NAME.get(account);
  if (found !== undefined) return found;
  throw new TypeError(`no account ${valueText(account)}, but ${[...ACCOUNTS_BY_NAME.keys()].join(", ")}`);
}

/** Groups inside each other: charges go up all of them. */
export const MAX_GROUP_DEPTH = 32;
/** Groups that the processes of one group may have made. */
const MAX_NAMED_GROUPS = 1_024;
/** What is pending and canceled before others have their turn: some hundred microseconds. */
const CANCELED_AT_ONCE = 256;
/** What a group costs that a guest asks for. */
const GROUP_BYTES = 2_048;

/** What outlives its process, but not its group. */
export interface Pending extends Member<Pending> {
  /** Its group ends: it gives back what it cost. */
  cancel(): void;
}

/** The most of each kind, of a group and all below it. Default: no limit but those of {@link DEFAULT_LIMITS}. */
export interface GroupLimits {
  /** Rounded down. */
  readonly maxFuel?: number;
  /** Bytes: memories, tables, frames, unread messages sent, modules held. */
  readonly maxMemory?: number;
  /** Of them those that are, or may be, in the host's own heap: all but memories, tables, frames and guests' heaps. */
  readonly maxHostMemory?: number;
  readonly maxProcesses?: number;
  readonly maxTimers?: number;
  readonly maxNames?: number;
  /** Open files and directories: each is one of the host's. */
  readonly maxDescriptors?: number;
  /** Bytes that its processes may print in one second; more is dropped, and a line says how much. */
  readonly maxLogBytes?: number;
  /** Metrics by name that guests record. */
  readonly maxSeries?: number;
}

export interface GroupOptions extends GroupLimits {
  /** For reports. */
  readonly name?: string;
  /** Share of the CPU beside its siblings: a whole number from 1 to 1,000. Default 100. */
  readonly weight?: number;
}

type DefaultLimits = Required<Pick<GroupLimits, "maxTimers" | "maxNames" | "maxDescriptors" | "maxSeries">>;

/** What a group may have unless it says otherwise. */
export const DEFAULT_LIMITS: DefaultLimits = {
  maxTimers: 65_536,
  maxNames: 65_536,
  maxDescriptors: 1_024,
  maxSeries: DEFAULT_MAX_SERIES,
};

/** As {@link DEFAULT_LIMITS}, of a runtime: no group inside can use up what all others need. */
export const DEFAULT_RUNTIME_LIMITS: DefaultLimits = {
  maxTimers: 1_048_576,
  maxNames: 1_048_576,
  maxDescriptors: 8_192,
  maxSeries: 16 * DEFAULT_MAX_SERIES,
};

/** What `maxLogBytes` is counted for. */
const LOG_WINDOW_MS = 1_000;

export class Group {
  readonly name: string;
  readonly parent: Group | null;
  readonly share: GroupShare;
  readonly depth: number;
  readonly #limits: Float64Array;
  readonly #maxHostMemory: number;
  readonly #used = new Float64Array(ACCOUNTS);
  readonly #peaks = new Float64Array(ACCOUNTS);
  readonly #children = new Set<Group>();
  #named: Map<string, Group> | null = null;
  #disposed = false;
  #isClosed = false;

  /** Throws `RangeError` for a wrong weight or too deep nesting, `TypeError` inside a group that has ended. Use `Group.child` or `Runtime.group`. */
  constructor(scheduler: Scheduler, parent: Group | null, share: GroupShare | null, options: GroupOptions) {
    this.name = options.name ?? "";
    this.parent = parent;
    this.depth = parent === null ? 0 : parent.depth + 1;
    if (parent?.isClosed) throw new TypeError("a group inside one that is ending or has ended");
    if (this.depth >= MAX_GROUP_DEPTH) throw new RangeError(`more than ${MAX_GROUP_DEPTH} groups inside each other`);
    this.share = share ?? new GroupShare(scheduler, parent?.share ?? scheduler.root, options.weight);
    const none = Number.POSITIVE_INFINITY;
    const defaults = parent === null ? DEFAULT_RUNTIME_LIMITS : DEFAULT_LIMITS;
    this.#limits = Float64Array.of(
      Math.floor(options.maxFuel ?? none),
      options.maxMemory ?? none,
      options.maxProcesses ?? none,
      options.maxTimers ?? defaults.maxTimers,
      options.maxNames ?? defaults.maxNames,
      options.maxDescriptors ?? defaults.maxDescriptors,
      options.maxLogBytes ?? none,
      options.maxSeries ?? defaults.maxSeries,
      none,
    );
    this.#maxHostMemory = options.maxHostMemory ?? none;
    if (parent !== null) parent.#children.add(this);
  }

  #metrics: Metrics | null = null;

  /** What its guests record. */
  get metrics(): Metrics {
    this.#metrics ??= new Metrics(DEFAULT_MAX_SERIES, {
      reserve: (byteLength) => {
        if (!this.reserve(Account.Series, 1)) return false;
        if (this.reserve(Account.Memory, byteLength)) return true;
        this.release(Account.Series, 1);
        return false;
      },
      release: (byteLength, series) => {
        this.release(Account.Series, series);
        this.release(Account.Memory, byteLength);
      },
    });
    return this.#metrics;
  }

  /**
   * The group of this name inside this one, for processes whose creator wants them in one of their
   * own. It is made when it is first asked for and stays, so that what it has used too much is not
   * forgiven. Null when there are too many, or no memory for another, or this one is ending.
   */
  named(scheduler: Scheduler, options: GroupOptions & { readonly name: string }): Group | null {
    const known = this.#named?.get(options.name);
    if (known !== undefined) return known;
    if (this.isClosed) return null;
    this.#named ??= new Map();
    if (this.#named.size >= MAX_NAMED_GROUPS || this.depth + 1 >= MAX_GROUP_DEPTH) return null;
    if (!this.reserve(Account.Memory, GROUP_BYTES)) return null;
    const group = this.child(scheduler, options);
    this.#named.set(options.name, group);
    return group;
  }

  /** The groups inside this one. */
  get children(): IterableIterator<Group> {
    return this.#children.values();
  }

  /** Whether its guests have recorded anything. */
  get hasMetrics(): boolean {
    return this.#metrics !== null;
  }

  /** A group inside this one. */
  child(scheduler: Scheduler, options: GroupOptions = {}): Group {
    return new Group(scheduler, this, null, options);
  }

  /** What is in use now; of fuel and log bytes, what has been used. */
  used(account: Account | AccountName): number {
    return this.#used[accountOf(account)]!;
  }

  /** The most that was in use at a time. */
  peak(account: Account | AccountName): number {
    return this.#peaks[accountOf(account)]!;
  }

  /** Infinity for none. */
  limit(account: Account | AccountName): number {
    return this.#limits[accountOf(account)]!;
  }

  /** What is in use beyond a lower limit stays. With more fuel go on who had paused for want of it. Throws `TypeError` or `RangeError` for what is no limit. */
  setLimit(account: Account | AccountName, limit: number): void {
    check("limit of a group", limit, GROUP_LIMIT);
    const index = accountOf(account);
    this.#limits[index] = Math.floor(limit);
    if (index === Account.Fuel) this.#feed();
  }

  /** Lets its processes use so much more fuel, rounded down. Those that have paused for want of it go on. */
  addFuel(fuel: number): void {
    this.setLimit(Account.Fuel, this.limit(Account.Fuel) + wholeFuel("fuel that is added", fuel));
  }

  /** Its processes that have paused for want of fuel. */
  readonly starved = new Set<{ feed(): void }>();

  #feed(): void {
    for (const process of [...this.starved]) process.feed();
    for (const group of this.#children) group.#feed();
  }

  /** Of it and those above the one with the least that may still be charged. */
  scarcest(account: Account): Group {
    let scarcest: Group = this;
    for (let group: Group | null = this; group !== null; group = group.parent) {
      const left = (each: Group): number => each.#limits[account]! - each.#used[account]!;
      if (left(group) < left(scarcest)) scarcest = group;
    }
    return scarcest;
  }

  /** What may still be charged here and in all groups above. */
  available(account: Account): number {
    let available = Number.POSITIVE_INFINITY;
    for (let group: Group | null = this; group !== null; group = group.parent) {
      available = Math.min(available, group.#limits[account]! - group.#used[account]!);
    }
    return available;
  }

  /** Charges here and in all groups above, or nowhere: false when one of them refuses. */
  reserve(account: Account, amount: number): boolean {
    for (let group: Group | null = this; group !== null; group = group.parent) {
      if (!group.#hasRoom(account, amount)) return false;
    }
    this.charge(account, amount);
    return true;
  }

  /** As {@link reserve}, for memory outside of the host's own heap: it is released from both accounts. */
  reserveOutside(byteLength: number): boolean {
    for (let group: Group | null = this; group !== null; group = group.parent) {
      if (group.#used[Account.Memory]! + byteLength > group.#limits[Account.Memory]!) return false;
      if (group.#used[Account.Outside]! + byteLength > group.#limits[Account.Outside]!) return false;
    }
    this.charge(Account.Memory, byteLength);
    this.charge(Account.Outside, byteLength);
    return true;
  }

  releaseOutside(byteLength: number): void {
    this.release(Account.Memory, byteLength);
    this.release(Account.Outside, byteLength);
  }

  /** The first, here or above, that would refuse so much. */
  refusing(account: Account, amount: number): Group | null {
    for (let group: Group | null = this; group !== null; group = group.parent) {
      if (!group.#hasRoom(account, amount)) return group;
    }
    return null;
  }

  #hasRoom(account: Account, amount: number): boolean {
    const used = this.#used[account]! + amount;
    return used <= this.#limits[account]! && !(account === Account.Memory && this.isFullOfHost(amount));
  }

  /** Whether so many bytes more in the host's own heap would be too many. */
  isFullOfHost(byteLength: number): boolean {
    return this.hostBytes + byteLength > this.#maxHostMemory;
  }

  /** Bytes that lie in the host's own heap. */
  get hostBytes(): number {
    return this.#used[Account.Memory]! - this.#used[Account.Outside]!;
  }

  get maxHostMemory(): number {
    return this.#maxHostMemory;
  }

  /** As {@link reserve}, for what has happened already: nobody refuses. */
  charge(account: Account, amount: number): void {
    for (let group: Group | null = this; group !== null; group = group.parent) {
      const used = group.#used[account]! + amount;
      group.#used[account] = used;
      if (used > group.#peaks[account]!) group.#peaks[account] = used;
    }
  }

  release(account: Account, amount: number): void {
    for (let group: Group | null = this; group !== null; group = group.parent) group.#used[account]! -= amount;
  }

  /** What has been dropped since somebody was told. */
  suppressedLogBytes = 0;
  #logWindowEndMs = Number.NEGATIVE_INFINITY;

  /** Whether any group here or above limits what is printed. */
  get hasLogLimit(): boolean {
    return this.#limits[Account.LogBytes]! < Number.POSITIVE_INFINITY || (this.parent?.hasLogLimit ?? false);
  }

  /** How many of so many bytes may be printed now, which it counts here and in all groups above. */
  takeLogBytes(byteLength: number, nowMs: number): number {
    for (let group: Group | null = this; group !== null; group = group.parent) {
      if (nowMs < group.#logWindowEndMs) continue;
      group.#logWindowEndMs = nowMs + LOG_WINDOW_MS;
      group.#used[Account.LogBytes] = 0;
    }
    const taken = Math.max(0, Math.min(byteLength, this.available(Account.LogBytes)));
    this.charge(Account.LogBytes, taken);
    return taken;
  }

  /** What outlives its processes and goes with the group: messages that wait for their time, names. */
  readonly pending = new MemberList<Pending>();

  /**
   * Ends it with all groups inside, some at a time: cancels what is pending and disposes of them. It has no processes, and is
   * closed.
   */
  *end(): Generator<void, void> {
    for (const child of [...this.#children]) yield* child.end();
    let canceled = 0;
    for (let item = this.pending.first; item !== null; item = this.pending.first) {
      this.pending.delete(item);
      item.cancel();
      if (++canceled % CANCELED_AT_ONCE === 0) yield;
    }
    this.dispose();
    yield;
  }

  /** Whether it is `other` or inside it. */
  isWithin(other: Group): boolean {
    for (let group: Group | null = this; group !== null; group = group.parent) if (group === other) return true;
    return false;
  }

  /** Whether it or one above is ending or has ended: no process enters it. */
  get isClosed(): boolean {
    return this.#isClosed || (this.parent?.isClosed ?? false);
  }

  /** Whether it is this one that is ending or has ended. */
  get hasClosed(): boolean {
    return this.#isClosed;
  }

  /** Lets no process enter any more, for good. */
  close(): void {
    this.#isClosed = true;
  }

  /**
   * Takes it out of the scheduler. Throws `TypeError`, and changes nothing, while it has anything: processes, groups, timers,
   * names. All that takes time: `Runtime.endGroup` ends it some at a time.
   */
  dispose(): void {
    if (this.#disposed) return;
    const isEmpty = this.#used[Account.Processes] === 0 && this.#children.size === 0 && this.pending.size === 0;
    if (!isEmpty) throw new TypeError("the group is in use: runtime.endGroup ends all that it has");
    this.#disposed = true;
    this.#isClosed = true;
    this.#metrics?.dispose();
    this.share.dispose();
    const { parent } = this;
    if (parent === null) return;
    parent.#children.delete(this);
    if (parent.#named?.get(this.name) !== this) return;
    parent.#named.delete(this.name);
    parent.release(Account.Memory, GROUP_BYTES);
  }
}
