import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { FakeClock } from "../fakes.ts";
import { MemoryDirectory } from "../memory-files.ts";
import { openDirectory } from "../node/index.ts";
import type { Directory } from "../system.ts";
import { Errno } from "./abi.ts";
import type { DescriptorAccount } from "./descriptors.ts";
import { CountingAccount, TestGuest, turnsOf } from "./testing.ts";
import { MAX_STEPS } from "./walk.ts";

/** Of a call besides the operations. */
const CALL_FUEL = 20;
const FAILED_FUEL = 200;
const OPERATION_FUEL = 50;

/** A tree with the directories "d/d/d…" so deep. */
async function deepTree(depth: number): Promise<MemoryDirectory> {
  const root = MemoryDirectory.create(new FakeClock());
  let directory: Directory = root;
  for (let i = 0; i < depth; i++) {
    await directory.createDirectory("d");
    directory = (await directory.open("d", { read: true, write: false })) as Directory;
  }
  return root;
}

function guestIn(directory: Directory, descriptorAccount?: DescriptorAccount): TestGuest {
  const preopens = [{ name: "/", directory }];
  return new TestGuest(descriptorAccount === undefined ? { preopens } : { preopens, descriptorAccount });
}

function stat(guest: TestGuest, path: string): Promise<Errno> {
  return Promise.resolve(guest.call("path_filestat_get", 3, 1, 1_000, guest.put(1_000, path), 0));
}

/** Fuel besides that of the call and the bytes of the path. */
async function fuelOf(guest: TestGuest, path: string, expected = Errno.Success): Promise<number> {
  guest.fuel = 0;
  expect(await stat(guest, path), path).to.equal(expected);
  const failed = expected === Errno.Success ? 0 : FAILED_FUEL;
  return guest.fuel - CALL_FUEL - Math.ceil(path.length / 64) - failed;
}

describe("a walk along a path", () => {
  it("pays for each directory and link, and for what is done at its end", async () => {
    const guest = guestIn(await deepTree(300));
    // The last one is asked for its target, in case it is a link, and for its status.
    expect(await fuelOf(guest, "d")).to.equal(2 * OPERATION_FUEL);
    expect(await fuelOf(guest, "d/d/d")).to.equal(4 * OPERATION_FUEL);
    expect(await fuelOf(guest, "d/".repeat(200))).to.equal(201 * OPERATION_FUEL);
    expect(await fuelOf(guest, "d/../d/./d//d")).to.equal(5 * OPERATION_FUEL);
    // Opening what is none fails, and so does asking for its target.
    expect(await fuelOf(guest, "d/none/d", Errno.Noent)).to.equal(3 * OPERATION_FUEL);
    await guest.files.createSymlink("l", "d");
    expect(await fuelOf(guestIn(guest.files), "l", Errno.Noent)).to.equal(3 * OPERATION_FUEL);
  });

  it("pays for a directory of Node what it takes there", async () => {
    const folder = mkdtempSync(join(tmpdir(), "perilune-"));
    mkdirSync(join(folder, "a/b"), { recursive: true });
    const guest = guestIn(await openDirectory(folder));
    expect(await fuelOf(guest, "a/b")).to.equal(6_000);
    await guest.state.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  it("has so many steps and no more", async () => {
    const root = await deepTree(20);
    const guest = guestIn(root);
    expect(await stat(guest, "./".repeat(MAX_STEPS - 1) + "d")).to.equal(Errno.Success);
    expect(await stat(guest, "./".repeat(MAX_STEPS) + "d")).to.equal(Errno.Nametoolong);
    // What comes after the last of them is not forgotten.
    expect(await stat(guest, "./".repeat(MAX_STEPS - 1) + "d/")).to.equal(Errno.Nametoolong);
    expect(await stat(guest, "./".repeat(MAX_STEPS - 1) + "d/./none")).to.equal(Errno.Nametoolong);
    expect(await stat(guest, "d/../".repeat(300))).to.equal(Errno.Nametoolong);
    expect(await stat(guest, "/".repeat(100))).to.equal(Errno.Perm);
    for (let i = 0; i < 10; i++) await root.createSymlink(`l${i}`, `${"d/../".repeat(50)}l${i + 1}`);
    expect(await fuelOf(guest, "l0", Errno.Loop)).to.be.below(MAX_STEPS * OPERATION_FUEL);
    expect(await fuelOf(guest, "l8", Errno.Noent)).to.be.below(MAX_STEPS * OPERATION_FUEL);
  });

  it("keeps the last few directories open, counted, and closes all of them", async () => {
    const root = await deepTree(100);
    const account = new CountingAccount();
    const guest = guestIn(root, account);
    expect(await stat(guest, "d/".repeat(100))).to.equal(Errno.Success);
    expect(account.peak).to.equal(5);
    expect(await stat(guest, "d/".repeat(100) + "none/x")).to.equal(Errno.Noent);
    expect(await stat(guest, "d/".repeat(50) + "../".repeat(51))).to.equal(Errno.Perm);
    expect(account.used).to.equal(0);
  });

  it("comes back further than they reach, by the way that it went", async () => {
    const root = await deepTree(12);
    const guest = guestIn(root);
    await root.createDirectory("here");
    expect(await stat(guest, "d/".repeat(12) + "../".repeat(12) + "here")).to.equal(Errno.Success);
    expect(await stat(guest, "d/".repeat(12) + "../".repeat(11) + "here")).to.equal(Errno.Noent);
    // Twelve in, then led to the eighth again, and to the fourth.
    expect(await fuelOf(guest, "d/".repeat(12) + "../".repeat(12) + "here")).to.equal(
      (12 + 8 + 4 + 2) * OPERATION_FUEL,
    );
  });

  it("keeps fewer open where no more are allowed, and fails where it cannot go on", async () => {
    const root = await deepTree(12);
    for (const [limit, errno] of [
      [2, Errno.Success],
      [1, Errno.Nfile],
    ] as const) {
      const account = new CountingAccount(limit);
      const guest = guestIn(root, account);
      expect(await stat(guest, "d/".repeat(12) + "../".repeat(3) + "d"), `${limit}`).to.equal(errno);
      expect(account.used).to.equal(0);
    }
  });

  it("gives way to the event loop, with many others in the same turn", async () => {
    const root = await deepTree(300);
    const guest = guestIn(root);
    expect(await turnsOf([stat(guest, "d/".repeat(15))])).to.be.at.most(1);
    expect(await turnsOf([stat(guest, "d/".repeat(300))])).to.be.at.least(4);
    const walks = Array.from({ length: 40 }, () => stat(guest, "d/".repeat(20)));
    expect(await turnsOf(walks)).to.be.at.least(4);
  });

  it("ends when its guest does, and gives back what it has", async () => {
    const account = new CountingAccount();
    const guest = guestIn(await deepTree(100), account);
    const walk = stat(guest, "d/".repeat(100));
    await guest.state.dispose();
    expect(await walk).to.equal(Errno.Badf);
    expect(account.used).to.equal(0);
  });
});

describe("operations on files", () => {
  it("cost as much as they take", async () => {
    const guest = new TestGuest();
    await guest.createFile("a", "text");
    const fd = await guest.open("a");
    for (const [name, args, fuel] of [
      ["fd_read", [fd, 0, 0, 16], OPERATION_FUEL],
      ["fd_write", [fd, 0, 0, 16], OPERATION_FUEL],
      ["fd_sync", [fd], OPERATION_FUEL],
      ["fd_filestat_get", [fd, 64], OPERATION_FUEL],
      ["fd_filestat_set_size", [fd, 900_000n], OPERATION_FUEL],
      ["fd_allocate", [fd, 0n, 950_000n], OPERATION_FUEL],
      ["fd_seek", [fd, 0n, 2, 16], OPERATION_FUEL],
      ["fd_seek", [fd, 0n, 0, 16], 0],
      ["fd_close", [fd], OPERATION_FUEL],
      ["fd_close", [1], 0],
    ] as const) {
      guest.fuel = 0;
      expect(await guest.call(name, ...args), name).to.equal(Errno.Success);
      expect(guest.fuel - CALL_FUEL, name).to.equal(fuel);
    }
  });

  it("that fail cost what an error takes, late or not", async () => {
    const guest = new TestGuest();
    expect(guest.call("fd_tell", 77, 0)).to.equal(Errno.Badf);
    expect(guest.fuel).to.equal(CALL_FUEL + FAILED_FUEL);
    await guest.createFile("a", "text");
    const fd = await guest.open("a");
    guest.fuel = 0;
    const answer = guest.call("fd_allocate", fd, 0n, 2_000_000n);
    expect(answer).to.be.instanceOf(Promise);
    expect(await answer).to.equal(Errno.Fbig);
    expect(guest.fuel).to.equal(CALL_FUEL + OPERATION_FUEL + FAILED_FUEL);
  });

  it("cost for each buffer, however small", async () => {
    const guest = new TestGuest();
    await guest.createFile("a", "text");
    const fd = await guest.open("a");
    for (let i = 0; i < 1_024; i++) guest.memory.writeU32(i * 8 + 4, 1);
    guest.fuel = 0;
    expect(await guest.call("fd_pwrite", fd, 0, 1_024, 0n, 20_000)).to.equal(Errno.Success);
    expect(guest.fuel).to.equal(CALL_FUEL + OPERATION_FUEL + 1_024 * 4 + 1_024 / 64);
  });
});
