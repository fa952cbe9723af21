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

  it("is made of another one, with other functions where it is asked for them and the same in all other places", () => {
    const seen: string[] = [];
    const other = plan.replacing((from, name, { results }) => {
      seen.push(`${from}::${name} ${results}`);
      return name === "two" ? constant(7) : null;
    });
    expect(seen).to.deep.equal(["m::one i32", "m::two i32"]);
    expect([sumOf(plan), sumOf(other)]).to.deep.equal([[12], [17]]);
    expect(other.hosts[0]).to.equal(plan.hosts[0]);
  });

  it("refuses functions of another type in its place", () => {
    expect(() => plan.replacing(() => ({ params: [], results: [], call() {} }))).to.throw(LinkError, "another type");
  });
});
