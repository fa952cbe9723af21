import { expect } from "chai";
import fc from "fast-check";
import { MemberList, type Member, WalkedList } from "./member-list.ts";
import { hashOf, NumberTable } from "./number-table.ts";

describe("NumberTable", () => {
  it("behaves as a Map, its order included", () => {
    const number = fc.oneof(
      fc.nat(60),
      fc.nat(60).map((n) => n * 2 ** 40),
      fc.constantFrom(2 ** 31, 2 ** 32, 2 ** 53 - 1),
    );
    const command = fc.record({ kind: fc.constantFrom("set", "set", "get", "delete"), number, value: fc.nat() });
    fc.assert(
      fc.property(fc.array(command, { maxLength: 300 }), (commands) => {
        const table = new NumberTable<number>();
        const map = new Map<number, number>();
        for (const { kind, number, value } of commands) {
          expect(table.get(number)).to.equal(map.get(number));
          if (kind === "set") {
            table.set(number, value);
            map.set(number, value);
          } else if (kind === "delete") {
            expect(table.delete(number)).to.equal(map.get(number));
            map.delete(number);
          }
          expect(table.size).to.equal(map.size);
        }
        expect(table.entries()).to.deep.equal([...map]);
        expect(table.values()).to.deep.equal([...map.values()]);
      }),
      { numRuns: 200 },
    );
  });

  it("spreads numbers that were chosen to meet", () => {
    const count = 4_096;
    const chosen: ((i: number) => number)[] = [
      (i) => i,
      (i) => i * 2 ** 20,
      (i) => i * 2 ** 32,
      (i) => (i % 2 ** 20) * 2 ** 32 + i,
      (i) => i * 2 ** 32 + ((i ^ 0x5555) >>> 0),
    ];
    for (const number of chosen) {
      const buckets = new Set(Array.from({ length: count }, (_, i) => hashOf(number(i)) & (count - 1)));
      // By chance 0.632 of them have an entry.
      expect(buckets.size / count).to.be.above(0.55);
    }
  });

  it("gives up what has left: nothing that is in it is reached from there", () => {
    const table = new NumberTable<object>();
    for (let i = 0; i < 100; i++) table.set(i, {});
    for (let i = 0; i < 100; i++) table.delete(i);
    expect(table.size).to.equal(0);
    const list = new MemberList<Named>();
    const members = ["a", "b", "c"].map((name): Named => ({ name, earlier: null, later: null }));
    for (const member of members) list.add(member);
    const [a, b] = members;
    list.delete(b!);
    list.delete(b!);
    expect(b).to.deep.equal({ name: "b", earlier: null, later: null });
    expect(list.toArray().map(({ name }) => name)).to.deep.equal(["a", "c"]);
    list.delete(a!);
    expect(list.first?.name).to.equal("c");
    expect(list.size).to.equal(1);
  });

  it("is gone through while members come and go: each that stays once, and not for ever", () => {
    const list = new WalkedList<Named>();
    const member = (name: string): Named => ({ name, earlier: null, later: null });
    const members = [..."abcdefg"].map(member);
    for (const each of members) list.add(each);
    const seen: string[] = [];
    for (const { name } of list.walk()) {
      seen.push(name);
      const gone = { a: "abc", d: "d", f: "fg" }[name] ?? "";
      for (const each of members) if (gone.includes(each.name)) list.delete(each);
      list.add(member(name.toUpperCase()));
    }
    expect(seen.join("")).to.equal("adefADE");
    expect(list.toArray().map(({ name }) => name)).to.deep.equal([..."eADEFADE"]);
  });
});

interface Named extends Member<Named> {
  readonly name: string;
}
