import { expect } from "chai";
import { decodeModule, Section } from "./decode.ts";
import { readNames, type ModuleNames } from "./names.ts";
import { concat, moduleOf, name, section, uleb, type Bytes } from "./testing.ts";

function namesOf(...subsections: Bytes[]): ModuleNames {
  return readNames(decodeModule(moduleOf(section(Section.Custom, name("name"), ...subsections))));
}

function subsection(id: number, ...parts: Bytes[]): Uint8Array {
  const content = concat(...parts);
  return concat([id], uleb(content.length), content);
}

describe("readNames", () => {
  it("gives the names of the module, of indices and of pairs of indices", () => {
    const names = namesOf(
      subsection(0, name("fib")),
      subsection(1, [2], [0], name("main"), [200, 1], name("é")),
      subsection(2, [1], [3], [2], [0], name("x"), [1], name("y")),
      subsection(7, [1], [0], name("counter")),
      subsection(10, [1], [4], [1], [0], name("field")),
    );
    expect(names.moduleName).to.equal("fib");
    expect(names.funcName(0)).to.equal("main");
    expect(names.funcName(200)).to.equal("é");
    expect(names.funcName(1)).to.equal(null);
    expect(names.indirectName("local", 3, 1)).to.equal("y");
    expect(names.indirectName("local", 2, 1)).to.equal(null);
    expect(names.name("global", 0)).to.equal("counter");
    expect(names.name("tag", 0)).to.equal(null);
    expect(names.indirectName("field", 4, 0)).to.equal("field");
  });

  it("finds any of many names, as far as their indices ascend", () => {
    const many = Array.from({ length: 500 }, (_, i) => concat(uleb(i * 3), name(`f${i}`)));
    const locals = Array.from({ length: 50 }, (_, i) => concat(uleb(i), [2], [0], name(`a${i}`), [4], name(`b${i}`)));
    const names = namesOf(
      subsection(1, uleb(502), ...many, [5], name("late"), [...uleb(9_000)], name("last")),
      subsection(2, [50], ...locals),
    );
    for (const i of [0, 1, 255, 498, 499]) expect(names.funcName(i * 3)).to.equal(`f${i}`);
    expect([names.funcName(1), names.funcName(5), names.funcName(9_000)]).to.deep.equal([null, null, null]);
    for (const i of [0, 7, 49, 7]) {
      expect([0, 1, 4].map((local) => names.indirectName("local", i, local))).to.deep.equal([`a${i}`, null, `b${i}`]);
    }
  });

  it("has no names without a name section", () => {
    const names = readNames(decodeModule(moduleOf()));
    expect(names.moduleName).to.equal(null);
    expect(names.funcName(0)).to.equal(null);
    expect(names.indirectName("local", 0, 0)).to.equal(null);
  });

  it("never throws: what is malformed has no name, what comes before it has", () => {
    const cut = namesOf(subsection(1, [2], [0], name("main"), [1], [99, 0x61]));
    expect(cut.funcName(0)).to.equal("main");
    expect(cut.funcName(1)).to.equal(null);
    expect(namesOf(subsection(1, [1], [0], [1, 0xff])).funcName(0)).to.equal(null);
    expect(namesOf([1, 0xff, 0xff, 0xff, 0xff, 0x0f]).funcName(0)).to.equal(null);
    expect(namesOf(subsection(1, [0xff, 0xff, 0xff, 0xff, 0x0f], [0], name("f"))).funcName(0)).to.equal(null);
    expect(namesOf(subsection(2, [1], [0], [5])).indirectName("local", 0, 0)).to.equal(null);
    expect(namesOf(subsection(0)).moduleName).to.equal(null);
  });
});
