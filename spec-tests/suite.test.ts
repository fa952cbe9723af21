import { expect } from "chai";
import { Engine } from "../vm/index.ts";
import { validateScript } from "./modules.ts";
import { type Mode, modeText } from "./options.ts";
import { runScript } from "./runner.ts";
import { FOLDERS_OF_3_0, foldersOf, HOW_TO_GET_THE_SUITE, readScript, selectFiles, suiteRoot } from "./suite.ts";

/** Quick scripts that reach most of the engine; the whole suite is `npm run spec`. */
const EXECUTED = [
  "block",
  "br_table",
  "call",
  "call_indirect",
  "conversions",
  "data",
  "elem",
  "f32",
  "f64_bitwise",
  "fac",
  "global",
  "i32",
  "i64",
  "imports",
  "linking",
  "loop",
  "memory_trap",
  "nop",
  "return_call",
  "select",
  "start",
  "table_copy",
  "traps",
  "supplement/threads/atomic.wast",
  "supplement/threads/wait_notify.wast",
  "proposals/custom-page-sizes/custom-page-sizes.wast",
  "wide-arithmetic",
];

const VALIDATED = ["annotations", "binary", "custom", "func", "names", "type-rec", "simd_const", "ref"];

describe("official suite, a selection", () => {
  const root = suiteRoot();

  before(function () {
    if (root !== null) return;
    console.log(`\n${HOW_TO_GET_THE_SUITE}`);
    this.skip();
  });

  it("has every file of folders.json, the supplement in its place", () => {
    const folders = foldersOf(root ?? "");
    for (const folder of [...FOLDERS_OF_3_0, "threads"]) expect(folders.get(folder), folder).to.not.equal(undefined);
    const names = (folders.get("core") ?? []).map(({ name }) => name);
    expect(names).to.include.members([
      "supplement/spec-main/return_call.wast",
      "supplement/spec-main/memory_grow.wast",
    ]);
    expect(names).to.not.include("return_call.wast");
    expect((folders.get("multi-memory") ?? []).map(({ name }) => name)).to.include("memory_grow.wast");
  });

  it("malformed and invalid modules are refused for the right reason, valid ones accepted", () => {
    for (const file of selectFiles(root, VALIDATED)) {
      expect(validateScript(file, readScript(file)).failures, file.name).to.deep.equal([]);
    }
  });

  const modes: Mode[] = [{ kind: "unlimited" }, { kind: "exact", fuel: 7 }];
  for (const mode of modes) {
    it(`runs and passes, ${modeText(mode)}`, async () => {
      const engine = new Engine();
      for (const file of selectFiles(root, EXECUTED)) {
        const result = await runScript(file, readScript(file), { mode, engine, lowering: "lazy", trace: false });
        expect(result.failures, file.name).to.deep.equal([]);
        expect(result.passed, file.name).to.be.greaterThan(0);
      }
    });
  }
});
