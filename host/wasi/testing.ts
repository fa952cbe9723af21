/** For tests: guest memory without an engine, and calls of WASI functions by name. */

import { eventLoopTurn } from "../../vm/index.ts";
import { CollectedOutput, FakeClock, QueuedInput, SeededRandom } from "../fakes.ts";
import { MemoryDirectory } from "../memory-files.ts";
import { type Errno, OpenFlag, SYMLINK_FOLLOW } from "./abi.ts";
import { callWasi, complete } from "./call.ts";
import type { GuestMemory } from "./define.ts";
import type { DescriptorAccount } from "./descriptors.ts";
import { WASI_FUNCTIONS } from "./functions.ts";
import type { WasiOptions } from "./state.ts";
import { WasiState } from "./state.ts";

export class FakeMemory implements GuestMemory {
  readonly bytes: Uint8Array;
  readonly byteLength: number;
  readonly #view: DataView;

  constructor(pages: number) {
    this.bytes = new Uint8Array(pages * 65_536);
    this.byteLength = this.bytes.length;
    this.#view = new DataView(this.bytes.buffer);
  }

  #part(address: number, length: number): Uint8Array {
    if (address < 0 || address + length > this.byteLength) throw new Error("the access was not checked");
    return this.bytes.subarray(address, address + length);
  }

  read(address: number, length: number): Uint8Array {
    return this.#part(address, length).slice();
  }

  write(address: number, bytes: Uint8Array): void {
    this.#part(address, bytes.length).set(bytes);
  }

  readU8(address: number): number {
    return this.#view.getUint8(address);
  }

  readU32(address: number): number {
    return this.#view.getUint32(address, true);
  }

  readU64(address: number): bigint {
    return this.#view.getBigUint64(address, true);
  }

  writeU8(address: number, value: number): void {
    this.#view.setUint8(address, value);
  }

  writeU32(address: number, value: number): void {
    this.#view.setUint32(address, value, true);
  }

  writeU64(address: number, value: bigint): void {
    this.#view.setBigUint64(address, value, true);
  }
}

/** Every right: what guests ask for that do not care. */
const ANY_RIGHTS = (1n << 30n) - 1n;
/** Where the helpers put paths and results; tests stay below. */
const SCRATCH = 60_000;

/** A guest with fake services and the root of an in-memory tree as descriptor 3. */
export class TestGuest {
  readonly memory: FakeMemory;
  readonly clock = new FakeClock();
  readonly stdin = new QueuedInput();
  readonly stdout = new CollectedOutput();
  readonly stderr = new CollectedOutput();
  readonly files = MemoryDirectory.create(this.clock, 1_000_000);
  readonly state: WasiState;
  fuel = 0;
  /** What it was charged for work outside of turns that it had paid with its fuel. */
  lateNs = 0;
  /** Times that it gave way. */
  yields = 0;

  constructor(options: Partial<WasiOptions> = {}, pages = 1) {
    this.memory = new FakeMemory(pages);
    this.state = new WasiState({
      stdin: this.stdin,
      stdout: this.stdout,
      stderr: this.stderr,
      clock: this.clock,
      random: new SeededRandom(1),
      preopens: [{ name: "/", directory: this.files }],
      ...options,
    });
  }

  /** The errno at once, or a promise of it when the guest would be suspended. */
  call(name: string, ...args: (number | bigint)[]): Errno | Promise<Errno> {
    const definition = WASI_FUNCTIONS.get(name);
    if (definition === undefined) throw new Error(`no function ${name}`);
    const charge = (fuel: number) => {
      this.fuel += fuel;
    };
    const giveWay = () => {
      this.yields++;
    };
    const chargeTime = (nanoseconds: number) => {
      this.lateNs += nanoseconds;
    };
    const guest = { memory: this.memory, charge, chargeLate: charge, chargeTime, giveWay };
    const answer = callWasi(this.state, definition, guest, args);
    return answer instanceof Promise ? complete(this, answer) : answer;
  }

  /** Puts text into memory and returns its byte length. */
  put(address: number, text: string): number {
    const bytes = new TextEncoder().encode(text);
    this.memory.write(address, bytes);
    return bytes.length;
  }

  text(address: number, byteLength: number): string {
    return new TextDecoder().decode(this.memory.read(address, byteLength));
  }

  /** Calls a function whose arguments after the descriptor are one path. */
  async onPath(name: string, path: string, fd = 3): Promise<Errno> {
    return this.call(name, fd, SCRATCH, this.put(SCRATCH, path));
  }

  /** The new descriptor, or the errno as a negative number. */
  async open(
    path: string,
    options: { fd?: number; flags?: number; rights?: bigint; fdFlags?: number; follow?: boolean } = {},
  ): Promise<number> {
    const length = this.put(SCRATCH, path);
    const { fd = 3, flags = 0, rights = ANY_RIGHTS, fdFlags = 0, follow = true } = options;
    const lookup = follow ? SYMLINK_FOLLOW : 0;
    const errno = await this.call("path_open", fd, lookup, SCRATCH, length, flags, rights, rights, fdFlags, 59_000);
    return errno === 0 ? this.memory.readU32(59_000) : -errno;
  }

  /** Writes text through a descriptor; the errno. */
  async write(fd: number, text: string): Promise<Errno> {
    const length = this.put(SCRATCH, text);
    this.memory.writeU32(59_008, SCRATCH);
    this.memory.writeU32(59_012, length);
    return this.call("fd_write", fd, 59_008, 1, 59_000);
  }

  /** What one read of at most `length` bytes gives, or the errno as a number. */
  async read(fd: number, length = 1_000): Promise<string | Errno> {
    this.memory.writeU32(59_008, SCRATCH);
    this.memory.writeU32(59_012, length);
    const errno = await this.call("fd_read", fd, 59_008, 1, 59_000);
    return errno === 0 ? this.text(SCRATCH, this.memory.readU32(59_000)) : errno;
  }

  async createFile(path: string, content: string): Promise<void> {
    const fd = await this.open(path, { flags: OpenFlag.Create | OpenFlag.Truncate });
    if (fd < 0) throw new Error(`cannot create ${path}: errno ${-fd}`);
    await this.write(fd, content);
    await this.call("fd_close", fd);
  }
}

/** Counts to limits, of which none is set. */
export class CountingAccount implements DescriptorAccount {
  limit: number;
  maxBytes = Number.POSITIVE_INFINITY;
  used = 0;
  peak = 0;
  usedBytes = 0;

  constructor(limit = Number.POSITIVE_INFINITY) {
    this.limit = limit;
  }

  reserve(): boolean {
    if (this.used >= this.limit) return false;
    this.used++;
    this.peak = Math.max(this.peak, this.used);
    return true;
  }

  release(): void {
    this.used--;
  }

  reserveBytes(byteLength: number): boolean {
    if (this.usedBytes + byteLength > this.maxBytes) return false;
    this.usedBytes += byteLength;
    return true;
  }

  releaseBytes(byteLength: number): void {
    this.usedBytes -= byteLength;
  }
}

/** Turns of the event loop until all of it is done. */
export async function turnsOf(work: readonly Promise<unknown>[]): Promise<number> {
  let turns = 0;
  let isOver = false;
  const count = (): void => {
    turns++;
    if (!isOver) void eventLoopTurn().then(count);
  };
  void eventLoopTurn().then(count);
  await Promise.all(work);
  isOver = true;
  return turns;
}
