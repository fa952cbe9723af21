import { expect } from "chai";
import { Environment } from "./environment.ts";

describe("numbers of processes", () => {
  it("are never used again, but by the snapshot of the process that had them", () => {
    const environment = new Environment(1);
    const pid = environment.takePid();
    environment.leave(pid, "its own");
    const other = environment.comeBack(pid, "somebody else's");
    expect(other).to.be.greaterThan(pid);
    expect(environment.comeBack(pid, "its own")).to.equal(pid);
    expect(environment.comeBack(pid, "its own")).to.be.greaterThan(other);
  });

  it("of elsewhere are kept while nobody here has them", () => {
    const environment = new Environment(1);
    expect(environment.comeBack(10, "of elsewhere")).to.equal(10);
    expect(environment.takePid()).to.equal(11);
    expect(environment.comeBack(2 ** 53, "too large")).to.equal(12);
  });
});
