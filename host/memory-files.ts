/**
 * Directories and files in memory: for tests, and for hosts without a file system. All of one tree
 * share its bytes: content, names, targets of links and what the host keeps of each entry and file.
 */

import { amountFrom, check } from "../vm/internal.ts";
import { SparseBytes } from "./sparse-bytes.ts";
import type { Clock, Directory, DirectoryEntry, FileStat, NewTimes, OpenFile, OpenOptions } from "./system.ts";
import { SystemError } from "./system.ts";

interface Tree {
  readonly clock: Clock;
  readonly maxBytes: number;
  usedBytes: number;
  inodes: bigint;
}

interface NodeBase {
  readonly inode: bigint;
  links: bigint;
  accessed: bigint;
  modified: bigint;
  changed: bigint;
}

interface FileNode extends NodeBase {
  readonly kind: "file";
  readonly content: SparseBytes;
  /** Those who have it open: it exists until the last of them, and its last name, have gone. */
  opens: number;
}

interface DirectoryNode extends NodeBase {
  readonly kind: "directory";
  readonly entries: Map<string, Node>;
  /** Null for the root, and for one that was removed. */
  parent: DirectoryNode | null;
}

interface SymlinkNode extends NodeBase {
  readonly kind: "symlink";
  readonly target: string;
}

type Node = FileNode | DirectoryNode | SymlinkNode;

const DEFAULT_MAX_BYTES = 268_435_456;
const MAX_BYTES = amountFrom(0, "bytes");
/** Counted bytes of a file, directory or link, and of a name in a directory besides its characters. */
const NODE_BYTES = 512;
const NAME_BYTES = 96;
/** What a walk meets at every step, one for all: making an error costs microseconds. */
const NOT_THERE = new SystemError("ENOENT");
const NO_LINK = new SystemError("EINVAL");
const A_LINK = new SystemError("ELOOP");
/** Some microseconds, with the promises. */
const OPERATION_FUEL = 50;
/** Entries of a directory that are listed at a time. */
const LISTED_AT_ONCE = 256;
/** Directories above the place that a directory is moved to: each is looked at. */
const MAX_DEPTH = 4_096;

function newBase(tree: Tree): NodeBase {
  const now = tree.clock.realtime();
  tree.inodes += 1n;
  return { inode: tree.inodes, links: 1n, accessed: now, modified: now, changed: now };
}

function statOf(node: Node): FileStat {
  const { inode, kind, links, accessed, modified, changed } = node;
  const size = kind === "file" ? node.content.size : kind === "symlink" ? node.target.length : 0;
  return { device: 1n, inode, kind, links, size: BigInt(size), accessed, modified, changed };
}

function touch(tree: Tree, node: Node): void {
  node.modified = node.changed = tree.clock.realtime();
}

function setTimes(tree: Tree, node: Node, times: NewTimes): void {
  node.accessed = times.accessed ?? node.accessed;
  node.modified = times.modified ?? node.modified;
  node.changed = tree.clock.realtime();
}

/** Counts bytes before they are taken, or gives them back. */
function take(tree: Tree, byteLength: number): void {
  if (byteLength > 0 && tree.usedBytes + byteLength > tree.maxBytes) throw new SystemError("ENOSPC");
  tree.usedBytes += byteLength;
}

function bytesOfName(name: string): number {
  return NAME_BYTES + name.length * 2;
}

function bytesOfNode(node: Node): number {
  if (node.kind === "file") return NODE_BYTES + node.content.countedBytes;
  return node.kind === "symlink" ? NODE_BYTES + node.target.length * 2 : NODE_BYTES;
}

function resize(tree: Tree, { content }: FileNode, size: number): void {
  const before = content.countedBytes;
  content.resize(size);
  take(tree, content.countedBytes - before);
}

function unlink(tree: Tree, node: Node): void {
  node.links -= 1n;
  node.changed = tree.clock.realtime();
  if (node.kind === "directory") node.parent = null;
  freeUnused(tree, node);
}

/** Nobody can reach a node any more that has no name and is not open. */
function freeUnused(tree: Tree, node: Node): void {
  if (node.links > 0n || (node.kind === "file" && node.opens > 0)) return;
  take(tree, -bytesOfNode(node));
}

class MemoryFile implements OpenFile {
  readonly kind = "file";
  readonly operationFuel = OPERATION_FUEL;
  readonly #tree: Tree;
  readonly #node: FileNode;
  #isOpen = true;

  constructor(tree: Tree, node: FileNode) {
    this.#tree = tree;
    this.#node = node;
    node.opens++;
  }

  async read(bytes: Uint8Array, position: bigint): Promise<number> {
    return position >= BigInt(this.#node.content.size) ? 0 : this.#node.content.read(bytes, Number(position));
  }

  async write(bytes: Uint8Array, position: bigint | null): Promise<number> {
    const { content } = this.#writable();
    const start = position ?? BigInt(content.size);
    if (start + BigInt(bytes.length) > BigInt(this.#tree.maxBytes)) throw new SystemError("ENOSPC");
    take(this.#tree, content.growthOf(Number(start), bytes.length));
    content.write(bytes, Number(start));
    touch(this.#tree, this.#node);
    return bytes.length;
  }

  async stat(): Promise<FileStat> {
    return statOf(this.#node);
  }

  async setSize(size: bigint): Promise<void> {
    if (size > BigInt(this.#tree.maxBytes)) throw new SystemError("EFBIG");
    resize(this.#tree, this.#writable(), Number(size));
    touch(this.#tree, this.#node);
  }

  /** What a closed file grew by would never be given back. */
  #writable(): FileNode {
    if (!this.#isOpen) throw new SystemError("EBADF");
    return this.#node;
  }

  async setTimes(times: NewTimes): Promise<void> {
    setTimes(this.#tree, this.#node, times);
  }

  async sync(): Promise<void> {}

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#node.opens--;
    freeUnused(this.#tree, this.#node);
  }
}

export class MemoryDirectory implements Directory {
  readonly kind = "directory";
  readonly operationFuel = OPERATION_FUEL;
  readonly #tree: Tree;
  readonly #node: DirectoryNode;

  private constructor(tree: Tree, node: DirectoryNode) {
    this.#tree = tree;
    this.#node = node;
  }

  /**
   * An empty tree that takes at most about `maxBytes`, those of names, links and the entries themselves included. Throws
   * `TypeError` or `RangeError` for what is no number of bytes.
   */
  static create(clock: Clock, maxBytes = DEFAULT_MAX_BYTES): MemoryDirectory {
    check("maxBytes of MemoryDirectory", maxBytes, MAX_BYTES);
    const tree: Tree = { clock, maxBytes, usedBytes: 0, inodes: 0n };
    return new MemoryDirectory(tree, { kind: "directory", entries: new Map(), parent: null, ...newBase(tree) });
  }

  /** Of all files, links, directories and names in its tree. */
  get usedBytes(): number {
    return this.#tree.usedBytes;
  }

  #find(name: string): Node {
    const node = name === "." ? this.#node : this.#node.entries.get(name);
    if (node === undefined) throw NOT_THERE;
    return node;
  }

  #requireName(name: string): void {
    if (name === "" || name === "." || name === ".." || name.includes("/")) throw new SystemError("EINVAL");
    if (this.#node.links === 0n) throw new SystemError("ENOENT");
  }

  /** Under a name that is free. `byteLength` is what the node takes, if it is new. */
  #insert(name: string, node: Node, byteLength: number): void {
    this.#requireName(name);
    take(this.#tree, bytesOfName(name) + byteLength);
    this.#node.entries.set(name, node);
    touch(this.#tree, this.#node);
  }

  #insertNew(name: string, node: Node): void {
    this.#insert(name, node, bytesOfNode(node));
  }

  #requireFree(name: string): void {
    if (name === "." || this.#node.entries.has(name)) throw new SystemError("EEXIST");
  }

  #remove(name: string, node: Node): void {
    this.#node.entries.delete(name);
    take(this.#tree, -bytesOfName(name));
    unlink(this.#tree, node);
    touch(this.#tree, this.#node);
  }

  async open(name: string, options: OpenOptions): Promise<OpenFile | Directory> {
    let node = name === "." ? this.#node : this.#node.entries.get(name);
    if (node !== undefined && options.create === true && options.exclusive === true) throw new SystemError("EEXIST");
    if (node === undefined) {
      if (options.create !== true || options.directory === true) throw NOT_THERE;
      node = { kind: "file", content: new SparseBytes(), opens: 0, ...newBase(this.#tree) };
      this.#insertNew(name, node);
    }
    if (node.kind === "symlink") throw A_LINK;
    if (node.kind === "directory") {
      if (options.write) throw new SystemError("EISDIR");
      return new MemoryDirectory(this.#tree, node);
    }
    if (options.directory === true) throw new SystemError("ENOTDIR");
    if (options.truncate === true) resize(this.#tree, node, 0);
    return new MemoryFile(this.#tree, node);
  }

  async statEntry(name: string): Promise<FileStat> {
    return statOf(this.#find(name));
  }

  async readLink(name: string): Promise<string> {
    const node = this.#find(name);
    if (node.kind !== "symlink") throw NO_LINK;
    return node.target;
  }

  /** No more than there are at the beginning: others may add some meanwhile. */
  async list(take: (entries: readonly DirectoryEntry[]) => Promise<void>): Promise<void> {
    let left = this.#node.entries.size;
    let some: DirectoryEntry[] = [];
    for (const [name, { kind, inode }] of this.#node.entries) {
      some.push({ name, kind, inode });
      if (--left === 0) break;
      if (some.length < LISTED_AT_ONCE) continue;
      await take(some);
      some = [];
    }
    if (some.length > 0) await take(some);
  }

  async createDirectory(name: string): Promise<void> {
    this.#requireFree(name);
    this.#insertNew(name, { kind: "directory", entries: new Map(), parent: this.#node, ...newBase(this.#tree) });
  }

  async removeDirectory(name: string): Promise<void> {
    const node = this.#find(name);
    if (node.kind !== "directory") throw new SystemError("ENOTDIR");
    if (node.entries.size > 0) throw new SystemError("ENOTEMPTY");
    this.#remove(name, node);
  }

  async removeFile(name: string): Promise<void> {
    const node = this.#find(name);
    if (node.kind === "directory") throw new SystemError("EISDIR");
    this.#remove(name, node);
  }

  async rename(name: string, to: Directory, newName: string): Promise<void> {
    const target = this.#sameTree(to);
    const node = this.#find(name);
    const replaced = target.#node.entries.get(newName);
    if (replaced === node) return;
    if (node.kind === "directory" && isWithin(node, target.#node)) throw new SystemError("EINVAL");
    if (replaced !== undefined) {
      if (replaced.kind === "directory") {
        if (node.kind !== "directory") throw new SystemError("EISDIR");
        if (replaced.entries.size > 0) throw new SystemError("ENOTEMPTY");
      } else if (node.kind === "directory") throw new SystemError("ENOTDIR");
    }
    target.#requireName(newName);
    if (name === ".") throw new SystemError("EINVAL");
    // It was there under its old name: a full tree can be put in order.
    take(this.#tree, bytesOfName(newName) - bytesOfName(name));
    if (replaced !== undefined) target.#remove(newName, replaced);
    target.#node.entries.set(newName, node);
    touch(this.#tree, target.#node);
    this.#node.entries.delete(name);
    if (node.kind === "directory") node.parent = target.#node;
    touch(this.#tree, this.#node);
  }

  async link(name: string, to: Directory, newName: string): Promise<void> {
    const target = this.#sameTree(to);
    const node = this.#find(name);
    if (node.kind === "directory") throw new SystemError("EPERM");
    target.#requireFree(newName);
    target.#insert(newName, node, 0);
    node.links += 1n;
  }

  async createSymlink(name: string, target: string): Promise<void> {
    this.#requireFree(name);
    this.#insertNew(name, { kind: "symlink", target, ...newBase(this.#tree) });
  }

  async setEntryTimes(name: string, times: NewTimes): Promise<void> {
    setTimes(this.#tree, this.#find(name), times);
  }

  async stat(): Promise<FileStat> {
    return statOf(this.#node);
  }

  async setTimes(times: NewTimes): Promise<void> {
    setTimes(this.#tree, this.#node, times);
  }

  async sync(): Promise<void> {}

  async close(): Promise<void> {}

  #sameTree(directory: Directory): MemoryDirectory {
    if (directory instanceof MemoryDirectory && directory.#tree === this.#tree) return directory;
    throw new SystemError("EXDEV");
  }
}

/** Whether `inner` is `outer` or somewhere below it. Throws ELOOP where that is too deep to say. */
function isWithin(outer: DirectoryNode, inner: DirectoryNode): boolean {
  let depth = 0;
  for (let node: DirectoryNode | null = inner; node !== null; node = node.parent) {
    if (node === outer) return true;
    if (++depth > MAX_DEPTH) throw new SystemError("ELOOP");
  }
  return false;
}
