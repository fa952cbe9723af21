import { expect } from "chai";
import { MAX_RESOURCES, RESOURCE_BYTES, ResourceTable } from "./resources.ts";

class Account {
  used = 0;
  readonly #limit: number;

  constructor(limit = Number.POSITIVE_INFINITY) {
    this.#limit = limit;
  }

  reserveBytes(byteLength: number): boolean {
    if (this.used + byteLength > this.#limit) return false;
    this.used += byteLength;
    return true;
  }

  releaseBytes(byteLength: number): void {
    this.used -= byteLength;
  }
}

describe("ResourceTable", () => {
  it("numbers begin at 0 and are not used again", () => {
    const table = new ResourceTable<string>(new Account());
    expect([table.add("a"), table.add("b")]).to.deep.equal([0, 1]);
    expect(table.drop(0)).to.equal(true);
    expect(table.add("c")).to.equal(2);
    expect([table.get(0), table.get(1), table.get(2)]).to.deep.equal([undefined, "b", "c"]);
    expect(table.drop(0)).to.equal(false);
  });

  it("every entry is counted until it goes", () => {
    const account = new Account(RESOURCE_BYTES * 2 + 10);
    const table = new ResourceTable<string>(account);
    expect(table.add("a", 10)).to.equal(0);
    expect(table.add("b")).to.equal(1);
    expect(table.add("c")).to.equal(null);
    expect(table.grow(1, 1)).to.equal(false);
    table.take(0);
    expect(account.used).to.equal(RESOURCE_BYTES);
    expect([table.grow(0, 1), table.grow(1, 5)]).to.deep.equal([false, true]);
    expect(account.used).to.equal(RESOURCE_BYTES + 5);
    table.dropSome(Number.POSITIVE_INFINITY);
    expect(account.used).to.equal(0);
  });

  it("what is dropped is disposed of, what is taken is not", () => {
    const gone: string[] = [];
    const table = new ResourceTable<string>(new Account(), 10, (value) => gone.push(value));
    for (const name of ["a", "b", "c"]) table.add(name);
    expect(table.take(0)).to.equal("a");
    table.drop(1);
    table.dropSome(Number.POSITIVE_INFINITY);
    expect(gone).to.deep.equal(["b", "c"]);
  });

  it(`holds ${MAX_RESOURCES} entries and no more`, () => {
    const table = new ResourceTable<number>(new Account());
    for (let i = 0; i < MAX_RESOURCES; i++) table.add(i);
    expect(table.add(0)).to.equal(null);
    table.drop(7);
    expect(table.add(0)).to.equal(MAX_RESOURCES);
  });
});
