import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect } from "chai";

describe("the example of npm start", () => {
  it("stops the endless loop at its budget, lets the honest guests finish, and timers fire", async () => {
    const path = fileURLToPath(new URL("shared-loop.js", import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [path]);
    expect(stdout).to.match(/endless loop +30,\d{3},\d{3} +30,000,000 .* stopped: its fuel is gone/);
    expect(stdout).to.match(/count primes .* returned 2262/);
    expect(stdout).to.match(/fibonacci .* returned 46368/);
    expect(stdout).to.match(/timer of 10 ms fired \d+ times/);
  }).timeout(30_000);
});
