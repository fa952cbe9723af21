import { expect } from "chai";
import { UsageError } from "./exit.ts";
import { environmentOf, parseBytes, parseCount, parseDirectory, parseDuration } from "./options.ts";

describe("values of options", () => {
  it("counts may be grouped and have an exponent", () => {
    const cases: [string, number][] = [
      ["1", 1],
      ["1_000_000", 1_000_000],
      ["1e9", 1e9],
    ];
    for (const [text, value] of cases) expect(parseCount("--fuel", text), text).to.equal(value);
    for (const text of ["", "0", "-1", "1.5", "1e-2", "x", "1e99", "0x10", "Infinity"]) {
      expect(() => parseCount("--fuel", text), text).to.throw(UsageError, "--fuel");
    }
    expect(() => parseCount("--fuel", "1e99")).to.throw("--fuel is at most 9007199254740991, less than '1e99'");
  });

  it("bytes have units of 1,024", () => {
    const cases: [string, number][] = [
      ["65536", 65_536],
      ["64K", 65_536],
      ["64k", 65_536],
      ["16MB", 16_777_216],
      ["2GiB", 2_147_483_648],
    ];
    for (const [text, value] of cases) expect(parseBytes("--max-memory", text), text).to.equal(value);
    for (const text of ["", "M", "1T", "1.5M", "-1", "0"]) {
      expect(() => parseBytes("--max-memory", text), text).to.throw(UsageError, "--max-memory");
    }
    expect(() => parseBytes("--max-memory", "0M")).to.throw("such as 65536, 64K, 16M or 2G, not '0M'");
    // The number alone would be exact, the bytes are not.
    for (const text of ["9007199254740992", "99_999_999G"]) {
      expect(() => parseBytes("--max-memory", text)).to.throw(`at most 9007199254740991, less than '${text}'`);
    }
  });

  it("durations are seconds unless they say otherwise", () => {
    const cases: [string, number][] = [
      ["2", 2_000],
      ["500ms", 500],
      ["1.5s", 1_500],
      ["5m", 300_000],
      ["1h", 3_600_000],
    ];
    for (const [text, value] of cases) expect(parseDuration("--timeout", text), text).to.equal(value);
    for (const text of ["", "0", "s", "-1s", "1d", "1e3s"]) {
      expect(() => parseDuration("--timeout", text), text).to.throw(UsageError, "--timeout");
    }
  });

  it("directories have a place in the guest and may be read-only", () => {
    const cases: [string, string, string, boolean][] = [
      [".", ".", ".", false],
      ["data::/data", "data", "/data", false],
      ["data:/data", "data", "/data", false],
      ["data::/data:ro", "data", "/data", true],
      ["data:ro", "data", "data", true],
      ["data:rw", "data", "data", false],
      ["C:\\data::/data", "C:\\data", "/data", false],
    ];
    for (const [text, hostPath, guestPath, readOnly] of cases) {
      expect(parseDirectory(text), text).to.deep.equal({ hostPath, guestPath, readOnly });
    }
    for (const text of ["", "::/x", "x::", ":ro"])
      expect(() => parseDirectory(text), text).to.throw(UsageError, "--dir");
  });

  it("variables are given, passed on by name, or inherited; the last one wins", () => {
    const own = { HOME: "/root", EMPTY: "", __proto__: null as never };
    expect(environmentOf(["A=1", "B=x=y", "HOME", "MISSING", "A=2"], false, own)).to.deep.equal([
      "A=2",
      "B=x=y",
      "HOME=/root",
    ]);
    expect(environmentOf(["HOME=/"], true, own)).to.deep.equal(["HOME=/", "EMPTY="]);
    for (const text of ["", "=1"]) expect(() => environmentOf([text], false, own)).to.throw(UsageError, "--env");
  });
});
