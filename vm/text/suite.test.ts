/** The official suite's texts: what must parse, what must not, and what printing gives back. */

import { expect } from "chai";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { decodeModule } from "../binary/decode.ts";
import { encodeModule } from "../binary/encode.ts";
import { CompileError } from "../errors.ts";
import { PROPOSALS } from "../proposals.ts";
import { parseModule } from "./parser.ts";
import { printModule } from "./print.ts";
import { type Command, parseScript } from "./script.ts";

const CHECKOUT = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..");
const ROOT = process.env["SPEC_TESTSUITE"] ?? join(CHECKOUT, "..", "shared", "spec-testsuite");

/** WebAssembly 3.0 and the text forms of custom sections. */
const FOLDERS = [
  "core",
  "bulk-memory",
  "exceptions",
  "gc",
  "memory64",
  "multi-memory",
  "relaxed-simd",
  "simd",
  "custom",
];
/** Their texts need to be asked for. */
const PROPOSED = PROPOSALS.map((name) => `proposals/${name}`);
const ALL = { proposals: new Set(PROPOSALS) };
const SUPPLEMENTS = ["supplement/spec-main", "supplement/threads"];

interface Located {
  readonly place: string;
  readonly command: Command & { readonly kind: string };
}

function commandsOf(folders: readonly string[]): Located[] {
  const listed = JSON.parse(readFileSync(join(ROOT, "folders.json"), "utf8")) as Record<string, string[]>;
  return folders.flatMap((folder) =>
    (listed[folder] ?? []).flatMap((file) => {
      const options = folder.startsWith("proposals/") ? ALL : {};
      const waiting = [...parseScript(readFileSync(join(ROOT, file)), options).commands];
      const commands: Located[] = [];
      for (let command = waiting.shift(); command !== undefined; command = waiting.shift()) {
        commands.push({ place: `${file}:${command.line}`, command });
        if (command.kind === "thread") waiting.unshift(...command.commands);
      }
      return commands;
    }),
  );
}

/** Modules that must be well-formed, and valid unless asked for otherwise. */
function modules(
  commands: readonly Located[],
  kinds: readonly string[],
): { place: string; format: string; encode(): Uint8Array }[] {
  return commands.flatMap(({ place, command }) =>
    "source" in command && kinds.includes(command.kind)
      ? [{ place, format: command.source.format, encode: () => command.source.encode() }]
      : [],
  );
}

const VALID = ["module", "assert_unlinkable", "assert_module_trap"];

describe("official suite, texts", () => {
  let commands: Located[] = [];
  let supplement: Located[] = [];

  before(function () {
    if (!existsSync(join(ROOT, "folders.json"))) {
      console.log("The official suite's data was not found (SPEC_TESTSUITE): its texts are skipped.");
      this.skip();
    }
    commands = commandsOf(FOLDERS);
    supplement = commandsOf(SUPPLEMENTS);
  });

  function rejected(found: readonly Located[], kinds: readonly string[]): number {
    let count = 0;
    for (const { place, command } of found) {
      if (!kinds.includes(command.kind) || !("source" in command) || command.source.format === "binary") continue;
      const { message } = command as { message: string };
      const kind = command.kind.startsWith("assert_invalid") ? "invalid" : "malformed";
      count++;
      try {
        command.source.encode();
        expect.fail(`${place}: not rejected: ${message}`);
      } catch (error) {
        if (!(error instanceof CompileError)) throw error;
        expect(error.kind, place).to.equal(kind);
        expect(error.reason.startsWith(message), `${place}: "${error.reason}" for "${message}"`).to.equal(true);
        expect(error.line, place).to.be.above(0);
      }
    }
    return count;
  }

  it("that are malformed are rejected with the suite's message", () => {
    expect(rejected(commands, ["assert_malformed"])).to.equal(1229);
    expect(rejected(supplement, ["assert_malformed"])).to.be.above(0);
  });

  it("with malformed or invalid annotations are rejected with the suite's message", () => {
    expect(rejected(commands, ["assert_malformed_custom", "assert_invalid_custom"])).to.equal(20);
  });

  it("that are valid are parsed, and decoded from what they are encoded to", () => {
    const texts = modules(commands, VALID).filter(({ format }) => format !== "binary");
    expect(texts).to.have.length(2422);
    for (const { place, encode } of texts.concat(modules(supplement, VALID))) {
      const bytes = encode();
      expect(Buffer.compare(encodeModule(decodeModule(bytes)), bytes), place).to.equal(0);
    }
  });

  it("printed from their binary and parsed again give that binary, the invalid ones too", () => {
    let count = 0;
    for (const { place, format, encode } of modules([...commands, ...supplement], [...VALID, "assert_invalid"])) {
      if (format === "binary") continue;
      const bytes = encode();
      let text: string;
      try {
        text = printModule(decodeModule(bytes));
      } catch (error) {
        // Some invalid modules are refused by the decoder.
        if (!(error instanceof CompileError)) throw error;
        continue;
      }
      expect(Buffer.compare(encodeModule(parseModule(text)), bytes), `${place}\n${text}`).to.equal(0);
      count++;
    }
    expect(count).to.be.above(5000);
  });

  it("of binary modules, printed and parsed, give what printing them again gives", () => {
    for (const { place, format, encode } of modules(commands, VALID)) {
      if (format !== "binary") continue;
      const text = printModule(decodeModule(encode()));
      expect(printModule(decodeModule(encodeModule(parseModule(text)))), place).to.equal(text);
    }
  });

  it("of proposals give the same binary when it is printed and parsed", () => {
    let count = 0;
    for (const { place, encode } of modules(commandsOf(PROPOSED), VALID)) {
      const text = printModule(decodeModule(encode(), ALL.proposals));
      const again = encodeModule(parseModule(text, ALL));
      expect(printModule(decodeModule(again, ALL.proposals)), place).to.equal(text);
      count++;
    }
    expect(count).to.be.above(40);
  });

  it("of simd and bulk-memory are accepted by the host's engine", () => {
    let accepted = 0;
    for (const { encode, format } of modules(commandsOf(["simd", "bulk-memory"]), VALID)) {
      if (format === "text" && WebAssembly.validate(encode())) accepted++;
    }
    // The rest needs what Node 20 does not have: several memories, references to types.
    expect(accepted).to.be.above(640);
  });
});
