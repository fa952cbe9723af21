import { expect } from "chai";
import { encodeModule } from "../vm/binary/encode.ts";
import { parseModule } from "../vm/text/parser.ts";
import { INSTRUCTIONS } from "../vm/opcodes.ts";
import { compileSync } from "../vm/index.ts";
import { HOST_CASES, hostRunnable } from "./host-price-cases.ts";
import { allCases, PRICED_ENGINE } from "./price-cases.ts";

describe("bench:prices", () => {
  it("measures every instruction of the table or says why not", () => {
    const cases = allCases();
    expect(cases.length).to.equal(Object.keys(INSTRUCTIONS).length);
    expect(cases.filter((each) => each.cases.length === 0 && each.reason === null)).to.deep.equal([]);
  });

  it("runs every case of a host function", async () => {
    for (const each of HOST_CASES) {
      const run = hostRunnable(each);
      expect((await run(2)).fuel - (await run(1)).fuel, each.name).to.be.above(10);
    }
  });

  it("writes a valid module for each case", () => {
    for (const { cases } of allCases()) {
      for (const { mnemonic, operands, text } of cases) {
        expect(
          () => compileSync(encodeModule(parseModule(text, PRICED_ENGINE)), { engine: PRICED_ENGINE }),
          `${mnemonic} ${operands}`,
        ).to.not.throw();
      }
    }
  });
});
