import { expect } from "chai";
import { compileSync, type HostDefinition } from "../vm/index.ts";
import { textToBinary } from "../vm/text/index.ts";
import { Config } from "./config.ts";
import { compileGuest, TestHost } from "./functions/testing.ts";
import { Account } from "./group.ts";
import { LinkPlans } from "./link-plans.ts";
import { reasonText } from "./signal.ts";

const COUNT = 40;
const module = compileSync(
  textToBinary(`(module ${Array.from({ length: COUNT }, (_, i) => `(import "m" "f${i}" (func))`).join(" ")})`),
);
const DEFINITION: HostDefinition = { params: [], results: [], call() {} };

/** How often the functions are asked for is counted. */
function plansFor(): { readonly plans: LinkPlans; readonly asked: () => number } {
  let asked = 0;
  const find = (): HostDefinition => {
    asked++;
    return DEFINITION;
  };
  return { plans: new LinkPlans([find], { isDeterministic: false, isTraced: false }), asked: () => asked };
}

const denying = (count: number, last: string): Config =>
  new Config({ imports: { deny: [...Array.from({ length: count - 1 }, (_, i) => `m::g${i}`), last] } });

describe("link plans", () => {
  it("of narrowed imports are made of the module's, which are looked for once", () => {
    const { plans, asked } = plansFor();
    const whole = plans.of(module, new Config());
    const narrowed = plans.of(module, denying(1, "m::f3"));
    plans.of(module, denying(1, "m::f4"));
    expect(asked()).to.equal(COUNT);
    const same = narrowed.hosts.map((host, i) => host === whole.hosts[i]);
    expect(same).to.deep.equal(Array.from({ length: COUNT }, (_, i) => i !== 3));
    expect(() => (narrowed.hosts[3]!.definition.call as () => void)()).to.throw("m::f3 is not permitted");
  });

  it("are made in steps where many patterns are compared, and no step is repeated for another process", () => {
    const { plans } = plansFor();
    const config = denying(250, "m::f39");
    let steps = 1;
    while (plans.step(module, config) === null) steps++;
    // 4,000 comparisons are 16 names; the first step has looked for them too.
    expect(steps).to.be.within(COUNT / 16, COUNT / 16 + 1);
    expect(plans.step(module, config)).to.equal(plans.of(module, config));
    const child = new Config({ imports: { deny: ["m::f2"] } }, config.policy);
    expect(plans.of(module, child).hosts.filter(({ definition }) => definition !== DEFINITION)).to.have.length(2);
  });

  it("of many imports are made in steps, by whoever asks for them", () => {
    const { plans, asked } = plansFor();
    const imports = `(import "m" "f" (func))`.repeat(1_000);
    const large = compileSync(textToBinary(`(module ${imports})`));
    for (const expected of [250, 500, 750]) {
      expect(plans.step(large, new Config()), `${expected}`).to.equal(null);
      expect(asked()).to.equal(expected);
    }
    const whole = plans.step(large, new Config());
    expect(whole?.hosts).to.have.length(1_000);
    // All are denied: each is a function of its own.
    const config = denying(1, "*");
    for (let i = 0; i < 3; i++) expect(plans.step(large, config)).to.equal(null);
    expect(new Set([...plans.of(large, config).hosts, ...whole!.hosts]).size).to.equal(2_000);
    expect(asked()).to.equal(1_000);
  });

  it("that nobody waits for any more are begun anew", () => {
    const { plans } = plansFor();
    const configs = Array.from({ length: 100 }, (_, i) => denying(250, `m::f${i % COUNT}`));
    for (const config of configs) expect(plans.step(module, config)).to.equal(null);
    for (const [i, config] of configs.entries()) {
      let steps = 1;
      while (plans.step(module, config) === null) steps++;
      expect(steps, `${i}`).to.be.at.most(COUNT / 16 + 1);
      expect(plans.of(module, config).hosts[i % COUNT]!.definition).to.not.equal(DEFINITION);
    }
  });
});

const IMPORTS = 1_000;
const MODULE = compileGuest(`${`(import "lunatic::process" "kill" (func (param i64)))`.repeat(IMPORTS)}
  (memory (export "memory") 0) (func (export "main") (call $process::sleep_ms (i64.const -1)))`);

describe("what link plans take", () => {
  const deny = (name: string) => ({ imports: { deny: [`lunatic::process::${name}`] } });

  it("are paid for once by a group, as long as somebody runs under the policies", () => {
    const host = new TestHost();
    const { runtime, executor } = host;
    const group = runtime.createGroup();
    const bytesOf = (config: object): number => {
      const before = group.used(Account.Memory);
      runtime.spawn(MODULE, { entry: "main", group, config });
      executor.runUntilIdle();
      return group.used(Account.Memory) - before;
    };
    bytesOf({});
    const usual = bytesOf({});
    const narrowed = bytesOf(deny("kill"));
    expect(narrowed - usual).to.be.within(IMPORTS * 8, IMPORTS * 8 + 1_000);
    runtime.endGroup(group);
    executor.runUntilIdle();
    expect(group.used(Account.Memory)).to.equal(0);
  });

  it("share what they deny, and are made once for processes of one configuration", () => {
    const { runtime } = new TestHost();
    const [a, b, c] = [deny("kill"), deny("kill"), deny("link")].map((options) => new Config(options));
    const [first, second, third] = [a!, b!, c!].map((config) => runtime.planOf(MODULE, config));
    expect(runtime.planOf(MODULE, a!)).to.equal(first);
    expect(second).not.to.equal(first);
    expect(second!.hosts).to.deep.equal(first!.hosts);
    expect(second!.hosts.every((host, i) => host === first!.hosts[i])).to.equal(true);
    expect(first!.hosts.filter((host, i) => host !== third!.hosts[i])).to.have.length(IMPORTS);
    const usual = runtime.planOf(MODULE, new Config());
    expect([usual, first!].map((plan) => runtime.ownBytesOf(plan) > IMPORTS * 8)).to.deep.equal([false, true]);
  });

  it("are a limit of memory for a process whose group cannot pay", async () => {
    const host = new TestHost();
    const group = host.runtime.createGroup();
    host.runtime.spawn(MODULE, { entry: "main", group });
    host.executor.runUntilIdle();
    group.setLimit(Account.Memory, group.used(Account.Memory) + 8_000);
    const handle = host.runtime.spawn(MODULE, { entry: "main", group, config: deny("kill") });
    host.executor.runUntilIdle();
    expect(reasonText(await handle.exited)).to.include("memory limit");
  });
});
