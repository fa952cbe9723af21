import { expect } from "chai";
import { Registry, type NameAccount, type Registered } from "./registry.ts";
import { parseVersionRange } from "./versions.ts";

class Account implements NameAccount {
  names = 0;
  readonly limit: number;

  constructor(limit = 1_000) {
    this.limit = limit;
  }

  reserveName(): boolean {
    if (this.names >= this.limit) return false;
    this.names++;
    return true;
  }

  releaseName(): void {
    this.names--;
  }
}

const process = (processId: number): Registered => ({ nodeId: 0n, processId: BigInt(processId) });

describe("Registry", () => {
  it("finds names byte for byte: a version is part of the name", () => {
    const registry = new Registry();
    const account = new Account();
    registry.put("x@1.2.0", process(7), account);
    registry.put("x@1.9.0", process(8), account);
    expect(registry.get("x@1.2.0")).to.include({ processId: 7n });
    expect([registry.get("x"), registry.get("x@1.2"), registry.get("X@1.2.0")]).to.deep.equal([
      undefined,
      undefined,
      undefined,
    ]);
  });

  it("the last put counts, and names are counted once", () => {
    const registry = new Registry();
    const account = new Account();
    registry.put("n", process(1), account);
    registry.put("n", process(2), account);
    expect(registry.get("n")).to.include({ processId: 2n });
    expect(account.names).to.equal(1);
    registry.remove("n");
    registry.remove("n");
    expect([account.names, registry.size]).to.deep.equal([0, 0]);
  });

  it("an account that is full refuses and changes nothing", () => {
    const registry = new Registry();
    const account = new Account(1);
    expect(registry.put("a", process(1), account)).to.equal(true);
    expect(registry.put("b", process(2), account)).to.equal(false);
    expect(registry.get("a")).to.include({ processId: 1n });
    expect(registry.get("b")).to.equal(undefined);
    expect(registry.put("a", process(3), account)).to.equal(true);
    expect(registry.get("a")).to.include({ processId: 3n });
    expect(account.names).to.equal(1);
  });

  it("lookup gives the newest version in the range, of exactly that name", () => {
    const registry = new Registry();
    const account = new Account();
    const names = ["c@1.2.0", "c@1.10.0", "c@2.0.0", "c@1.11.0-rc.1", "cc@1.99.0", "c@latest", "c"];
    names.forEach((name, i) => {
      registry.put(name, process(i), account);
    });
    const found = (name: string, range: string) => registry.lookup(name, parseVersionRange(range)!).found?.processId;
    expect(found("c", "^1.2")).to.equal(1n);
    expect(found("c", "*")).to.equal(2n);
    expect(found("c", "^3")).to.equal(undefined);
    registry.remove("c@1.10.0");
    expect(found("c", "^1.2")).to.equal(0n);
    expect(found("nobody", "*")).to.equal(undefined);
  });

  it("a reserved name is registered at the end of the reservation, unless somebody came later", () => {
    const registry = new Registry();
    const account = new Account();
    const begin = (name: string) => {
      const result = registry.reserve(name);
      if (!("reservation" in result)) throw new Error("pending");
      return result.reservation;
    };
    const first = begin("a");
    let woken = 0;
    const second = registry.reserve("a");
    expect(second).to.have.property("pending", first);
    first.waiting.push(() => woken++);
    expect(registry.get("a")).to.equal(undefined);
    registry.release(first, process(5), account);
    registry.release(first, process(6), account);
    expect(registry.get("a")).to.include({ processId: 5n });
    expect(woken).to.equal(1);

    const overtaken = begin("b");
    registry.put("b", process(9), account);
    registry.release(overtaken, process(8), account);
    expect(registry.get("b")).to.include({ processId: 9n });

    const failed = begin("c");
    registry.release(failed, null, account);
    expect(registry.get("c")).to.equal(undefined);
  });
});
