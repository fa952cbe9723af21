/**
 * The tables of a process in which a guest names things by number: configurations, modules, errors,
 * timers, and later sockets. Numbers begin at 0 and are never used again; every entry is counted.
 */

import { throwLater } from "./callbacks.ts";
import type { Resource } from "./message.ts";
import type { ModuleHandle } from "./modules.ts";
import { NumberTable } from "./number-table.ts";
import type { PendingMessage } from "./send-after.ts";

/** Where bytes that a guest causes are charged. */
export interface ByteAccount {
  /** Whether so many more bytes may be taken; if so, they are. */
  reserveBytes(byteLength: number): boolean;
  releaseBytes(byteLength: number): void;
}

/** Entries of one table. */
export const MAX_RESOURCES = 65_536;
/** Bytes that an entry costs at least. */
export const RESOURCE_BYTES = 144;
/** Bytes of a value besides: of an error without its text, of a configuration without its lists, of a handle. */
const ERROR_BYTES = 192;
const CONFIG_BYTES = 1_024;
const MODULE_HANDLE_BYTES = 112;

interface Entry<T> {
  readonly value: T;
  byteLength: number;
}

export class ResourceTable<T> {
  readonly #account: ByteAccount;
  readonly #dispose: (value: T) => void;
  readonly #entries = new NumberTable<Entry<T>>();
  #next = 0;
  /** What each costs at least. */
  readonly entryBytes: number;

  /** Each value costs `valueBytes` at least. `dispose` is called for entries that are removed other than by {@link take}. */
  constructor(account: ByteAccount, valueBytes = 0, dispose: (value: T) => void = () => {}) {
    this.#account = account;
    this.entryBytes = RESOURCE_BYTES + valueBytes;
    this.#dispose = dispose;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The number of the new entry, or null when the table is full or its bytes are refused. */
  add(value: T, byteLength = 0): number | null {
    const counted = this.entryBytes + byteLength;
    if (this.#entries.size >= MAX_RESOURCES || !this.#account.reserveBytes(counted)) return null;
    const id = this.#next++;
    this.#entries.set(id, { value, byteLength: counted });
    return id;
  }

  get(id: number): T | undefined {
    return this.#entries.get(id)?.value;
  }

  /** The number of the next entry. */
  get next(): number {
    return this.#next;
  }

  /** Puts an entry back under its number, which is not below {@link next}. False when it is refused. */
  restore(id: number, value: T, byteLength: number): boolean {
    if (id < this.#next || this.#entries.size >= MAX_RESOURCES || !this.#account.reserveBytes(byteLength)) return false;
    this.#next = id + 1;
    this.#entries.set(id, { value, byteLength });
    return true;
  }

  /** Numbers below this one have been used. */
  skipTo(next: number): void {
    this.#next = Math.max(this.#next, next);
  }

  /** Each entry with its number and its counted bytes. */
  *entries(): Generator<readonly [id: number, value: T, byteLength: number]> {
    for (const [id, { value, byteLength }] of this.#entries.entries()) yield [id, value, byteLength];
  }

  /** Counts more bytes for an entry; false when they are refused. */
  grow(id: number, byteLength: number): boolean {
    const entry = this.#entries.get(id);
    if (entry === undefined || !this.#account.reserveBytes(byteLength)) return false;
    entry.byteLength += byteLength;
    return true;
  }

  /** Removes an entry and gives it to the caller. */
  take(id: number): T | undefined {
    const entry = this.#entries.delete(id);
    if (entry === undefined) return undefined;
    this.#account.releaseBytes(entry.byteLength);
    return entry.value;
  }

  /** Removes an entry and disposes of it; false when there is none. */
  drop(id: number): boolean {
    const entry = this.#entries.get(id);
    if (entry === undefined) return false;
    this.take(id);
    this.#dispose(entry.value);
    return true;
  }

  /** Removes the oldest entries, `limit` at most, and disposes of them. Returns how many. */
  dropSome(limit: number): number {
    let dropped = 0;
    for (let oldest = this.#entries.oldest; oldest !== null && dropped < limit; oldest = this.#entries.oldest) {
      dropped++;
      try {
        this.drop(oldest.number);
      } catch (error) {
        throwLater(error);
      }
    }
    return dropped;
  }

  /** As {@link dropSome}, calling `forget` in place of disposing of them. */
  forgetSome(limit: number, forget: (value: T) => void): number {
    let forgotten = 0;
    for (let oldest = this.#entries.oldest; oldest !== null && forgotten < limit; oldest = this.#entries.oldest) {
      forgotten++;
      forget(oldest.value.value);
      this.take(oldest.number);
    }
    return forgotten;
  }

  values(): T[] {
    return this.#entries.values().map(({ value }) => value);
  }
}

/** Where entries that leave a table are counted. */
export interface DropCounts {
  configsDropped: number;
  modulesDropped: number;
}

/** All tables of one process. They are made when they are first used: most processes have none. */
export class ProcessResources<Config> {
  readonly #account: ByteAccount;
  readonly #counts: DropCounts;
  #errors: ResourceTable<Uint8Array> | null = null;
  #configs: ResourceTable<Config> | null = null;
  #modules: ResourceTable<ModuleHandle> | null = null;
  #timers: ResourceTable<PendingMessage> | null = null;
  #tcpStreams: ResourceTable<Resource> | null = null;
  #tlsStreams: ResourceTable<Resource> | null = null;
  #udpSockets: ResourceTable<Resource> | null = null;

  constructor(account: ByteAccount, counts: DropCounts) {
    this.#account = account;
    this.#counts = counts;
  }

  /** UTF-8 texts of failed calls. */
  get errors(): ResourceTable<Uint8Array> {
    return (this.#errors ??= new ResourceTable(this.#account, ERROR_BYTES));
  }

  get configs(): ResourceTable<Config> {
    this.#configs ??= new ResourceTable<Config>(this.#account, CONFIG_BYTES, () => {
      this.#counts.configsDropped++;
    });
    return this.#configs;
  }

  get modules(): ResourceTable<ModuleHandle> {
    this.#modules ??= new ResourceTable<ModuleHandle>(this.#account, MODULE_HANDLE_BYTES, (module) => {
      this.#counts.modulesDropped++;
      module.close();
    });
    return this.#modules;
  }

  /** Those that have not fired. */
  get timers(): ResourceTable<PendingMessage> {
    this.#timers ??= new ResourceTable<PendingMessage>(this.#account, 0, (timer) => timer.cancel());
    return this.#timers;
  }

  get tcpStreams(): ResourceTable<Resource> {
    return (this.#tcpStreams ??= new ResourceTable<Resource>(this.#account, 0, close));
  }

  get tlsStreams(): ResourceTable<Resource> {
    return (this.#tlsStreams ??= new ResourceTable<Resource>(this.#account, 0, close));
  }

  get udpSockets(): ResourceTable<Resource> {
    return (this.#udpSockets ??= new ResourceTable<Resource>(this.#account, 0, close));
  }

  /** How many there are, without making the tables. */
  get counts(): { readonly configs: number; readonly modules: number } {
    return { configs: this.#configs?.size ?? 0, modules: this.#modules?.size ?? 0 };
  }

  /**
   * At the end of the process: closes everything and gives its bytes back, `limit` entries at most. Its timers still fire.
   * Returns how many.
   */
  dropSome(limit: number): number {
    let dropped = this.#timers?.forgetSome(limit, (timer) => timer.orphan()) ?? 0;
    for (const table of [this.#errors, this.#configs, this.#modules]) dropped += table?.dropSome(limit - dropped) ?? 0;
    for (const table of [this.#tcpStreams, this.#tlsStreams, this.#udpSockets]) {
      dropped += table?.dropSome(limit - dropped) ?? 0;
    }
    return dropped;
  }
}

function close(resource: Resource): void {
  resource.close();
}
