import { expect } from "chai";
import fc from "fast-check";
import { compareVersions, isInRange, MAX_RANGE_LENGTH, parseVersion, parseVersionRange } from "./versions.ts";

const fits = (version: string, range: string): boolean => {
  const parsed = parseVersion(version);
  const wanted = parseVersionRange(range);
  if (parsed === null || wanted === null) throw new Error(`malformed: ${version} or ${range}`);
  return isInRange(parsed, wanted);
};

describe("version requirements", () => {
  const cases: readonly [range: string, inside: string[], outside: string[]][] = [
    ["^1.2", ["1.2.0", "1.2.9", "1.9.0"], ["1.1.9", "2.0.0", "1.3.0-rc.1"]],
    ["1.2", ["1.2.0", "1.9.0"], ["1.1.9", "2.0.0"]],
    ["1", ["1.0.0", "1.9.9"], ["0.9.0", "2.0.0"]],
    ["^1.2.3", ["1.2.3", "1.2.4", "1.3.0"], ["1.2.2", "2.0.0"]],
    ["^0.2.3", ["0.2.3", "0.2.9"], ["0.2.2", "0.3.0"]],
    ["^0.2", ["0.2.0", "0.2.9"], ["0.1.0", "0.3.0"]],
    ["^0.0.3", ["0.0.3"], ["0.0.2", "0.0.4", "0.1.0"]],
    ["^0.0", ["0.0.0", "0.0.9"], ["0.1.0"]],
    ["^0", ["0.0.0", "0.9.9"], ["1.0.0"]],
    ["~1.2.3", ["1.2.3", "1.2.9"], ["1.2.2", "1.3.0"]],
    ["~1.2", ["1.2.0", "1.2.9"], ["1.1.0", "1.3.0"]],
    ["~1", ["1.0.0", "1.9.0"], ["2.0.0"]],
    ["=1.2.3", ["1.2.3", "1.2.3+build"], ["1.2.4"]],
    ["=1.2", ["1.2.0", "1.2.7"], ["1.3.0"]],
    [">1.2", ["1.3.0", "2.0.0"], ["1.2.9", "1.2.0"]],
    [">=1.2", ["1.2.0", "3.0.0"], ["1.1.9"]],
    ["<1.2.3", ["1.2.2", "0.1.0"], ["1.2.3", "1.3.0"]],
    ["<=1.2", ["1.2.9", "1.0.0"], ["1.3.0"]],
    ["*", ["0.0.0", "9.9.9"], ["1.0.0-alpha"]],
    ["1.*", ["1.0.0", "1.9.0"], ["2.0.0"]],
    ["1.2.*", ["1.2.0", "1.2.9"], ["1.3.0"]],
    [">=1.2, <1.5", ["1.2.0", "1.4.9"], ["1.1.0", "1.5.0"]],
    ["^1.2.3-beta.2", ["1.2.3-beta.2", "1.2.3-beta.11", "1.2.3", "1.9.0"], ["1.2.3-beta.1", "1.2.4-beta.3"]],
  ];
  for (const [range, inside, outside] of cases) {
    it(`${range} takes ${inside.join(", ")} and not ${outside.join(", ")}`, () => {
      expect(inside.filter((version) => !fits(version, range))).to.deep.equal([]);
      expect(outside.filter((version) => fits(version, range))).to.deep.equal([]);
    });
  }

  it("are refused when malformed", () => {
    const texts = [
      "",
      " ",
      "a",
      "1.",
      "1..2",
      "^",
      "^*",
      "01",
      "1.2.3.4",
      "1,",
      ",1",
      "1 2",
      "*, 1",
      "1.*.3",
      "1.2.3-",
    ];
    expect(texts.filter((text) => parseVersionRange(text) !== null)).to.deep.equal([]);
    expect(parseVersionRange("1".repeat(MAX_RANGE_LENGTH + 1))).to.equal(null);
  });

  it("take any text in linear time, without throwing", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[\^~<>=*x0-9., -]{0,300}$/)), (text) => {
        parseVersionRange(text);
        parseVersion(text);
      }),
    );
  });
});

describe("versions", () => {
  it("are ordered by precedence", () => {
    const order = ["1.0.0-1", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta.2", "1.0.0-beta.11"];
    const versions = [...order, "1.0.0-rc.1", "1.0.0", "1.0.1", "1.2.0", "10.0.0"].map((text) => parseVersion(text)!);
    expect(versions.toReversed().toSorted(compareVersions)).to.deep.equal(versions);
  });

  it("have three numbers", () => {
    const texts = ["1", "1.2", "1.2.x", "v1.2.3", "1.2.3 ", "1.02.3", "1.2.3-01", "1.2.3+", "9999999999999999.0.0"];
    expect(texts.filter((text) => parseVersion(text) !== null)).to.deep.equal([]);
  });
});
