import { expect } from "chai";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { OpenFile } from "../system.ts";
import { openDirectory } from "./files.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("a file of the host", () => {
  let folder = "";
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "perilune-"));
  });
  after(() => rmSync(folder, { recursive: true }));

  it("is written at its end and elsewhere in turn, and has one descriptor all the time", async function () {
    if (process.platform !== "linux") this.skip();
    const directory = await openDirectory(folder);
    const descriptors = (): number => readdirSync("/proc/self/fd").length;
    const before = descriptors();
    const options = { read: true, write: true, create: true };
    const files = await Promise.all(
      Array.from({ length: 20 }, async (_, i) => (await directory.open(`file${i}`, options)) as OpenFile),
    );
    expect(descriptors() - before).to.equal(20);
    await Promise.all(
      files.map(async (file, i) => {
        await file.write(bytes("abc"), null);
        await Promise.all([file.write(bytes("X"), 1n), file.write(bytes(`${i}`), null), file.write(bytes("Y"), 0n)]);
        await file.write(bytes("."), null);
        const read = new Uint8Array(2);
        expect(await file.read(read, 1n)).to.equal(2);
        expect([...read]).to.deep.equal([...bytes("Xc")]);
      }),
    );
    expect(descriptors() - before).to.equal(20);
    for (const [i, file] of files.entries()) {
      await file.close();
      expect(readFileSync(join(folder, `file${i}`), "utf8")).to.equal(`YXc${i}.`);
    }
    await directory.close();
    expect(descriptors()).to.equal(before - 1);
  });
});
