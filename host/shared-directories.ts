/**
 * Directories of grants, open once for all processes that have the grant: ten thousand processes of one working directory
 * hold one of the host's descriptors. Each sees it through a view of its own, through which nothing begins once it is
 * closed; the directory itself is closed when nobody has it any more.
 */

import type { DirectoryGrant } from "./directory-grants.ts";
import { Account, type Group } from "./group.ts";
import { Holding } from "./holding.ts";
import type { Directory, DirectoryEntry, FileStat, NewTimes, OpenFile, OpenOptions } from "./system.ts";
import { fuelOfOperation, SystemError } from "./system.ts";

/** Those that are open or being opened. */
const handles = new WeakMap<DirectoryGrant, Handle>();

/** A directory, and how many have it. */
class Handle {
  users = 0;
  directory: Directory | null = null;
  readonly opening: Promise<void>;
  readonly #grant: DirectoryGrant;

  private constructor(grant: DirectoryGrant) {
    this.#grant = grant;
    this.opening = (async () => {
      this.directory = await grant.open();
    })();
    // Whoever comes next tries again.
    this.opening.catch(() => this.#forget());
  }

  static of(grant: DirectoryGrant): Handle {
    let handle = handles.get(grant);
    if (handle === undefined) {
      handle = new Handle(grant);
      handles.set(grant, handle);
    }
    handle.users++;
    return handle;
  }

  /** The last one closes it. Null when there is nothing to wait for. */
  leave(): Promise<void> | null {
    this.users--;
    if (this.users > 0) return null;
    this.#forget();
    return this.opening.then(
      () => this.directory!.close(),
      () => {},
    );
  }

  #forget(): void {
    if (handles.get(this.#grant) === this) handles.delete(this.#grant);
  }
}

/** Opens what a process is given; its group pays for each once. Throws, or rejects, with all closed again. */
export function openDirectories(
  grants: readonly DirectoryGrant[],
  group: Group,
): SharedDirectory[] | Promise<SharedDirectory[]> {
  const holdings: Holding[] = [];
  for (const grant of grants) {
    const holding = Holding.open(grant, 1, group, Account.Descriptors);
    if (holding === null) {
      for (const each of holdings) each.close();
      throw new SystemError("EMFILE", `${grants.length} directories`);
    }
    holdings.push(holding);
  }
  const opening: Promise<void>[] = [];
  const opened = grants.map((grant, i) => {
    const handle = Handle.of(grant);
    if (handle.directory === null) opening.push(handle.opening);
    return new SharedDirectory(handle, holdings[i]);
  });
  if (opening.length === 0) return opened;
  return Promise.allSettled(opening).then((results) => {
    const failure = results.find((result) => result.status === "rejected");
    if (failure === undefined) return opened;
    for (const directory of opened) void directory.release()?.catch(() => {});
    throw failure.reason;
  });
}

/** Lends the directory of a grant for as long as `use` takes. */
export async function withDirectory<T>(grant: DirectoryGrant, use: (directory: Directory) => Promise<T>): Promise<T> {
  const handle = Handle.of(grant);
  try {
    await handle.opening;
    return await use(handle.directory!);
  } finally {
    await handle.leave();
  }
}

/** What one process sees of a directory, and of those inside it that it opens. */
export class SharedDirectory implements Directory {
  readonly kind = "directory";
  /** Null for one that nobody else has. */
  readonly #handle: Handle | null;
  readonly #holding: Holding | null;
  readonly #own: Directory | null;
  #operations = 0;
  #idle: (() => void) | null = null;
  #closing: Promise<void> | "closed" | null = null;

  constructor(of: Handle | Directory, holding: Holding | null = null) {
    this.#handle = of instanceof Handle ? of : null;
    this.#own = of instanceof Handle ? null : of;
    this.#holding = holding;
  }

  get operationFuel(): number {
    return fuelOfOperation(this.#directory);
  }

  get #directory(): Directory {
    return this.#own ?? this.#handle!.directory!;
  }

  async #during<T>(operation: (directory: Directory) => Promise<T>): Promise<T> {
    if (this.#closing !== null) throw new SystemError("EBADF");
    this.#operations++;
    try {
      return await operation(this.#directory);
    } finally {
      this.#operations--;
      if (this.#operations === 0) this.#idle?.();
    }
  }

  open(name: string, options: OpenOptions): Promise<OpenFile | Directory> {
    return this.#during(async (directory) => {
      const opened = await directory.open(name, options);
      return opened.kind === "file" ? opened : new SharedDirectory(opened);
    });
  }

  statEntry(name: string): Promise<FileStat> {
    return this.#during((directory) => directory.statEntry(name));
  }

  readLink(name: string): Promise<string> {
    return this.#during((directory) => directory.readLink(name));
  }

  list(take: (entries: readonly DirectoryEntry[]) => Promise<void>): Promise<void> {
    return this.#during((directory) => directory.list(take));
  }

  createDirectory(name: string): Promise<void> {
    return this.#during((directory) => directory.createDirectory(name));
  }

  removeDirectory(name: string): Promise<void> {
    return this.#during((directory) => directory.removeDirectory(name));
  }

  removeFile(name: string): Promise<void> {
    return this.#during((directory) => directory.removeFile(name));
  }

  rename(name: string, to: Directory, newName: string): Promise<void> {
    return this.#onBoth(to, (directory, other) => directory.rename(name, other, newName));
  }

  link(name: string, to: Directory, newName: string): Promise<void> {
    return this.#onBoth(to, (directory, other) => directory.link(name, other, newName));
  }

  async #onBoth(to: Directory, operation: (directory: Directory, other: Directory) => Promise<void>): Promise<void> {
    if (!(to instanceof SharedDirectory)) throw new SystemError("EXDEV");
    await this.#during((directory) => to.#during((other) => operation(directory, other)));
  }

  createSymlink(name: string, target: string): Promise<void> {
    return this.#during((directory) => directory.createSymlink(name, target));
  }

  setEntryTimes(name: string, times: NewTimes): Promise<void> {
    return this.#during((directory) => directory.setEntryTimes(name, times));
  }

  stat(): Promise<FileStat> {
    return this.#during((directory) => directory.stat());
  }

  setTimes(times: NewTimes): Promise<void> {
    return this.#during((directory) => directory.setTimes(times));
  }

  sync(dataOnly: boolean): Promise<void> {
    return this.#during((directory) => directory.sync(dataOnly));
  }

  async close(): Promise<void> {
    await this.release();
  }

  /** As {@link close}; null when there is nothing to wait for. */
  release(): Promise<void> | null {
    if (this.#closing === null) {
      this.#closing = "closed";
      this.#closing = this.#leave() ?? "closed";
    }
    return this.#closing === "closed" ? null : this.#closing;
  }

  #leave(): Promise<void> | null {
    this.#holding?.close();
    if (this.#own !== null) return this.#own.close();
    const handle = this.#handle!;
    // One that nobody else has knows itself when it can be closed.
    if (this.#operations === 0 || handle.users === 1) return handle.leave();
    return new Promise<void>((resolve) => {
      this.#idle = resolve;
    }).then(() => handle.leave() ?? undefined);
  }
}
