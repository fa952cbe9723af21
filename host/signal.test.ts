import { expect } from "chai";
import { reasonOfLink, reasonText, type ExitReason } from "./signal.ts";

/** How many links stand before the first cause. */
function linksOf(reason: ExitReason): number {
  let links = 0;
  for (let cause = reason; cause.kind === "link"; cause = cause.reason) links++;
  return links;
}

describe("reasons of links", () => {
  it("stay short in a chain of any length, and keep the last link and the first cause", () => {
    let reason: ExitReason = { kind: "code", code: 7 };
    let longest = 0;
    for (let pid = 1; pid <= 1_000; pid++) {
      reason = reasonOfLink(pid, reason);
      longest = Math.max(longest, linksOf(reason));
      if (pid <= 16) expect(linksOf(reason)).to.equal(pid);
    }
    expect(longest).to.be.at.most(17);
    expect(reason).to.deep.include({ kind: "link", pid: 1_000 });
    let cause: ExitReason = reason;
    while (cause.kind === "link") cause = cause.reason;
    expect(cause).to.deep.equal({ kind: "code", code: 7 });
    expect(reasonText(reasonOfLink(2, { kind: "code", code: 7 }))).to.equal(
      "process 2 that it is linked to ended: exit with code 7",
    );
  });
});
