import { mkdtempSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { FakeClock } from "../fakes.ts";
import { MemoryDirectory } from "../memory-files.ts";
import { openDirectory } from "../node/index.ts";
import type { Directory } from "../system.ts";
import { Errno, FdFlag, OpenFlag, TimeFlag, Whence } from "./abi.ts";
import { TestGuest } from "./testing.ts";

/** Calls path_rename, path_link or path_symlink. */
async function between(guest: TestGuest, name: string, from: string, to: string): Promise<Errno> {
  const fromLength = guest.put(40_000, from);
  const toLength = guest.put(50_000, to);
  switch (name) {
    case "path_rename":
      return guest.call(name, 3, 40_000, fromLength, 3, 50_000, toLength);
    case "path_link":
      return guest.call(name, 3, 0, 40_000, fromLength, 3, 50_000, toLength);
    default:
      return guest.call(name, 40_000, fromLength, 3, 50_000, toLength);
  }
}

async function sizeOf(guest: TestGuest, path: string, follow = true): Promise<bigint | Errno> {
  const length = guest.put(40_000, path);
  const errno = await guest.call("path_filestat_get", 3, follow ? 1 : 0, 40_000, length, 0);
  return errno === 0 ? guest.memory.readU64(32) : errno;
}

/** The names fd_readdir gives when it is called again and again with a buffer of this size. */
async function list(guest: TestGuest, fd: number, bufferBytes: number): Promise<string[]> {
  const names: string[] = [];
  for (let cookie = 0n; ; ) {
    expect(await guest.call("fd_readdir", fd, 0, bufferBytes, cookie, 50_000)).to.equal(Errno.Success);
    const used = guest.memory.readU32(50_000);
    for (let at = 0; at + 24 <= used; ) {
      const nameLength = guest.memory.readU32(at + 16);
      if (at + 24 + nameLength > used) break;
      cookie = guest.memory.readU64(at);
      names.push(guest.text(at + 24, nameLength));
      at += 24 + nameLength;
    }
    if (used < bufferBytes) return names;
  }
}

const TREES: [name: string, open: (folder: string) => Promise<Directory>][] = [
  ["in memory", async () => MemoryDirectory.create(new FakeClock(), 1_000_000)],
  ["of Node", openDirectory],
];

for (const [kind, openTree] of TREES) {
  describe(`files ${kind}`, () => {
    let folder: string;
    let guest: TestGuest;

    beforeEach(async () => {
      folder = mkdtempSync(join(tmpdir(), "perilune-"));
      mkdirSync(join(folder, "root"));
      guest = new TestGuest({ preopens: [{ name: "/", directory: await openTree(join(folder, "root")) }] });
    });

    afterEach(async () => {
      await guest.state.dispose();
      rmSync(folder, { recursive: true, force: true });
    });

    it("can be written, read back, measured and removed", async () => {
      await guest.createFile("a.txt", "hello");
      const fd = await guest.open("a.txt");
      expect(await guest.read(fd, 3)).to.equal("hel");
      expect(await guest.read(fd)).to.equal("lo");
      expect(await guest.read(fd)).to.equal("");
      expect(await sizeOf(guest, "a.txt")).to.equal(5n);
      await guest.call("fd_close", fd);
      expect(await guest.onPath("path_unlink_file", "a.txt")).to.equal(Errno.Success);
      expect(await guest.open("a.txt")).to.equal(-Errno.Noent);
    });

    it("have a position that seeks move and positional access leaves alone", async () => {
      await guest.createFile("a", "0123456789");
      const fd = await guest.open("a");
      expect(await guest.call("fd_seek", fd, -3n, Whence.End, 0)).to.equal(Errno.Success);
      expect(guest.memory.readU64(0)).to.equal(7n);
      expect(await guest.read(fd, 1)).to.equal("7");
      expect(await guest.call("fd_seek", fd, -4n, Whence.Current, 0)).to.equal(Errno.Success);
      expect(await guest.read(fd, 2)).to.equal("45");
      expect(await guest.call("fd_seek", fd, -1n, Whence.Set, 0)).to.equal(Errno.Inval);
      expect(await guest.call("fd_seek", fd, 0n, 3, 0)).to.equal(Errno.Inval);
      guest.memory.writeU32(0, 100);
      guest.memory.writeU32(4, 3);
      expect(await guest.call("fd_pread", fd, 0, 1, 1n, 16)).to.equal(Errno.Success);
      expect(guest.text(100, 3)).to.equal("123");
      guest.put(100, "abc");
      expect(await guest.call("fd_pwrite", fd, 0, 1, 8n, 16)).to.equal(Errno.Success);
      expect(await guest.call("fd_tell", fd, 0)).to.equal(Errno.Success);
      expect(guest.memory.readU64(0)).to.equal(6n);
      expect(await guest.read(fd)).to.equal("67abc");
    });

    it("append where the end is, while the flag is set", async () => {
      await guest.createFile("log", "1");
      const fd = await guest.open("log", { fdFlags: FdFlag.Append });
      const other = await guest.open("log");
      await guest.call("fd_seek", other, 0n, Whence.End, 0);
      await guest.write(fd, "2");
      await guest.write(other, "33");
      await guest.write(fd, "4");
      await guest.call("fd_fdstat_set_flags", fd, 0);
      await guest.call("fd_seek", fd, 0n, Whence.Set, 0);
      await guest.write(fd, "x");
      await guest.call("fd_seek", fd, 0n, Whence.Set, 0);
      expect(await guest.read(fd)).to.equal("x334");
    });

    it("change their size and times", async () => {
      await guest.createFile("a", "hello");
      const fd = await guest.open("a");
      expect(await guest.call("fd_filestat_set_size", fd, 2n)).to.equal(Errno.Success);
      expect(await sizeOf(guest, "a")).to.equal(2n);
      expect(await guest.call("fd_allocate", fd, 4n, 4n)).to.equal(Errno.Success);
      expect(await sizeOf(guest, "a")).to.equal(8n);
      expect(await guest.read(fd)).to.equal("he\0\0\0\0\0\0");
      expect(await guest.call("fd_filestat_set_times", fd, 3_000_000_000n, 5_000_000_000n, 5)).to.equal(Errno.Success);
      expect(await guest.call("fd_filestat_get", fd, 0)).to.equal(Errno.Success);
      expect([guest.memory.readU64(40), guest.memory.readU64(48)]).to.deep.equal([3_000_000_000n, 5_000_000_000n]);
      const both = TimeFlag.Accessed | TimeFlag.AccessedNow;
      expect(await guest.call("fd_filestat_set_times", fd, 0n, 0n, both)).to.equal(Errno.Inval);
      for (const name of ["fd_sync", "fd_datasync"]) expect(await guest.call(name, fd)).to.equal(Errno.Success);
    });

    it("are created, truncated and refused as the flags say", async () => {
      expect(await guest.open("a", { flags: OpenFlag.Create | OpenFlag.Exclusive })).to.equal(4);
      expect(await guest.open("a", { flags: OpenFlag.Create | OpenFlag.Exclusive })).to.equal(-Errno.Exist);
      await guest.write(4, "text");
      expect(await guest.open("a", { flags: OpenFlag.Truncate })).to.equal(5);
      expect(await sizeOf(guest, "a")).to.equal(0n);
      expect(await guest.open("a", { flags: OpenFlag.Directory })).to.equal(-Errno.Notdir);
      expect(await guest.open("a/")).to.equal(-Errno.Notdir);
      expect(await guest.open("a/b")).to.equal(-Errno.Notdir);
      expect(await guest.open("a", { flags: OpenFlag.Directory | OpenFlag.Create })).to.equal(-Errno.Inval);
      expect(await guest.open("a", { flags: 16 })).to.equal(-Errno.Inval);
    });

    it("are opened with the rights asked for", async () => {
      await guest.createFile("a", "text");
      const readOnly = await guest.open("a", { rights: 2n });
      expect(await guest.write(readOnly, "x")).to.equal(Errno.Notcapable);
      expect(await guest.read(readOnly)).to.equal("text");
      const writeOnly = await guest.open("a", { rights: 64n });
      expect(await guest.read(writeOnly)).to.equal(Errno.Notcapable);
    });

    it("live in directories that are made, listed, renamed and removed", async () => {
      expect(await guest.onPath("path_create_directory", "d")).to.equal(Errno.Success);
      expect(await guest.onPath("path_create_directory", "d")).to.equal(Errno.Exist);
      expect(await guest.onPath("path_create_directory", "d/e/")).to.equal(Errno.Success);
      await guest.createFile("d/f", "F");
      expect(await guest.onPath("path_remove_directory", "d")).to.equal(Errno.Notempty);
      expect(await guest.onPath("path_unlink_file", "d/e")).to.equal(Errno.Isdir);
      expect(await guest.onPath("path_remove_directory", "d/f")).to.equal(Errno.Notdir);
      const fd = await guest.open("d", { flags: OpenFlag.Directory });
      expect(await guest.read(fd)).to.be.oneOf([Errno.Isdir, Errno.Notcapable]);
      expect(await guest.open("f", { fd })).to.equal(fd + 1);
      expect((await list(guest, fd, 4_096)).sort()).to.deep.equal([".", "..", "e", "f"]);
      expect(await between(guest, "path_rename", "d", "moved")).to.equal(Errno.Success);
      expect(await sizeOf(guest, "moved/f")).to.equal(1n);
      expect(await guest.open("f", { fd })).to.equal(fd + 2);
      expect(await between(guest, "path_rename", "moved", "moved/e/x")).to.equal(Errno.Inval);
      expect(await between(guest, "path_rename", "moved/f/", "x")).to.equal(Errno.Notdir);
      expect(await guest.onPath("path_unlink_file", "moved/f")).to.equal(Errno.Success);
      expect(await guest.onPath("path_remove_directory", "moved/e")).to.equal(Errno.Success);
      expect(await guest.onPath("path_remove_directory", "moved")).to.equal(Errno.Success);
    });

    it("are listed in pieces of any size", async () => {
      const names = Array.from({ length: 40 }, (_, i) => `file-${"x".repeat(i % 7)}${i}`);
      for (const name of names) await guest.createFile(name, "");
      const expected = [".", "..", ...names].sort();
      for (const bufferBytes of [64, 100, 333, 4_096]) {
        expect((await list(guest, 3, bufferBytes)).sort(), `${bufferBytes}`).to.deep.equal(expected);
      }
    });

    it("can be linked, by name and by symbolic link", async () => {
      await guest.createFile("a", "A");
      await guest.onPath("path_create_directory", "d");
      expect(await between(guest, "path_link", "a", "d/hard")).to.equal(Errno.Success);
      expect(await between(guest, "path_symlink", "../a", "d/soft")).to.equal(Errno.Success);
      expect(await between(guest, "path_symlink", "d", "to-d")).to.equal(Errno.Success);
      for (const path of ["d/hard", "d/soft", "to-d/soft", "to-d/../d/./hard"]) {
        const fd = await guest.open(path);
        expect(await guest.read(fd), path).to.equal("A");
      }
      expect(await guest.open("d/soft", { follow: false })).to.equal(-Errno.Loop);
      expect(await sizeOf(guest, "d/soft", false)).to.equal(4n);
      const length = guest.put(40_000, "d/soft");
      expect(await guest.call("path_readlink", 3, 40_000, length, 0, 100, 200)).to.equal(Errno.Success);
      expect(guest.text(0, guest.memory.readU32(200))).to.equal("../a");
      expect(await guest.onPath("path_unlink_file", "to-d")).to.equal(Errno.Success);
      expect(await sizeOf(guest, "d/hard")).to.equal(1n);
    });

    it("symbolic links in a circle are an error", async () => {
      await between(guest, "path_symlink", "b", "a");
      await between(guest, "path_symlink", "a", "b");
      expect(await guest.open("a")).to.equal(-Errno.Loop);
      expect(await guest.open("a/x")).to.equal(-Errno.Loop);
    });

    it("cannot be reached above the directory", async () => {
      await guest.onPath("path_create_directory", "d");
      await guest.createFile("inside", "I");
      for (const path of ["..", "../outside", "d/../../outside", "/etc/passwd", "./..", "d/./.././..", "//x"]) {
        expect(await guest.open(path), path).to.equal(-Errno.Perm);
        expect(await sizeOf(guest, path), path).to.equal(Errno.Perm);
        expect(await guest.onPath("path_create_directory", path), path).to.equal(Errno.Perm);
        expect(await between(guest, "path_rename", "inside", path), path).to.equal(Errno.Perm);
        expect(await between(guest, "path_link", "inside", path), path).to.equal(Errno.Perm);
      }
      expect(await between(guest, "path_symlink", "/etc", "link")).to.equal(Errno.Perm);
      for (const target of ["..", "../..", "../outside", "../root/inside"]) {
        expect(await between(guest, "path_symlink", target, "link")).to.equal(Errno.Success);
        expect(await guest.open("link"), target).to.equal(-Errno.Perm);
        expect(await guest.open("link/x"), target).to.equal(-Errno.Perm);
        expect(await guest.open("link/x", { flags: OpenFlag.Create }), target).to.equal(-Errno.Perm);
        expect(await guest.onPath("path_unlink_file", "link")).to.equal(Errno.Success);
      }
      const fd = await guest.open("d", { flags: OpenFlag.Directory });
      expect(await guest.open("../inside", { fd })).to.equal(-Errno.Perm);
    });

    it("refuse names that are no names", async () => {
      expect(await guest.open("")).to.equal(-Errno.Noent);
      expect(await guest.open("a\0b")).to.equal(-Errno.Inval);
      expect(await guest.open("x".repeat(4_097))).to.equal(-Errno.Nametoolong);
      guest.memory.write(40_000, new Uint8Array([0x61, 0xff]));
      expect(await guest.call("path_unlink_file", 3, 40_000, 2)).to.equal(Errno.Ilseq);
      expect(await guest.call("path_unlink_file", 3, 65_530, 10)).to.equal(Errno.Fault);
      expect(await guest.onPath("path_unlink_file", "a", 1)).to.equal(Errno.Notdir);
      for (const path of [".", "./"]) {
        expect(await guest.onPath("path_remove_directory", path)).to.equal(Errno.Inval);
      }
    });
  });

  it(`a read-only directory ${kind} can only be read`, async () => {
    const folder = mkdtempSync(join(tmpdir(), "perilune-"));
    const directory = await openTree(folder);
    const writer = new TestGuest({ preopens: [{ name: "/", directory }] });
    await writer.createFile("a", "A");
    await writer.onPath("path_create_directory", "d");
    const guest = new TestGuest({ preopens: [{ name: "/", directory, readOnly: true }] });
    expect(await guest.read(await guest.open("a", { rights: 2n }))).to.equal("A");
    expect(await guest.open("a", { rights: 66n })).to.equal(-Errno.Rofs);
    expect(await guest.open("b", { flags: OpenFlag.Create })).to.equal(-Errno.Rofs);
    expect(await guest.open("a", { flags: OpenFlag.Truncate, rights: 2n })).to.equal(-Errno.Rofs);
    for (const name of ["path_create_directory", "path_unlink_file", "path_remove_directory"]) {
      expect(await guest.onPath(name, "a"), name).to.equal(Errno.Rofs);
    }
    for (const name of ["path_rename", "path_link", "path_symlink"]) {
      expect(await between(guest, name, "a", "b"), name).to.equal(Errno.Rofs);
    }
    const d = await guest.open("d");
    expect(d).to.be.greaterThan(3);
    expect(await guest.open("x", { fd: d, flags: OpenFlag.Create })).to.equal(-Errno.Rofs);
    // The directory belongs to both; one of them closes it.
    await guest.state.dispose();
    rmSync(folder, { recursive: true, force: true });
  });
}

describe("directories of Node", () => {
  it("do nothing after they are closed, though their numbers are others' now", async () => {
    const folder = mkdtempSync(join(tmpdir(), "perilune-"));
    for (const name of ["a", "b"]) {
      mkdirSync(join(folder, name));
      writeFileSync(join(folder, name, "file"), name);
    }
    const a = await openDirectory(join(folder, "a"));
    const underWay = a.statEntry("file");
    await a.close();
    expect((await underWay).size).to.equal(1n);
    const b = await openDirectory(join(folder, "b"));
    for (const operation of [
      () => a.removeFile("file"),
      () => a.list(async () => {}),
      () => b.rename("file", a, "gone"),
    ]) {
      const code = await operation().then(
        () => "done",
        (error: unknown) => (error as { code: string }).code,
      );
      expect(code).to.equal("EBADF");
    }
    expect(readFileSync(join(folder, "b", "file"), "utf8")).to.equal("b");
    await b.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it("are walked no further when the guest is disposed of", async () => {
    const folder = mkdtempSync(join(tmpdir(), "perilune-"));
    mkdirSync(join(folder, "d"));
    writeFileSync(join(folder, "d", "file"), "x");
    const guest = new TestGuest({ preopens: [{ name: "/", directory: await openDirectory(folder) }] });
    const removing = guest.onPath("path_unlink_file", "d/file");
    await guest.state.dispose();
    expect(await removing).to.equal(Errno.Badf);
    expect(readFileSync(join(folder, "d", "file"), "utf8")).to.equal("x");
    rmSync(folder, { recursive: true, force: true });
  });

  it("stay what they are when others replace them by links", async function () {
    if (process.platform !== "linux") this.skip();
    const folder = mkdtempSync(join(tmpdir(), "perilune-"));
    mkdirSync(join(folder, "root", "d"), { recursive: true });
    mkdirSync(join(folder, "secret"));
    writeFileSync(join(folder, "secret", "key"), "secret");
    const guest = new TestGuest({ preopens: [{ name: "/", directory: await openDirectory(join(folder, "root")) }] });
    const d = await guest.open("d", { flags: OpenFlag.Directory });
    rmSync(join(folder, "root", "d"), { recursive: true });
    symlinkSync(join(folder, "secret"), join(folder, "root", "d"));
    expect(await guest.open("key", { fd: d })).to.equal(-Errno.Noent);
    expect(await guest.open("d/key")).to.equal(-Errno.Perm);
    expect(await guest.open("new", { fd: d, flags: OpenFlag.Create })).to.equal(-Errno.Noent);
    expect(readFileSync(join(folder, "secret", "key"), "utf8")).to.equal("secret");
    await guest.state.dispose();
    rmSync(folder, { recursive: true, force: true });
  });
});
