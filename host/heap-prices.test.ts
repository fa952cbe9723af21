/** Whatever a guest can make many of counts as what it takes of V8's heap: no limit of memory holds otherwise. */

import { expect } from "chai";
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** Bytes taken for each that is counted: the most measured is 1.23, and versions of V8 differ. */
const MOST = 1.5;
/** Code that V8 makes or forgets meanwhile would be measured too: without that every run gives the same figures. */
const FLAGS = ["--expose-gc", "--no-opt", "--no-sparkplug", "--no-flush-bytecode", "--single-threaded"];

describe("what things of guests count as", function () {
  this.timeout(120_000);

  it("is what they take of V8's heap", async () => {
    const path = fileURLToPath(import.meta.resolve("./testing-heap-prices.js"));
    const { stdout } = await promisify(execFile)(process.execPath, [...FLAGS, path]);
    const prices = JSON.parse(stdout) as Record<string, [taken: number, counted: number]>;
    expect(Object.keys(prices)).to.have.length.above(20);
    const free = Object.entries(prices).filter(([, [taken, counted]]) => taken > counted * MOST);
    expect(Object.fromEntries(free)).to.deep.equal({});
  });
});
