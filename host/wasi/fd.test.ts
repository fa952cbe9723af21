import { expect } from "chai";
import type { OpenFile } from "../system.ts";
import { Errno, FdFlag, OpenFlag, Whence } from "./abi.ts";
import type { Descriptor } from "./descriptors.ts";
import { TestGuest } from "./testing.ts";

/** Puts a vector of buffers into memory. */
function vector(guest: TestGuest, address: number, ...buffers: [address: number, length: number][]): void {
  buffers.forEach(([start, length], i) => {
    guest.memory.writeU32(address + i * 8, start);
    guest.memory.writeU32(address + i * 8 + 4, length);
  });
}

describe("standard streams", () => {
  it("fd_write gathers the buffers and completes at once", () => {
    const guest = new TestGuest();
    guest.put(100, "hello");
    guest.put(200, ", world");
    vector(guest, 0, [100, 5], [0, 0], [200, 7]);
    expect(guest.call("fd_write", 1, 0, 3, 32)).to.equal(Errno.Success);
    expect(guest.memory.readU32(32)).to.equal(12);
    expect(guest.stdout.text).to.equal("hello, world");
    expect(guest.stderr.text).to.equal("");
  });

  it("fd_write waits while the reader is slow, and then writes 64 KiB at most", async () => {
    const guest = new TestGuest();
    guest.stdout.stalled = true;
    const answer = guest.write(1, "x");
    let settled = false;
    void answer.then(() => {
      settled = true;
    });
    await new Promise(setImmediate);
    expect(settled).to.equal(false);
    expect(guest.stdout.text).to.equal("");
    guest.stdout.drain();
    expect(await answer).to.equal(Errno.Success);
    expect(guest.stdout.text).to.equal("x");
  });

  it("a non-blocking descriptor answers EAGAIN in place of waiting", async () => {
    const guest = new TestGuest();
    guest.stdout.stalled = true;
    await guest.call("fd_fdstat_set_flags", 1, FdFlag.Nonblock);
    await guest.call("fd_fdstat_set_flags", 0, FdFlag.Nonblock);
    expect(await guest.write(1, "x")).to.equal(Errno.Again);
    expect(await guest.read(0)).to.equal(Errno.Again);
    guest.stdin.push("y");
    expect(await guest.read(0)).to.equal("y");
  });

  it("fd_read gives what there is, waits while there is nothing, and ends with nothing", async () => {
    const guest = new TestGuest();
    const waiting = guest.read(0);
    guest.stdin.push("abc");
    expect(await waiting).to.equal("abc");
    guest.stdin.push("defg");
    guest.stdin.end();
    expect(await guest.read(0, 3)).to.equal("def");
    expect(await guest.read(0, 3)).to.equal("g");
    expect(await guest.read(0, 3)).to.equal("");
  });

  it("neither take nor give anything for a guest that has ended while it waited", async () => {
    const guest = new TestGuest();
    guest.stdout.stalled = true;
    const reading = guest.read(0);
    const writing = guest.write(1, "x");
    await guest.state.dispose();
    expect([await reading, await writing]).to.deep.equal([Errno.Canceled, Errno.Canceled]);
    guest.stdout.drain();
    guest.stdin.push("abc");
    const other = new TestGuest({ stdin: guest.stdin });
    expect(await other.read(0)).to.equal("abc");
    expect(guest.stdout.text).to.equal("");
  });

  it("fd_read scatters over the buffers", async () => {
    const guest = new TestGuest();
    guest.stdin.push("abcdef");
    vector(guest, 0, [100, 2], [200, 3]);
    expect(await guest.call("fd_read", 0, 0, 2, 32)).to.equal(Errno.Success);
    expect([guest.memory.readU32(32), guest.text(100, 3), guest.text(200, 4)]).to.deep.equal([5, "ab\0", "cde\0"]);
  });

  it("have one direction and no position", async () => {
    const guest = new TestGuest();
    expect(await guest.write(0, "x")).to.equal(Errno.Notcapable);
    expect(await guest.read(1)).to.equal(Errno.Notcapable);
    expect(guest.call("fd_seek", 1, 0n, Whence.Set, 0)).to.equal(Errno.Spipe);
    expect(guest.call("fd_tell", 0, 0)).to.equal(Errno.Spipe);
  });

  it("refuse vectors that are too long or outside memory, without writing", () => {
    const guest = new TestGuest();
    expect(guest.call("fd_write", 1, 0, 1_025, 20_000)).to.equal(Errno.Inval);
    expect(guest.call("fd_write", 1, 65_530, 1, 0)).to.equal(Errno.Fault);
    vector(guest, 0, [100, 5], [65_000, 1_000]);
    expect(guest.call("fd_write", 1, 0, 2, 32)).to.equal(Errno.Fault);
    vector(guest, 0, [0xffff_fff0, 0xffff_fff0]);
    expect(guest.call("fd_write", 1, 0, 1, 32)).to.equal(Errno.Fault);
    vector(guest, 0, [100, 5]);
    expect(guest.call("fd_write", 1, 0, 1, 65_533)).to.equal(Errno.Fault);
    expect(guest.stdout.chunks).to.deep.equal([]);
  });

  it("a write of more than 64 KiB in sum writes the first 64 KiB", () => {
    const guest = new TestGuest();
    vector(guest, 0, ...Array.from({ length: 20 }, (): [number, number] => [0, 65_536]));
    expect(guest.call("fd_write", 1, 0, 20, 32)).to.equal(Errno.Success);
    expect(guest.memory.readU32(32)).to.equal(65_536);
    expect(guest.stdout.bytes.length).to.equal(65_536);
  });
});

describe("descriptors", () => {
  it("reuse the lowest free number", async () => {
    const guest = new TestGuest();
    const create = OpenFlag.Create;
    expect(await guest.open("a", { flags: create })).to.equal(4);
    expect(await guest.open("b", { flags: create })).to.equal(5);
    expect(await guest.open("c", { flags: create })).to.equal(6);
    expect(await guest.call("fd_close", 5)).to.equal(Errno.Success);
    expect(await guest.call("fd_close", 0)).to.equal(Errno.Success);
    expect(await guest.open("a")).to.equal(0);
    expect(await guest.open("a")).to.equal(5);
    expect(await guest.open("a")).to.equal(7);
    expect(await guest.call("fd_close", 99)).to.equal(Errno.Badf);
  });

  it("are limited", async () => {
    const guest = new TestGuest({ maxDescriptors: 5 });
    expect(await guest.open("a", { flags: OpenFlag.Create })).to.equal(4);
    expect(await guest.open("b", { flags: OpenFlag.Create })).to.equal(-Errno.Mfile);
    await guest.call("fd_close", 4);
    expect(await guest.open("b")).to.equal(-Errno.Noent);
  });

  it("are counted while they are open, but streams and preopened directories", async () => {
    let used = 0;
    const descriptorAccount = {
      reserve: () => used < 3 && ++used > 0,
      release: () => {
        used--;
      },
      reserveBytes: () => true,
      releaseBytes: () => {},
    };
    const guest = new TestGuest({ descriptorAccount });
    expect(used, "a preopened directory is counted by whoever opened it").to.equal(0);
    for (const name of ["a", "b", "c"]) expect(await guest.open(name, { flags: OpenFlag.Create })).to.be.above(3);
    expect(await guest.open("a")).to.equal(-Errno.Nfile);
    await guest.call("fd_close", 4);
    expect(used).to.equal(2);
    await guest.call("fd_renumber", 6, 1);
    expect(used, "it has replaced a stream").to.equal(2);
    await guest.call("fd_renumber", 5, 1);
    expect(used).to.equal(1);
    await guest.call("fd_close", 3);
    expect(used, "a preopened directory is counted by whoever opened it").to.equal(1);
    await guest.state.dispose();
    expect(used).to.equal(0);
  });

  it("what the host keeps for the guest is counted: listings, large transfers, many subscriptions", async () => {
    let bytes = 0;
    let most = 0;
    let limit = 1_000_000;
    const descriptorAccount = {
      reserve: () => true,
      release: () => {},
      reserveBytes: (byteLength: number) => {
        if (bytes + byteLength > limit) return false;
        bytes += byteLength;
        most = Math.max(most, bytes);
        return true;
      },
      releaseBytes: (byteLength: number) => {
        bytes -= byteLength;
      },
    };
    const guest = new TestGuest({ descriptorAccount }, 8);
    const fd = await guest.open("a", { flags: OpenFlag.Create });
    const write = async (): Promise<number> => {
      guest.memory.writeU32(0, 65_536);
      guest.memory.writeU32(4, 300_000);
      expect(await guest.call("fd_write", fd, 0, 1, 8)).to.equal(0);
      return guest.memory.readU32(8);
    };
    expect(await write()).to.equal(300_000);
    expect([bytes, most]).to.deep.equal([0, 300_000]);
    limit = 200_000;
    expect(await write(), "less at a time when there is no memory for all").to.equal(4_096);
    limit = 65_536;
    guest.memory.writeU32(4, 65_536);
    most = 0;
    expect(await guest.call("fd_pread", fd, 0, 1, 0n, 8)).to.equal(0);
    expect([guest.memory.readU32(8), bytes, most]).to.deep.equal([65_536, 0, 65_536]);

    for (let i = 0; i < 50; i++) await guest.createFile(`file-${i}`, "");
    const list = () => guest.call("fd_readdir", 3, 65_536, 1_000, 0n, 8);
    expect(await list()).to.equal(0);
    expect(bytes).to.be.within(50 * 64, 50 * 100);
    const listed = bytes;
    expect(await list()).to.equal(0);
    expect(bytes).to.equal(listed);
    limit = 10;
    expect(await list()).to.equal(Errno.Nomem);
    await guest.call("fd_close", 3);
    expect(bytes).to.equal(0);

    const poll = (count: number) => {
      for (let i = 0; i < count; i++) guest.memory.writeU64(131_072 + i * 48 + 24, 1_000n);
      return guest.call("poll_oneoff", 131_072, 200_000, count, 8);
    };
    expect(await poll(17)).to.equal(Errno.Nomem);
    limit = 1_000_000;
    const polled = poll(1_000);
    expect(bytes).to.equal(64_000);
    guest.clock.advance(1_000n);
    expect(await polled).to.equal(0);
    expect(bytes).to.equal(0);
  });

  it("fd_renumber moves one over another", async () => {
    const guest = new TestGuest();
    await guest.createFile("a", "A");
    const fd = await guest.open("a");
    expect(await guest.call("fd_renumber", fd, 0)).to.equal(Errno.Success);
    expect(await guest.read(0)).to.equal("A");
    expect(await guest.read(fd)).to.equal(Errno.Badf);
    expect(await guest.call("fd_renumber", 0, 50)).to.equal(Errno.Badf);
  });

  it("fd_fdstat_get tells kind, flags and rights", async () => {
    const guest = new TestGuest();
    expect(guest.call("fd_fdstat_get", 1, 0)).to.equal(Errno.Success);
    expect(guest.memory.readU8(0)).to.equal(0);
    expect(guest.call("fd_fdstat_get", 3, 0)).to.equal(Errno.Success);
    expect(guest.memory.readU8(0)).to.equal(3);
    const fd = await guest.open("a", { flags: OpenFlag.Create, fdFlags: FdFlag.Append });
    expect(guest.call("fd_fdstat_get", fd, 0)).to.equal(Errno.Success);
    expect([guest.memory.readU8(0), guest.memory.readU8(2)]).to.deep.equal([4, FdFlag.Append]);
  });

  it("fd_fdstat_set_rights only takes away", async () => {
    const guest = new TestGuest();
    const fd = await guest.open("a", { flags: OpenFlag.Create });
    expect(guest.call("fd_fdstat_set_rights", fd, 2n, 0n)).to.equal(Errno.Success);
    expect(await guest.write(fd, "x")).to.equal(Errno.Notcapable);
    expect(guest.call("fd_fdstat_set_rights", fd, 66n, 0n)).to.equal(Errno.Notcapable);
  });

  it("fd_prestat_get names the preopened directories and ends with EBADF", () => {
    const guest = new TestGuest();
    expect(guest.call("fd_prestat_get", 3, 0)).to.equal(Errno.Success);
    expect([guest.memory.readU8(0), guest.memory.readU32(4)]).to.deep.equal([0, 1]);
    expect(guest.call("fd_prestat_dir_name", 3, 16, 1)).to.equal(Errno.Success);
    expect(guest.text(16, 1)).to.equal("/");
    expect(guest.call("fd_prestat_dir_name", 3, 16, 0)).to.equal(Errno.Nametoolong);
    expect(guest.call("fd_prestat_get", 4, 0)).to.equal(Errno.Badf);
  });

  it("are no sockets", () => {
    const guest = new TestGuest();
    expect(guest.call("sock_shutdown", 1, 0)).to.equal(Errno.Notsock);
    expect(guest.call("sock_shutdown", 9, 0)).to.equal(Errno.Badf);
  });

  it("are not opened any more when the guest is disposed of meanwhile", async () => {
    const guest = new TestGuest();
    const opening = guest.open("a", { flags: OpenFlag.Create });
    await guest.state.dispose();
    expect(await opening).to.be.below(0);
    const file = (await guest.files.open("a", { read: true, write: true, create: true })) as OpenFile;
    const descriptor: Descriptor = { kind: "file", file, position: 0n, flags: 0, rights: 0n };
    expect(() => guest.state.descriptors.add(descriptor)).to.throw("ECANCELED");
  });

  it("all close when the guest is disposed of", async () => {
    const guest = new TestGuest();
    guest.memory.writeU64(24, 1_000n);
    const reading = guest.call("poll_oneoff", 0, 1_000, 1, 2_000);
    expect(reading).to.be.instanceOf(Promise);
    await guest.state.dispose();
    expect(await reading).to.equal(Errno.Canceled);
    expect(guest.clock.waiting).to.equal(0);
    expect(await guest.write(1, "x")).to.equal(Errno.Badf);
  });
});
