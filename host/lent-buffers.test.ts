import { expect } from "chai";
import { mainOf, TestHost } from "./functions/testing.ts";
import { Account } from "./group.ts";
import { borrowBuffer, returnBuffer } from "./lent-buffers.ts";

/** A module with 100,000 bytes of data at 65,536, which begins with these bytes. */
const MAGIC = [0x00, 0x61, 0x73, 0x6d];
const HEAD = [...MAGIC, 1, 0, 0, 0, 0x0b, 0xa5, 0x8d, 0x06, 1, 1, 0xa0, 0x8d, 0x06];
const COMPILE = `(call $process::compile_module (i32.const 65536) (i32.const ${HEAD.length + 100_000}) (i32.const 8))`;
const GROW = "(drop (memory.grow (i32.const 3)))";
const HEX = HEAD.map((byte) => `\\${byte.toString(16).padStart(2, "0")}`).join("");
const HEAD_DATA = `(data $head "${HEX}")`;
const FILL = `${GROW} (memory.init $head (i32.const 65536) (i32.const 0) (i32.const ${HEAD.length}))`;

describe("lent buffers", () => {
  it("are used again, each by one at a time, and are as large as they have to be", () => {
    const first = borrowBuffer(70_000)!;
    const second = borrowBuffer(131_072)!;
    expect([first.bytes.length, second.bytes.length]).to.deep.equal([131_072, 131_072]);
    expect(second).not.to.equal(first);
    returnBuffer(first);
    expect(borrowBuffer(140_000)).not.to.equal(first);
    expect(borrowBuffer(65_537)).to.equal(first);
  });

  it("serve the modules that guests compile, and are given back when it is done or the guest ends", () => {
    const buffer = borrowBuffer(100_000)!;
    const isUsed = (): boolean => {
      const isTheirs = MAGIC.every((byte, i) => buffer.bytes[i] === byte);
      buffer.bytes.fill(0, 0, MAGIC.length);
      return isTheirs;
    };
    const host = new TestHost();
    const { group } = host.runtime;
    returnBuffer(buffer);
    const twice = `(call $test::i32 ${COMPILE}) (call $process::drop_module (i64.load (i32.const 8)))`;
    expect(host.run(mainOf(`${FILL} ${twice} ${twice}`, HEAD_DATA)).notes).to.deep.equal([0, 0]);
    expect([isUsed(), group.used(Account.Memory)]).to.deep.equal([true, 0]);
    expect(borrowBuffer(100_000)).to.equal(buffer);

    returnBuffer(buffer);
    const guest = host.start(mainOf(`${FILL} (loop $again (drop ${COMPILE}) (br $again))`, HEAD_DATA));
    host.executor.runUntilIdle(5);
    expect(borrowBuffer(100_000), "it is in use").not.to.equal(buffer);
    guest.kill();
    host.executor.runUntilIdle();
    expect([isUsed(), group.used(Account.Memory)]).to.deep.equal([true, 0]);
    expect(borrowBuffer(100_000)).to.equal(buffer);
  });
});
