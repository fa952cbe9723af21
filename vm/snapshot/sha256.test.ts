import { createHash } from "node:crypto";
import { expect } from "chai";
import { hex, sha256 } from "./sha256.ts";

describe("sha256", () => {
  it("hashes the examples of its standard", () => {
    const abc = new TextEncoder().encode("abc");
    expect(hex(sha256(new Uint8Array(0)))).to.match(/^e3b0c44298fc1c14/);
    expect(hex(sha256(abc))).to.equal("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  });

  it("agrees with another implementation at every length around its blocks", () => {
    const bytes = Uint8Array.from({ length: 300 }, (_, i) => (i * 131) & 0xff);
    for (let length = 0; length <= bytes.length; length++) {
      const part = bytes.subarray(3, length);
      expect(hex(sha256(part)), `${length}`).to.equal(createHash("sha256").update(part).digest("hex"));
    }
  });
});
