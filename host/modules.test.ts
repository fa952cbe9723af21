import { expect } from "chai";
import { compileSync } from "../vm/index.ts";
import { wat } from "../vm/testing.ts";
import { Account, Group } from "./group.ts";
import { ModuleHandle } from "./modules.ts";
import { Scheduler } from "./scheduler.ts";

const MODULE = compileSync(wat`(func (export "f"))`);

describe("ModuleHandle", () => {
  it("a group pays once for a module, however many handles there are, until the last is closed", () => {
    const group = new Group(new Scheduler(), null, null, {});
    const first = ModuleHandle.open(MODULE, group)!;
    const paid = group.used(Account.Memory);
    expect(paid).to.be.greaterThan(0);
    const second = ModuleHandle.open(MODULE, group)!;
    expect(group.used(Account.Memory)).to.equal(paid);
    first.close();
    first.close();
    expect(group.used(Account.Memory)).to.equal(paid);
    second.close();
    expect(group.used(Account.Memory)).to.equal(0);
  });

  it("a group without memory gets none", () => {
    const group = new Group(new Scheduler(), null, null, { maxMemory: 10 });
    expect(ModuleHandle.open(MODULE, group)).to.equal(null);
    expect(group.used(Account.Memory)).to.equal(0);
  });
});
