/** What the WASI functions of one guest share: its arguments, environment, services and descriptors. */

import type { Cancel, Clock, Directory, InputStream, OutputStream, Random } from "../system.ts";
import { SystemError } from "../system.ts";
import {
  RIGHTS_OF_DIRECTORY,
  RIGHTS_OF_INPUT,
  RIGHTS_OF_OUTPUT,
  RIGHTS_OF_READ_ONLY_DIRECTORY,
  rightsOfFile,
} from "./abi.ts";
import type { Descriptor, DescriptorAccount, DirectoryDescriptor } from "./descriptors.ts";
import { encodeTexts, type Texts } from "./texts.ts";
import { closeDescriptor, DEFAULT_MAX_DESCRIPTORS, DescriptorTable } from "./descriptors.ts";

export interface Preopen {
  /** As the guest sees it: "/", "data", … */
  readonly name: string;
  /** Belongs to the guest from here on: closed with it. */
  readonly directory: Directory;
  readonly readOnly?: boolean;
}

export interface WasiOptions {
  /** The first is the program's name. */
  readonly args?: readonly string[];
  /** "NAME=value" each. */
  readonly env?: readonly string[];
  readonly stdin: InputStream;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly preopens?: readonly Preopen[];
  readonly clock: Clock;
  readonly random: Random;
  /** Descriptors open at once, the streams and preopened directories included. */
  readonly maxDescriptors?: number;
  /** Counts files and directories that the guest opens. */
  readonly descriptorAccount?: DescriptorAccount;
  /** What is open, in place of the streams and all preopened directories from number 0 on. */
  readonly opened?: readonly OpenedDescriptor[];
}

/** A stream or a preopened directory that a guest goes on with under a number of its own. */
export interface OpenedDescriptor {
  readonly fd: number;
  /** 0 to 2 for the streams, then the preopened directories. Each occurs once at most. */
  readonly source: number;
  readonly flags: number;
  /** Of those that it would have at the start. */
  readonly rights: bigint;
  readonly inheritingRights: bigint;
}

const STREAMS = 3;
const NO_TEXTS: readonly string[] = [];

export class WasiState {
  readonly args: Texts;
  readonly env: Texts;
  readonly clock: Clock;
  readonly random: Random;
  readonly descriptors: DescriptorTable;
  readonly #stdout: Descriptor;
  readonly #outputs: readonly OutputStream[];
  /** While `poll_oneoff` waits: what remains of each time that it was given as relative, in nanoseconds. */
  remainingTimes: (() => bigint[]) | null = null;
  /** The same of the call that is made again after a restore, until it is. */
  resumedTimes: readonly bigint[] | null = null;
  /** Ends the waits that are under way, when the guest is disposed of. */
  #waits: Set<() => void> | null = null;
  #disposed = false;
  readonly #account: DescriptorAccount | null;

  /** Throws a RangeError when an argument or variable contains a zero byte. */
  constructor(options: WasiOptions) {
    this.args = encodeTexts(options.args ?? NO_TEXTS);
    this.env = encodeTexts(options.env ?? NO_TEXTS);
    this.clock = options.clock;
    this.random = options.random;
    this.#account = options.descriptorAccount ?? null;
    this.descriptors = new DescriptorTable(options.maxDescriptors ?? DEFAULT_MAX_DESCRIPTORS, this.#account);
    const stdout = options.stdout.forGuest?.() ?? options.stdout;
    const stderr = options.stderr.forGuest?.() ?? options.stderr;
    this.#outputs = [stdout, stderr];
    const all: Descriptor[] = [
      { kind: "input", stream: options.stdin, flags: 0, rights: RIGHTS_OF_INPUT },
      { kind: "output", stream: stdout, flags: 0, rights: RIGHTS_OF_OUTPUT },
      { kind: "output", stream: stderr, flags: 0, rights: RIGHTS_OF_OUTPUT },
      ...(options.preopens ?? []).map(preopened),
    ];
    this.#stdout = all[1]!;
    if (options.opened === undefined) this.descriptors.begin(all);
    else this.#goOnWith(all, options.opened);
  }

  #goOnWith(all: readonly Descriptor[], opened: readonly OpenedDescriptor[]): void {
    const sources = new Set<number>();
    for (const { fd, source, flags, rights, inheritingRights } of opened) {
      const descriptor = all[source];
      if (descriptor === undefined || sources.has(source)) throw new RangeError(`descriptor ${fd} of ${source}`);
      sources.add(source);
      descriptor.flags = flags;
      descriptor.rights &= rights;
      if (descriptor.kind === "directory") descriptor.inheritingRights &= inheritingRights;
      this.descriptors.put(fd, descriptor);
    }
    // The guest has closed them.
    all.forEach((descriptor, source) => {
      if (source >= STREAMS && !sources.has(source)) void closeDescriptor(descriptor)?.catch(() => {});
    });
  }

  /** What is open, as `opened` takes it. Throws an Error that names a descriptor which is neither stream nor preopened. */
  opened(preopenNames: readonly string[]): OpenedDescriptor[] {
    const list: OpenedDescriptor[] = [];
    const sources = new Set<number>();
    for (const [fd, descriptor] of this.descriptors.entries()) {
      const source = this.#sourceOf(descriptor, preopenNames, sources);
      if (source === null) throw new Error(`file descriptor ${fd} is an open ${descriptor.kind}`);
      if (descriptor.kind === "directory" && descriptor.listing !== null) {
        throw new Error(`file descriptor ${fd} is a directory that is being read`);
      }
      sources.add(source);
      const { flags, rights } = descriptor;
      const inheritingRights = descriptor.kind === "directory" ? descriptor.inheritingRights : 0n;
      list.push({ fd, source, flags, rights, inheritingRights });
    }
    return list;
  }

  #sourceOf(descriptor: Descriptor, names: readonly string[], taken: ReadonlySet<number>): number | null {
    if (descriptor.kind === "input") return 0;
    if (descriptor.kind === "output") return descriptor === this.#stdout ? 1 : 2;
    if (descriptor.kind !== "directory" || descriptor.preopenName === null) return null;
    const { preopenName } = descriptor;
    const index = names.findIndex((name, i) => name === preopenName && !taken.has(STREAMS + i));
    return index < 0 ? null : STREAMS + index;
  }

  /** Whether the host may keep so many bytes for the guest; until they are released they are counted. */
  reserveBytes(byteLength: number): boolean {
    return this.#account === null || this.#account.reserveBytes(byteLength);
  }

  releaseBytes(byteLength: number): void {
    this.#account?.releaseBytes(byteLength);
  }

  /**
   * Waits for whatever `start` arranges to call `wake`. Its cancel function runs in every case
   * once the waiting is over. Rejects with ECANCELED when the guest is disposed of meanwhile.
   */
  wait(start: (wake: () => void) => Cancel): Promise<void> {
    return new Promise((resolve, reject) => {
      this.checkLiving();
      let cancel: Cancel | null = null;
      const end = (settle: () => void) => {
        this.#waits?.delete(abandon);
        cancel?.();
        settle();
      };
      const abandon = () => end(() => reject(new SystemError("ECANCELED")));
      cancel = start(() => end(resolve));
      this.#waits ??= new Set();
      this.#waits.add(abandon);
    });
  }

  /** Throws ECANCELED when the guest has been disposed of. */
  checkLiving(): void {
    if (this.#disposed) throw new SystemError("ECANCELED");
  }

  /** The guest ends in any case: of a log that fails then its owner hears as of any callback. */
  #flush(): void {
    for (const output of this.#outputs) {
      try {
        output.flush?.();
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  /**
   * Ends all waits, passes on what its streams keep, and closes every file; null when there is nothing to wait for. Calls of the guest afterwards find no
   * descriptor open.
   */
  dispose(): Promise<unknown> | null {
    if (!this.#disposed) this.#flush();
    this.#disposed = true;
    for (const abandon of [...(this.#waits ?? [])]) abandon();
    const closing = this.descriptors.removeAll().map(closeDescriptor);
    return closing.every((each) => each === null) ? null : Promise.allSettled(closing);
  }
}

function preopened({ name, directory, readOnly = false }: Preopen): DirectoryDescriptor {
  const rights = readOnly ? RIGHTS_OF_READ_ONLY_DIRECTORY : RIGHTS_OF_DIRECTORY;
  return {
    kind: "directory",
    directory,
    readOnly,
    preopenName: name,
    preopenBytes: new TextEncoder().encode(name),
    listing: null,
    flags: 0,
    rights,
    inheritingRights: rights | rightsOfFile(true, !readOnly),
    isClosed: false,
  };
}
