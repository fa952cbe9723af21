import { expect } from "chai";
import fc from "fast-check";
import { collidingTags } from "./collisions.ts";
import { SeededRandom } from "./fakes.ts";
import { TagEntry, TagHash, TagSet, TagTable } from "./tag-table.ts";

const hashOf = (seed: number): TagHash => new TagHash(new SeededRandom(seed));

/** Entries compared while each tag is added and looked up once. */
function probesOf(tags: readonly bigint[], hash: TagHash): number {
  const table = new TagTable(hash);
  for (const tag of tags) table.add(new TagEntry(tag));
  for (const tag of tags) expect(table.get(tag)?.tag).to.equal(tag);
  return table.probes / tags.length;
}

describe("TagTable", () => {
  it("behaves as a Map", () => {
    const tag = fc.bigInt(-40n, 40n);
    const command = fc.record({ kind: fc.constantFrom("add", "add", "get", "delete"), tag });
    fc.assert(
      fc.property(fc.array(command, { maxLength: 300 }), fc.integer(), (commands, seed) => {
        const table = new TagTable(hashOf(seed));
        const map = new Map<bigint, TagEntry>();
        for (const { kind, tag } of commands) {
          const known = map.get(tag);
          if (kind === "get") expect(table.get(tag)).to.equal(known ?? null);
          else if (kind === "add" && known === undefined) {
            const entry = new TagEntry(tag);
            table.add(entry);
            map.set(tag, entry);
          } else if (kind === "delete" && known !== undefined) {
            table.delete(known);
            map.delete(tag);
          }
          expect(table.size).to.equal(map.size);
        }
        for (const [tag, entry] of map) expect(table.get(tag)).to.equal(entry);
      }),
      { numRuns: 100 },
    );
  });

  it("compares few entries, for chosen tags as for others", () => {
    const count = 5_000;
    const hash = hashOf(1);
    const numbered = Array.from({ length: count }, (_, i) => BigInt(i));
    const high = numbered.map((tag) => tag << 51n);
    for (const tags of [collidingTags(count), numbered, high, numbered.map((tag) => -tag)]) {
      expect(probesOf(tags, hash)).to.be.within(1, 2);
    }
  });

  it("has another order of its hashes with another key", () => {
    const tags = Array.from({ length: 1_000 }, (_, i) => BigInt(i));
    const equal = tags.filter((tag) => (hashOf(1).of(tag) & 7) === (hashOf(2).of(tag) & 7));
    expect(equal.length / tags.length).to.be.within(0.05, 0.25);
    const shared = new Set(tags.map((tag) => TagHash.shared.of(tag)));
    expect(shared.size).to.be.above(990);
  });

  it("shrinks as it is emptied and finds what is left", () => {
    const table = new TagTable(hashOf(5));
    const entries = Array.from({ length: 3_000 }, (_, i) => new TagEntry(BigInt(i) * 3n));
    for (const entry of entries) table.add(entry);
    for (const entry of entries.slice(5)) table.delete(entry);
    expect(table.size).to.equal(5);
    for (const entry of entries) expect(table.get(entry.tag)).to.equal(entry.tag < 15n ? entry : null);
  });
});

describe("TagSet", () => {
  it("has few and many tags, some of them twice, and no others", () => {
    for (const count of [0, 1, 8, 9, 1_000]) {
      const tags = Array.from({ length: count }, (_, i) => BigInt(i >> 1) - 2n);
      const set = new TagSet(tags, hashOf(count));
      expect([set.size, set.tags]).to.deep.equal([count, tags]);
      for (let tag = -3n; tag < 502n; tag++) expect(set.has(tag), `${tag} of ${count}`).to.equal(tags.includes(tag));
    }
  });

  it("is the same of tags and of their words, and finds their entries in a table", () => {
    const tag = fc.oneof(fc.bigInt(-5n, 5n), fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n));
    fc.assert(
      fc.property(fc.array(tag, { minLength: 9, maxLength: 30 }), fc.array(tag), fc.integer(), (tags, others, seed) => {
        const words = tags.flatMap((each) => [Number(BigInt.asIntN(32, each)), Number(BigInt.asIntN(32, each >> 32n))]);
        const table = new TagTable(hashOf(seed));
        for (const each of new Set([...tags.slice(3), ...others])) table.add(new TagEntry(each));
        for (const set of [new TagSet(words, hashOf(seed)), new TagSet(tags, hashOf(seed))]) {
          expect(set.tags).to.deep.equal(tags);
          for (const each of [...tags, ...others]) expect(set.has(each)).to.equal(tags.includes(each));
          const found: bigint[] = [];
          set.forEachIn(table, (entry) => found.push(entry.tag));
          expect(found).to.deep.equal(tags.filter((each) => table.get(each) !== null));
        }
      }),
      { numRuns: 50 },
    );
  });

  it("looks at few places, for chosen tags as for others", () => {
    const count = 4_096;
    const numbered = Array.from({ length: count }, (_, i) => BigInt(i));
    for (const tags of [collidingTags(count), numbered, numbered.map((tag) => tag << 51n)]) {
      const set = new TagSet(tags, hashOf(1));
      for (const tag of tags) expect(set.has(tag)).to.equal(true);
      for (const tag of tags) expect(set.has(tag ^ (1n << 40n))).to.equal(tags.includes(tag ^ (1n << 40n)));
      // To put them in, to find them, and not to find others.
      expect(set.probes / count).to.be.within(3, 8);
    }
  });
});
