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
import type { DescriptorAccount } from "./descriptors.ts";
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
  /** Counts files and directories, the preopened ones included. */
  readonly descriptorAccount?: DescriptorAccount;
}

export class WasiState {
  /** Each ends with a zero byte. */
  readonly args: readonly Uint8Array[];
  readonly env: readonly Uint8Array[];
  readonly clock: Clock;
  readonly random: Random;
  readonly descriptors: DescriptorTable;
  /** Ends the waits that are under way, when the guest is disposed of. */
  readonly #waits = new Set<() => void>();
  #disposed = false;

  /** Throws a RangeError when an argument or variable contains a zero byte. */
  constructor(options: WasiOptions) {
    this.args = (options.args ?? []).map(zeroTerminated);
    this.env = (options.env ?? []).map(zeroTerminated);
    this.clock = options.clock;
    this.random = options.random;
    this.descriptors = new DescriptorTable(
      options.maxDescriptors ?? DEFAULT_MAX_DESCRIPTORS,
      options.descriptorAccount ?? null,
    );
    this.descriptors.add({ kind: "input", stream: options.stdin, flags: 0, rights: RIGHTS_OF_INPUT });
    this.descriptors.add({ kind: "output", stream: options.stdout, flags: 0, rights: RIGHTS_OF_OUTPUT });
    this.descriptors.add({ kind: "output", stream: options.stderr, flags: 0, rights: RIGHTS_OF_OUTPUT });
    for (const { name, directory, readOnly = false } of options.preopens ?? []) {
      const rights = readOnly ? RIGHTS_OF_READ_ONLY_DIRECTORY : RIGHTS_OF_DIRECTORY;
      this.descriptors.add({
        kind: "directory",
        directory,
        readOnly,
        preopenName: name,
        listing: null,
        flags: 0,
        rights,
        inheritingRights: rights | rightsOfFile(true, !readOnly),
        isClosed: false,
      });
    }
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
        this.#waits.delete(abandon);
        cancel?.();
        settle();
      };
      const abandon = () => end(() => reject(new SystemError("ECANCELED")));
      cancel = start(() => end(resolve));
      this.#waits.add(abandon);
    });
  }

  /** Throws ECANCELED when the guest has been disposed of. */
  checkLiving(): void {
    if (this.#disposed) throw new SystemError("ECANCELED");
  }

  /** Ends all waits and closes every file. Calls of the guest afterwards find no descriptor open. */
  async dispose(): Promise<void> {
    this.#disposed = true;
    for (const abandon of [...this.#waits]) abandon();
    await Promise.allSettled(this.descriptors.removeAll().map(closeDescriptor));
  }
}

function zeroTerminated(text: string): Uint8Array {
  if (text.includes("\0")) throw new RangeError("an argument or environment variable contains a zero byte");
  return new TextEncoder().encode(`${text}\0`);
}
