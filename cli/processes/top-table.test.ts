import { expect } from "chai";
import { bytesText, TopTable } from "./top-table.ts";

describe("top: the table", () => {
  const row = (pid: number, fuel: number, name = "_start") => ({
    pid,
    name,
    state: "waiting",
    mailbox: 2,
    memoryBytes: 65_536,
    fuel,
  });

  it("shows shares of the fuel since the last table, the greatest first", () => {
    const table = new TopTable(10);
    table.lines([row(1, 1_000), row(2, 1_000)]);
    expect(table.lines([row(1, 2_000), row(2, 4_000), row(3, 0)])).to.deep.equal([
      "PID  NAME    STATE    MAILBOX  MEMORY   FUEL  SHARE",
      "  2  _start  waiting        2     64K  4,000  75.0%",
      "  1  _start  waiting        2     64K  2,000  25.0%",
      "  3  _start  waiting        2     64K      0   0.0%",
    ]);
  });

  it("says how many it leaves out, and makes names harmless", () => {
    const lines = new TopTable(1).lines([row(1, 5, "\u001b[2J\n"), row(2, 0), row(3, 0)]);
    expect(lines).to.have.length(3);
    expect(lines.join("\n")).to.include("… and 2 more").and.to.include("\\u{1b}[2J\\u{a}");
  });

  it("has no negative zero, which is the fuel of a process that had no turn", () => {
    expect(new TopTable(1).lines([row(1, -0)])[1]).to.match(/ 64K +0 +-$/);
  });

  it("writes bytes shortly", () => {
    expect([0, 999, 1_536, 65_536, 5 * 2 ** 20, 2 ** 31].map(bytesText)).to.deep.equal([
      "0B",
      "999B",
      "1.5K",
      "64K",
      "5.0M",
      "2.0G",
    ]);
  });
});
