/**
 * Directories and files in memory: for tests, and for hosts without a file system. Content grows
 * by doubling, up to a total that all files of one tree share.
 */

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
  bytes: Uint8Array;
  size: number;
}

interface DirectoryNode extends NodeBase {
  readonly kind: "directory";
  readonly entries: Map<string, Node>;
}

interface SymlinkNode extends NodeBase {
  readonly kind: "symlink";
  readonly target: string;
}

type Node = FileNode | DirectoryNode | SymlinkNode;

const DEFAULT_MAX_BYTES = 268_435_456;

function newBase(tree: Tree): NodeBase {
  const now = tree.clock.realtime();
  tree.inodes += 1n;
  return { inode: tree.inodes, links: 1n, accessed: now, modified: now, changed: now };
}

function statOf(node: Node): FileStat {
  const { inode, kind, links, accessed, modified, changed } = node;
  const size = kind === "file" ? node.size : kind === "symlink" ? node.target.length : 0;
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

/** Makes room for `size` bytes; what is new is zero. */
function reserve(tree: Tree, file: FileNode, size: number): void {
  if (size <= file.bytes.length) return;
  const capacity = Math.max(size, Math.min(file.bytes.length * 2, file.bytes.length + 1_048_576));
  const grown = capacity - file.bytes.length;
  if (tree.usedBytes + grown > tree.maxBytes) throw new SystemError("ENOSPC");
  const bytes = new Uint8Array(capacity);
  bytes.set(file.bytes.subarray(0, file.size));
  file.bytes = bytes;
  tree.usedBytes += grown;
}

function resize(tree: Tree, file: FileNode, size: number): void {
  reserve(tree, file, size);
  if (size < file.size) file.bytes.fill(0, size, file.size);
  file.size = size;
}

function unlink(tree: Tree, node: Node): void {
  node.links -= 1n;
  node.changed = tree.clock.realtime();
  // Descriptors may still be open: the bytes count as free only once the last name has gone, as an approximation.
  if (node.kind === "file" && node.links === 0n) tree.usedBytes -= node.bytes.length;
}

class MemoryFile implements OpenFile {
  readonly kind = "file";
  readonly #tree: Tree;
  readonly #node: FileNode;

  constructor(tree: Tree, node: FileNode) {
    this.#tree = tree;
    this.#node = node;
  }

  async read(bytes: Uint8Array, position: bigint): Promise<number> {
    if (position >= BigInt(this.#node.size)) return 0;
    const start = Number(position);
    const part = this.#node.bytes.subarray(start, Math.min(this.#node.size, start + bytes.length));
    bytes.set(part);
    return part.length;
  }

  async write(bytes: Uint8Array, position: bigint | null): Promise<number> {
    const start = position ?? BigInt(this.#node.size);
    const end = start + BigInt(bytes.length);
    if (end > BigInt(this.#tree.maxBytes)) throw new SystemError("ENOSPC");
    if (Number(end) > this.#node.size) resize(this.#tree, this.#node, Number(end));
    this.#node.bytes.set(bytes, Number(start));
    touch(this.#tree, this.#node);
    return bytes.length;
  }

  async stat(): Promise<FileStat> {
    return statOf(this.#node);
  }

  async setSize(size: bigint): Promise<void> {
    if (size > BigInt(this.#tree.maxBytes)) throw new SystemError("EFBIG");
    resize(this.#tree, this.#node, Number(size));
    touch(this.#tree, this.#node);
  }

  async setTimes(times: NewTimes): Promise<void> {
    setTimes(this.#tree, this.#node, times);
  }

  async sync(): Promise<void> {}

  async close(): Promise<void> {}
}

export class MemoryDirectory implements Directory {
  readonly kind = "directory";
  readonly #tree: Tree;
  readonly #node: DirectoryNode;

  private constructor(tree: Tree, node: DirectoryNode) {
    this.#tree = tree;
    this.#node = node;
  }

  /** An empty tree whose files together hold at most `maxBytes`. */
  static create(clock: Clock, maxBytes = DEFAULT_MAX_BYTES): MemoryDirectory {
    const tree: Tree = { clock, maxBytes, usedBytes: 0, inodes: 0n };
    return new MemoryDirectory(tree, { kind: "directory", entries: new Map(), ...newBase(tree) });
  }

  #find(name: string): Node {
    const node = name === "." ? this.#node : this.#node.entries.get(name);
    if (node === undefined) throw new SystemError("ENOENT");
    return node;
  }

  #insert(name: string, node: Node): void {
    if (name === "" || name === "." || name === ".." || name.includes("/")) throw new SystemError("EINVAL");
    if (this.#node.links === 0n) throw new SystemError("ENOENT");
    this.#node.entries.set(name, node);
    touch(this.#tree, this.#node);
  }

  #requireFree(name: string): void {
    if (name === "." || this.#node.entries.has(name)) throw new SystemError("EEXIST");
  }

  #remove(name: string, node: Node): void {
    this.#node.entries.delete(name);
    unlink(this.#tree, node);
    touch(this.#tree, this.#node);
  }

  async open(name: string, options: OpenOptions): Promise<OpenFile | Directory> {
    let node = name === "." ? this.#node : this.#node.entries.get(name);
    if (node !== undefined && options.create === true && options.exclusive === true) throw new SystemError("EEXIST");
    if (node === undefined) {
      if (options.create !== true || options.directory === true) throw new SystemError("ENOENT");
      node = { kind: "file", bytes: new Uint8Array(0), size: 0, ...newBase(this.#tree) };
      this.#insert(name, node);
    }
    if (node.kind === "symlink") throw new SystemError("ELOOP");
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
    if (node.kind !== "symlink") throw new SystemError("EINVAL");
    return node.target;
  }

  async list(): Promise<DirectoryEntry[]> {
    return [...this.#node.entries].map(([name, { kind }]) => ({ name, kind }));
  }

  async createDirectory(name: string): Promise<void> {
    this.#requireFree(name);
    this.#insert(name, { kind: "directory", entries: new Map(), ...newBase(this.#tree) });
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
      target.#remove(newName, replaced);
    }
    target.#insert(newName, node);
    this.#node.entries.delete(name);
    touch(this.#tree, this.#node);
  }

  async link(name: string, to: Directory, newName: string): Promise<void> {
    const target = this.#sameTree(to);
    const node = this.#find(name);
    if (node.kind === "directory") throw new SystemError("EPERM");
    target.#requireFree(newName);
    target.#insert(newName, node);
    node.links += 1n;
  }

  async createSymlink(name: string, target: string): Promise<void> {
    this.#requireFree(name);
    this.#insert(name, { kind: "symlink", target, ...newBase(this.#tree) });
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

/** Whether `inner` is `outer` or somewhere below it. */
function isWithin(outer: DirectoryNode, inner: DirectoryNode): boolean {
  const ahead: DirectoryNode[] = [outer];
  for (let node = ahead.pop(); node !== undefined; node = ahead.pop()) {
    if (node === inner) return true;
    for (const entry of node.entries.values()) if (entry.kind === "directory") ahead.push(entry);
  }
  return false;
}
