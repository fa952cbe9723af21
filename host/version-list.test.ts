import { expect } from "chai";
import fc from "fast-check";
import { type Versioned, VersionList } from "./version-list.ts";
import { compareVersions, isInRange, parseVersion, parseVersionRange, type VersionRange } from "./versions.ts";

function newest(items: readonly Versioned[], range: VersionRange): Versioned | null {
  const fitting = items.filter(({ version }) => isInRange(version, range));
  return fitting.toSorted((a, b) => compareVersions(b.version, a.version) || a.order - b.order)[0] ?? null;
}

describe("versions of a name", () => {
  const small = fc.constantFrom("0", "1", "2", "3");
  const pre = fc.constantFrom("", "", "", "-a", "-a.1", "-a.b", "-1", "-2.x", "-rc+build", "+build");
  const version = fc.tuple(small, small, small, pre).map(([a, b, c, tail]) => `${a}.${b}.${c}${tail}`);
  const operator = fc.constantFrom("", "^", "~", "=", "<", "<=", ">", ">=");
  const part = fc.oneof(
    fc.tuple(operator, version).map((texts) => texts.join("")),
    fc.tuple(operator, small, small).map(([op, a, b]) => `${op}${a}.${b}`),
    fc.tuple(operator, small).map((texts) => texts.join("")),
    fc.constantFrom("1.*", "2.1.x"),
  );
  const range = fc.oneof(
    fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join(", ")),
    fc.constant("*"),
  );

  it("are found as if each was compared, whatever was put and removed", () => {
    fc.assert(
      fc.property(
        fc.array(version, { maxLength: 60 }),
        fc.array(fc.nat(100), { maxLength: 30 }),
        fc.array(range, { minLength: 1, maxLength: 5 }),
        (texts, removed, ranges) => {
          const list = new VersionList<Versioned>();
          let items = texts.map((text, order): Versioned => ({ version: parseVersion(text)!, order }));
          for (const item of items) list.add(item);
          for (const index of removed) {
            const item = items[index];
            if (item === undefined) continue;
            list.delete(item);
            items = items.filter((other) => other !== item);
          }
          expect(list.size).to.equal(items.length);
          for (const text of ranges) {
            const wanted = parseVersionRange(text)!;
            expect(list.newest(wanted), text).to.equal(newest(items, wanted));
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  it("are looked at few at a time, however many there are, and no more than is said before", () => {
    let looks = 0;
    const list = new VersionList<Versioned>();
    const items: Versioned[] = [];
    const add = (text: string): void => {
      const parsed = parseVersion(text)!;
      const item = {
        get version() {
          looks++;
          return parsed;
        },
        order: items.length,
      };
      items.push(item);
      list.add(item);
    };
    for (let i = 0; i < 10_000; i++) {
      add(`1.${(i * 7_919) % 100}.${i}`);
      add(`2.0.0-beta.${(i * 7_919) % 10_000}`);
    }
    const check = (text: string, expected: string | null): void => {
      const wanted = parseVersionRange(text)!;
      looks = 0;
      const found = list.newest(wanted);
      expect(looks, text).to.be.at.most(list.maxCompared(wanted) + 2);
      expect(list.maxCompared(wanted)).to.be.at.most(66);
      const { major, minor, patch, pre } = found?.version ?? { major: 0, minor: 0, patch: 0, pre: [] };
      expect(found === null ? null : `${major}.${minor}.${patch}-${pre.join(".")}`, text).to.equal(expected);
    };
    check("*", "1.99.9921-");
    check(">=2", null);
    check("=1.5.5", null);
    check("^2.0.0-beta.17", "2.0.0-beta.9999");
    check(">=2.0.0-beta.3, <2.0.0-beta.5", "2.0.0-beta.4");
    // Those that stay are spread over all chunks.
    for (const [i, item] of items.entries()) if (i % 500 > 1) list.delete(item);
    expect(list.size).to.equal(80);
    check("*", "1.50.9750-");
    check("^2.0.0-beta.1", "2.0.0-beta.9750");
  });
});
