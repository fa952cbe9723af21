import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { FakeClock } from "../fakes.ts";
import { MemoryDirectory } from "../memory-files.ts";
import { openDirectory } from "../node/index.ts";
import { Errno } from "./abi.ts";
import { CountingAccount, TestGuest, turnsOf } from "./testing.ts";

/** Of each entry, when it is read and when it is written for the guest. */
const ENTRY_FUEL = 40;
const CALL_FUEL = 20;
const OPERATION_FUEL = 50;

async function treeOf(entries: number): Promise<MemoryDirectory> {
  const root = MemoryDirectory.create(new FakeClock());
  for (let i = 0; i < entries; i++) await root.createDirectory(`entry-${i}`);
  return root;
}

function read(guest: TestGuest, byteLength: number, cookie = 0n): Promise<Errno> {
  guest.fuel = 0;
  return Promise.resolve(guest.call("fd_readdir", 3, 64, byteLength, cookie, 0));
}

describe("fd_readdir", () => {
  it("pays for every entry that the host reads, however few the guest takes", async () => {
    const guest = new TestGuest({ preopens: [{ name: "/", directory: await treeOf(1_000) }] });
    expect(await read(guest, 24)).to.equal(Errno.Success);
    // What the buffer holds of the first, whose inode has to be asked for.
    expect(guest.fuel).to.equal(CALL_FUEL + 1 + 1_000 * ENTRY_FUEL + ENTRY_FUEL + 2 * OPERATION_FUEL);
    expect(await read(guest, 24, 5n)).to.equal(Errno.Success);
    expect(guest.fuel, "going on").to.equal(CALL_FUEL + 1 + ENTRY_FUEL);
  });

  it("pays for each inode that it has to ask the host for", async () => {
    const folder = mkdtempSync(join(tmpdir(), "perilune-"));
    mkdirSync(join(folder, "root"));
    for (let i = 0; i < 300; i++) writeFileSync(join(folder, "root", `file-${i}`), "");
    const guest = new TestGuest({ preopens: [{ name: "/", directory: await openDirectory(join(folder, "root")) }] });
    expect(await read(guest, 60_000)).to.equal(Errno.Success);
    expect(guest.fuel).to.equal(CALL_FUEL + Math.ceil(60_000 / 64) + (300 + 302) * ENTRY_FUEL + 302 * 2_000);
    const names = new Set<string>();
    for (let at = 64; at < 64 + guest.memory.readU32(0); at += 24 + guest.memory.readU32(at + 16)) {
      expect(guest.memory.readU64(at + 8) > 0n || guest.text(at + 24, 2) === "..").to.equal(true);
      names.add(guest.text(at + 24, guest.memory.readU32(at + 16)));
    }
    expect(names.size).to.equal(302);
    await guest.state.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  it("gives way while it reads, and while it writes", async () => {
    const guest = new TestGuest({ preopens: [{ name: "/", directory: await treeOf(1_000) }] }, 2);
    expect(await turnsOf([read(guest, 24)])).to.be.at.least(3);
    expect(await turnsOf([read(guest, 100_000, 2n)])).to.be.at.least(12);
    expect(guest.memory.readU32(0)).to.be.above(30_000);
  });

  it("counts what it keeps while it reads, and gives it back when that is too much", async () => {
    const account = new CountingAccount();
    const preopens = [{ name: "/", directory: await treeOf(1_000) }];
    const guest = new TestGuest({ preopens, descriptorAccount: account }, 2);
    account.maxBytes = 50_000;
    expect(await read(guest, 24)).to.equal(Errno.Nomem);
    expect([account.used, account.usedBytes]).to.deep.equal([0, 0]);
    expect(account.peak, "the host had it open once more").to.equal(1);
    account.maxBytes = 200_000;
    expect(await read(guest, 24)).to.equal(Errno.Success);
    expect(account.usedBytes).to.be.within(80_000, 90_000);
    expect(await read(guest, 100_000, 5n), "the buffer, too").to.equal(Errno.Success);
    account.maxBytes = 180_000;
    expect(await read(guest, 100_000, 5n)).to.equal(Errno.Nomem);
    account.limit = 0;
    expect(await read(guest, 24)).to.equal(Errno.Nfile);
    account.limit = 1;
    const reading = read(guest, 24);
    await guest.call("fd_close", 3);
    expect(await reading).to.be.oneOf([Errno.Badf, Errno.Canceled]);
    expect([account.used, account.usedBytes]).to.deep.equal([0, 0]);
  });
});
