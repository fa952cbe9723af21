/**
 * Names of processes in one environment. `get` is exact, byte for byte; versions are a second way
 * to the same entries, taken only by whoever asks for a range. Names outlive their processes, but
 * not the group that registered them.
 */

import { Account, type Group, type Pending } from "./group.ts";
import { compareVersions, isInRange, parseVersion, type Version, type VersionRange } from "./versions.ts";
import { Waiters } from "./waiters.ts";

/** As guests store it: neither number is checked. */
export interface Registered {
  readonly nodeId: bigint;
  readonly processId: bigint;
}

interface Entry extends Registered, Pending {
  readonly group: Group;
  readonly byteLength: number;
  readonly version: Version | null;
}

/** A name that a process is being spawned for. */
export class Reservation {
  readonly name: string;
  /** Somebody has put or removed the name since: that is what counts. */
  isOvertaken = false;
  /** Those who want the same name, until it has ended. */
  readonly waiters = new Waiters();

  constructor(name: string) {
    this.name = name;
  }
}

/** Bytes that an entry costs besides its name. */
const ENTRY_BYTES = 128;

export class Registry {
  readonly #entries = new Map<string, Entry>();
  /** Full names by the part before the version. */
  readonly #versioned = new Map<string, Set<string>>();
  readonly #reservations = new Map<string, Reservation>();

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

  /** Registers or overwrites; false when the group refuses, and nothing has changed then. */
  put(name: string, { nodeId, processId }: Registered, group: Group): boolean {
    const byteLength = ENTRY_BYTES + name.length * 2;
    const former = this.#entries.get(name);
    // Given back first, so that a full group can still overwrite its names.
    if (former !== undefined) uncharge(former);
    if (!charge({ group, byteLength })) {
      if (former !== undefined) charge(former);
      return false;
    }
    this.#forget(name);
    const [base, version] = splitVersion(name);
    const entry: Entry = {
      nodeId,
      processId,
      group,
      byteLength,
      version,
      cancel: () => this.remove(name),
      earlier: null,
      later: null,
    };
    this.#entries.set(name, entry);
    group.pending.add(entry);
    if (version !== null) {
      const names = this.#versioned.get(base);
      if (names === undefined) this.#versioned.set(base, new Set([name]));
      else names.add(name);
    }
    return true;
  }

  /** Anyone may remove any name; nothing happens when there is none. */
  remove(name: string): void {
    const entry = this.#entries.get(name);
    if (entry !== undefined) uncharge(entry);
    this.#forget(name);
  }

  /** Takes a name out of everything but the accounts. */
  #forget(name: string): void {
    const reservation = this.#reservations.get(name);
    if (reservation !== undefined) reservation.isOvertaken = true;
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    this.#entries.delete(name);
    entry.group.pending.delete(entry);
    if (entry.version === null) return;
    const [base] = splitVersion(name);
    const names = this.#versioned.get(base);
    names?.delete(name);
    if (names?.size === 0) this.#versioned.delete(base);
  }

  /**
   * The newest version of `name` in the range, with the number of candidates that were compared.
   * Versions stand behind the last "@" of a name: "counter@1.4.2".
   */
  lookup(name: string, range: VersionRange): { readonly found: Registered | undefined; readonly compared: number } {
    const names = this.#versioned.get(name) ?? [];
    let best: Entry | undefined;
    let compared = 0;
    for (const candidate of names) {
      compared++;
      const entry = this.#entries.get(candidate)!;
      if (!isInRange(entry.version!, range)) continue;
      if (best === undefined || compareVersions(entry.version!, best.version!) > 0) best = entry;
    }
    return { found: best, compared };
  }

  /** All names, with whom each stands for. */
  entries(): IterableIterator<[string, Registered]> {
    return this.#entries.entries();
  }

  /** The names of a process, for reports: at most `maxCount`. */
  namesOf(processId: bigint, maxCount: number): string[] {
    const names: string[] = [];
    for (const [name, entry] of this.#entries) {
      if (entry.processId === processId && names.push(name) >= maxCount) break;
    }
    return names;
  }

  /**
   * Begins to spawn a process for a name that is not registered. A reservation that somebody else
   * holds is returned as `pending`: wait for its end and look again.
   */
  reserve(name: string): { readonly reservation: Reservation } | { readonly pending: Reservation } {
    const pending = this.#reservations.get(name);
    if (pending !== undefined) return { pending };
    const reservation = new Reservation(name);
    this.#reservations.set(name, reservation);
    return { reservation };
  }

  /**
   * Ends a reservation: with a process, the name is registered unless somebody has put or removed
   * it meanwhile, who then came later. False when the group refuses the name. Harmless when repeated.
   */
  release(reservation: Reservation, registered: Registered | null, group: Group): boolean {
    if (this.#reservations.get(reservation.name) !== reservation) return true;
    this.#reservations.delete(reservation.name);
    const isKept = registered === null || reservation.isOvertaken || this.put(reservation.name, registered, group);
    reservation.waiters.wakeAll();
    return isKept;
  }
}

function charge({ group, byteLength }: Pick<Entry, "byteLength" | "group">): boolean {
  if (!group.reserve(Account.Names, 1)) return false;
  if (group.reserve(Account.Memory, byteLength)) return true;
  group.release(Account.Names, 1);
  return false;
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
