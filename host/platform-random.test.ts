import { expect } from "chai";
import { PlatformRandom } from "./platform-random.ts";

describe("the platform's randomness", () => {
  it("fills requests of every size, and gives no bytes twice", () => {
    const random = new PlatformRandom();
    const seen = new Set<string>();
    let count = 0;
    for (let round = 0; round < 40; round++) {
      for (const length of [8, 16, 63, 64, 65, 1_000, 65_536]) {
        const bytes = new Uint8Array(new SharedArrayBuffer(length));
        random.fill(bytes);
        for (const at of [0, length - 8]) {
          seen.add(bytes.slice(at, at + 8).join());
          count++;
        }
      }
      random.fill(new Uint8Array(0));
    }
    // Both ends of eight bytes are the same.
    expect(seen.size).to.equal(count - 40);
  });
});
