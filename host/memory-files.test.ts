import { expect } from "chai";
import { FakeClock } from "./fakes.ts";
import { MemoryDirectory } from "./memory-files.ts";
import type { Directory, OpenFile } from "./system.ts";

const MAX_BYTES = 1_000_000;
const LONG = "x".repeat(4_096);

async function codeOf(operation: Promise<unknown>): Promise<string> {
  return operation.then(
    () => "done",
    (error: unknown) => String((error as { code?: unknown }).code),
  );
}

function create(root: Directory, name: string): Promise<OpenFile> {
  return root.open(name, { read: true, write: true, create: true }) as Promise<OpenFile>;
}

/** How often `make` succeeds before the tree is full. */
async function untilFull(root: MemoryDirectory, make: (name: string) => Promise<unknown>): Promise<number> {
  for (let count = 0; ; count++) {
    const code = await codeOf(make(`${count}`));
    if (code === "done") continue;
    expect(code).to.equal("ENOSPC");
    expect(root.usedBytes).to.be.at.most(MAX_BYTES);
    return count;
  }
}

describe("a tree in memory", () => {
  let root: MemoryDirectory;

  beforeEach(() => {
    root = MemoryDirectory.create(new FakeClock(), MAX_BYTES);
  });

  it("is full of links, directories, empty files and names as of bytes, and gives all of them back", async () => {
    expect(await untilFull(root, (name) => root.createSymlink(name, LONG))).to.equal(113);
    for (let i = 0; i < 113; i++) await root.removeFile(`${i}`);
    expect(root.usedBytes).to.equal(0);
    expect(await untilFull(root, (name) => root.createDirectory(name + LONG))).to.equal(113);
    for (let i = 0; i < 113; i++) await root.removeDirectory(`${i}${LONG}`);
    expect(await untilFull(root, (name) => create(root, name).then((file) => file.close()))).to.be.within(1_500, 1_650);
    expect(await codeOf(root.link("0", root, `another ${LONG}`))).to.equal("ENOSPC");
    // What is there can be given another name of the same length.
    await root.rename("0", root, "o");
    await root.removeFile("o");
    await root.rename("1", root, "2");
    for (let i = 2; i < 1_700; i++) await root.removeFile(`${i}`).catch(() => {});
    expect(root.usedBytes).to.equal(0);
  });

  it("counts a name for each hard link, and the file until the last of them has gone", async () => {
    const file = await create(root, "a");
    await file.write(new Uint8Array(100_000), 0n);
    await file.close();
    const one = root.usedBytes;
    await root.link("a", root, "b");
    expect(root.usedBytes - one).to.equal(98);
    await root.removeFile("a");
    expect(root.usedBytes).to.equal(one);
    await root.removeFile("b");
    expect(root.usedBytes).to.equal(0);
  });

  it("counts what was removed as long as somebody has it open, and nothing is written afterwards", async () => {
    const file = await create(root, "a");
    await file.write(new Uint8Array(900_000), 0n);
    await root.removeFile("a");
    expect(await codeOf(create(root, "b").then((other) => other.write(new Uint8Array(200_000), 0n)))).to.equal(
      "ENOSPC",
    );
    await root.removeFile("b");
    await file.close();
    await file.close();
    expect(await codeOf(file.write(new Uint8Array(1), 0n))).to.equal("EBADF");
    expect(await codeOf(file.setSize(5n))).to.equal("EBADF");
    const again = await create(root, "b");
    await again.write(new Uint8Array(900_000), 0n);
  });

  it("takes nothing for what was never written, and gives back what is cut off", async () => {
    const file = await create(root, "a");
    const empty = root.usedBytes;
    await file.setSize(BigInt(MAX_BYTES));
    expect(await codeOf(file.setSize(BigInt(MAX_BYTES) + 1n))).to.equal("EFBIG");
    expect(root.usedBytes).to.equal(empty);
    await file.write(Uint8Array.of(1, 2, 3), 65_535n);
    expect(root.usedBytes - empty).to.be.within(65_538, 66_000);
    const bytes = new Uint8Array(5).fill(9);
    expect(await file.read(bytes, 65_534n)).to.equal(5);
    expect([...bytes]).to.deep.equal([0, 1, 2, 3, 0]);
    expect(await file.read(bytes, 999_998n)).to.equal(2);
    expect([...bytes.subarray(0, 2)]).to.deep.equal([0, 0]);
    await file.setSize(65_537n);
    await file.setSize(70_000n);
    expect(await file.read(bytes, 65_535n)).to.equal(5);
    expect([...bytes]).to.deep.equal([1, 2, 0, 0, 0]);
    await file.setSize(0n);
    expect(root.usedBytes).to.equal(empty);
  });

  it("a file grows by bytes and by pieces of any size, and holds what was written", async () => {
    const file = await create(root, "a");
    const all = new Uint8Array(200_000).map((_, at) => at * 7 + (at >> 8));
    let at = 0;
    for (const step of [1, 1, 3, 60_000, 5_530, 2, 131_071, 3_392]) {
      await file.write(all.subarray(at, at + step), BigInt(at));
      at += step;
    }
    expect(at).to.equal(all.length);
    const read = new Uint8Array(all.length);
    expect(await file.read(read, 0n)).to.equal(all.length);
    expect(Buffer.compare(read, all)).to.equal(0);
    expect(await codeOf(file.write(new Uint8Array(900_000), 100_000n))).to.equal("ENOSPC");
    expect((await file.stat()).size).to.equal(200_000n);
  });

  it("moves a directory below another without a look at what is in it, and not below itself", async () => {
    await root.createDirectory("a");
    let inner = (await root.open("a", { read: true, write: false })) as MemoryDirectory;
    await inner.createDirectory("b");
    const b = (await inner.open("b", { read: true, write: false })) as MemoryDirectory;
    expect(await codeOf(root.rename("a", b, "c"))).to.equal("EINVAL");
    await inner.rename("b", root, "b");
    await root.rename("a", b, "c");
    expect(await codeOf(root.rename("b", inner, "d"))).to.equal("EINVAL");
    const used = root.usedBytes;
    for (let i = 0; i < 300; i++) {
      await inner.createDirectory("d");
      inner = (await inner.open("d", { read: true, write: false })) as MemoryDirectory;
    }
    expect(root.usedBytes).to.be.above(used);
    expect(await codeOf(root.rename("b", inner, "e"))).to.equal("EINVAL");
  });
});
