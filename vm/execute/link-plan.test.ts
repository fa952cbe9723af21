import { expect } from "chai";
import { compileSync, LinkError, LinkPlan, Store } from "../index.ts";
import type { HostDefinition } from "../runtime/func.ts";
import { wat } from "../testing.ts";

const constant = (value: number): HostDefinition => ({ params: [], results: ["i32"], call: () => value });

describe("LinkPlan", () => {
  const module = compileSync(wat`(module
    (import "m" "one" (func $one (result i32))) (import "m" "two" (func $two (result i32)))
    (func (export "sum") (result i32) (i32.add (i32.mul (i32.const 10) (call $one)) (call $two))))`);
  const plan = new LinkPlan(module, (_, name) => constant(name === "one" ? 1 : 2));
  const sumOf = (each: LinkPlan) => {
    const store = new Store();
    const { instance, invocation } = store.instantiation(module, each);
    expect(invocation.run({ fuel: 1_000 }).kind).to.equal("returned");
    return instance.callSync("sum");
  };

  it("is made of functions for each import, which may be those of another plan", () => {
    const other = new LinkPlan(module, [plan.hosts[0]!, LinkPlan.hostOf(module, 1, constant(7))], plan);
    expect(plan.byteLength - other.byteLength, "what both have counts once").to.be.greaterThan(600);
    expect([sumOf(plan), sumOf(other)]).to.deep.equal([[12], [17]]);
  });

  it("has no function for an import that does not exist, nor one of another type", () => {
    expect(() => LinkPlan.hostOf(module, 0, undefined)).to.throw(LinkError, "unknown import");
    const another: HostDefinition = { params: [], results: [], call() {} };
    expect(() => LinkPlan.hostOf(module, 0, another)).to.throw(LinkError, "another type");
    const needsMemory = compileSync(wat`(module (import "m" "one" (memory 1)))`);
    expect(() => LinkPlan.hostOf(needsMemory, 0, constant(1))).to.throw(LinkError, "expected a memory");
  });
});
