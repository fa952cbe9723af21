/**
 * Names of processes in one environment. `get` is exact, byte for byte; versions are a second way
 * to the same entries, taken only by whoever asks for a range. Names outlive their processes, but
 * not the group that registered them.
 */

import type { BasicProcess } from "./basic-process.ts";
import { Account, type Group, type Pending } from "./group.ts";
import { TagEntry, TagTable } from "./tag-table.ts";
import { type Versioned, VersionList } from "./version-list.ts";
import { parseVersion, type Version, type VersionRange } from "./versions.ts";
import { Waiters } from "./waiters.ts";

/** As guests store it: neither number is checked. */
export interface Registered {
  readonly nodeId: bigint;
  readonly processId: bigint;
}

/** A name, among all of its environment, of its group, and of its process. */
class Entry implements Registered, Pending {
  readonly registry: Registry;
  readonly name: string;
  nodeId: bigint;
  processId: bigint;
  readonly group: Group;
  readonly byteLength: number;
  readonly version: Version | null;
  order: number;
  /** Whether the process is known by it: nobody is by what strangers call them. */
  isOwn: boolean;
  // Those that its group has.
  earlier: Pending | null = null;
  later: Pending | null = null;
  // Those that its process is known by.
  previous: Entry | null = null;
  next: Entry | null = null;

  constructor(
    registry: Registry,
    name: string,
    registered: Registered,
    group: Group,
    order: number,
    holder: Group | null,
  ) {
    this.registry = registry;
    this.name = name;
    this.nodeId = registered.nodeId;
    this.processId = registered.processId;
    this.group = group;
    this.version = splitVersion(name)[1];
    this.byteLength = bytesOfName(name, this.version);
    this.order = order;
    this.isOwn = isOwn(registered, group, holder);
  }

  /** Unless somebody else has the name by now. */
  cancel(): void {
    if (this.registry.get(this.name) === this) this.registry.remove(this.name);
  }
}

/** The names that a process is known by, in the order of their registration. */
class ProcessNames extends TagEntry {
  first: Entry | null = null;
  last: Entry | null = null;
}

/** A name that a process is being spawned for. */
export class Reservation {
  readonly name: string;
  /** Somebody has put or removed the name since: that is what counts. */
  isOvertaken = false;
  /** Those who want the same name, until it has ended. */
  readonly waiters = new Waiters();
  /** Who spawns; null for one that everybody sees. */
  readonly by: BasicProcess | null;
  /** Somebody whom its spawner does not see has reserved the name: each spawns for himself. */
  isApart = false;

  constructor(name: string, by: BasicProcess | null) {
    this.name = name;
    this.by = by;
  }
}

/** Bytes of a name in UTF-8. */
export const MAX_NAME_BYTES = 4_096;
/** Bytes that an entry costs besides its name, and each identifier of a pre-release. */
const ENTRY_BYTES = 320;
const IDENTIFIER_BYTES = 24;

export class Registry {
  readonly #entries = new Map<string, Entry>();
  /** By the part of the name before the version. */
  readonly #versioned = new Map<string, VersionList<Entry & Versioned>>();
  readonly #byProcess = new TagTable<ProcessNames>();
  readonly #reservations = new Map<string, Reservation>();

  /** How many names have been put. */
  #puts = 0;

  get size(): number {
    return this.#entries.size;
  }

  get(name: string): Registered | undefined {
    return this.#entries.get(name);
  }

  /** Who pays for a name. */
  groupOf(name: string): Group | undefined {
    return this.#entries.get(name)?.group;
  }

  /**
   * Registers or overwrites; false when the group refuses, and nothing has changed then. `holder` is the group of the process
   * that has the number; null if none has.
   */
  put(name: string, registered: Registered, group: Group, holder: Group | null = group): boolean {
    const former = this.#entries.get(name);
    // A full group can still overwrite its names: they cost what they did.
    if (former?.group === group) {
      this.#overwrite(former, registered, holder);
      return true;
    }
    const entry = new Entry(this, name, registered, group, this.#puts++, holder);
    // Given back first, so that a full group above both can still replace one by the other.
    if (former !== undefined) uncharge(former);
    if (!charge(entry)) {
      // Unasked: its group may have used more since than it may now, and would refuse.
      if (former !== undefined) chargeAgain(former);
      return false;
    }
    this.#forget(name);
    this.#entries.set(name, entry);
    group.pending.add(entry);
    this.#enlist(entry);
    return true;
  }

  /** In its place: V8 makes a table anew when as many as it holds have come and gone. */
  #overwrite(entry: Entry, registered: Registered, holder: Group | null): void {
    const { nodeId, processId } = registered;
    this.#overtake(entry.name);
    this.#delist(entry);
    entry.nodeId = nodeId;
    entry.processId = processId;
    entry.order = this.#puts++;
    entry.isOwn = isOwn(registered, entry.group, holder);
    this.#enlist(entry);
  }

  /** Into the lists of its process and of its versions. */
  #enlist(entry: Entry): void {
    if (entry.isOwn) this.#addToProcess(entry);
    if (isVersioned(entry)) {
      const { name } = entry;
      const [base] = splitVersion(name);
      let versions = this.#versioned.get(base);
      if (versions === undefined) {
        versions = new VersionList();
        this.#versioned.set(base, versions);
      }
      versions.add(entry);
    }
  }

  #delist(entry: Entry): void {
    if (entry.isOwn) this.#removeFromProcess(entry);
    if (!isVersioned(entry)) return;
    const [base] = splitVersion(entry.name);
    const versions = this.#versioned.get(base)!;
    versions.delete(entry);
    if (versions.size === 0) this.#versioned.delete(base);
  }

  /** Who spawns for the name has come too late. */
  #overtake(name: string): void {
    const reservation = this.#reservations.get(name);
    if (reservation !== undefined) reservation.isOvertaken = true;
  }

  /** Anyone may remove any name; nothing happens when there is none. */
  remove(name: string): void {
    const entry = this.#entries.get(name);
    if (entry !== undefined) uncharge(entry);
    this.#forget(name);
  }

  /** Takes a name out of everything but the accounts. */
  #forget(name: string): void {
    this.#overtake(name);
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    this.#entries.delete(name);
    entry.group.pending.delete(entry);
    this.#delist(entry);
  }

  #addToProcess(entry: Entry): void {
    let names = this.#byProcess.get(entry.processId);
    if (names === null) {
      names = new ProcessNames(entry.processId);
      this.#byProcess.add(names);
    }
    const { last } = names;
    entry.previous = last;
    if (last === null) names.first = entry;
    else last.next = entry;
    names.last = entry;
  }

  #removeFromProcess(entry: Entry): void {
    const names = this.#byProcess.get(entry.processId)!;
    const { previous, next } = entry;
    if (previous === null) names.first = next;
    else previous.next = next;
    if (next === null) names.last = previous;
    else next.previous = previous;
    entry.previous = null;
    entry.next = null;
    if (names.first === null) this.#byProcess.delete(names);
  }

  /** How many versions {@link lookup} compares with the range at most. */
  maxCompared(name: string, range: VersionRange): number {
    return this.#versioned.get(name)?.maxCompared(range) ?? 0;
  }

  /**
   * The newest version of `name` in the range, of several with the same precedence the one that was registered first.
   * Versions stand behind the last "@" of a name: "counter@1.4.2".
   */
  lookup(name: string, range: VersionRange): Registered | undefined {
    return this.#versioned.get(name)?.newest(range) ?? undefined;
  }

  /** All names, with whom each stands for. */
  entries(): IterableIterator<[string, Registered]> {
    return this.#entries.entries();
  }

  /**
   * The names that a process is known by, which its own group or one above has put, in the order of their registration:
   * the first so many of them.
   */
  namesOf(processId: bigint, maxCount = Number.POSITIVE_INFINITY): string[] {
    const names: string[] = [];
    let entry = this.#byProcess.get(processId)?.first ?? null;
    for (; entry !== null && names.length < maxCount; entry = entry.next) names.push(entry.name);
    return names;
  }

  /**
   * Begins to spawn a process for a name that is not registered. A reservation that somebody else
   * holds is returned as `pending`: wait for its end and look again.
   */
  reserve(
    name: string,
    by: BasicProcess | null = null,
  ): { readonly reservation: Reservation } | { readonly pending: Reservation } {
    const pending = this.#reservations.get(name);
    const reservation = new Reservation(name, by);
    if (pending === undefined) this.#reservations.set(name, reservation);
    else if (by === null || pending.by === null || by.sees(pending.by)) return { pending };
    else reservation.isApart = true;
    return { reservation };
  }

  /**
   * Ends a reservation: with a process, the name is registered unless somebody has put or removed
   * it meanwhile, who then came later. False when the group refuses the name. Harmless when repeated. Its waiters are the
   * caller's to wake.
   */
  release(reservation: Reservation, registered: Registered | null, group: Group): boolean {
    const { name, isApart } = reservation;
    if (isApart) reservation.isApart = false;
    else if (this.#reservations.get(name) === reservation) this.#reservations.delete(name);
    else return true;
    const isOvertaken = isApart ? this.#entries.has(name) : reservation.isOvertaken;
    return registered === null || isOvertaken || this.put(name, registered, group);
  }
}

/** Whether a group that puts a name for a process speaks for it. */
function isOwn({ nodeId }: Registered, group: Group, holder: Group | null): boolean {
  return nodeId === 0n && holder !== null && holder.isWithin(group);
}

/** What a group pays for a name. */
export function bytesOfName(name: string, version = splitVersion(name)[1]): number {
  return ENTRY_BYTES + name.length * 2 + (version?.pre.length ?? 0) * IDENTIFIER_BYTES;
}

function isVersioned(entry: Entry): entry is Entry & Versioned {
  return entry.version !== null;
}

function charge({ group, byteLength }: Entry): boolean {
  if (!group.reserve(Account.Names, 1)) return false;
  if (group.reserve(Account.Memory, byteLength)) return true;
  group.release(Account.Names, 1);
  return false;
}

function chargeAgain({ group, byteLength }: Entry): void {
  group.charge(Account.Names, 1);
  group.charge(Account.Memory, byteLength);
}

function uncharge({ group, byteLength }: Entry): void {
  group.release(Account.Names, 1);
  group.release(Account.Memory, byteLength);
}

/** The part before the last "@" and the version behind it, if there is one. */
function splitVersion(name: string): [base: string, version: Version | null] {
  const at = name.lastIndexOf("@");
  const version = at < 0 ? null : parseVersion(name.slice(at + 1));
  return version === null ? [name, null] : [name.slice(0, at), version];
}
