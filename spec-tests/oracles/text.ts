/**
 * `npm run oracle:text`: every valid text module of the suite, parsed and encoded by us and by
 * wasm-tools (in the package of oracles), must give the same bytes, or the same after theirs went
 * through our decoder and encoder: the format leaves choices, such as the flags of a segment. The
 * name section is left out.
 */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { decodeModule } from "../../vm/binary/decode.ts";
import { encodeModule } from "../../vm/binary/encode.ts";
import type { Module } from "../../vm/module.ts";
import type { Command, ModuleSource } from "../../vm/text/commands.ts";
import { Kind, type Tokens, tokenize } from "../../vm/text/lexer.ts";
import { parseScript } from "../../vm/text/script.ts";
import { stringBytes } from "../../vm/text/strings.ts";
import { columns } from "../report.ts";
import { DEFAULT_FOLDERS, HOW_TO_GET_THE_SUITE, selectFiles, type SuiteFile, suiteRoot } from "../suite.ts";
import { errorText } from "../verdict.ts";

const ORACLES = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..", "spec-tests", "oracles");
const DIFFERENCES_SHOWN = 40;

/** Where the two differ and we follow the specification, with the reason. */
const REUSED = "a function without a type use takes the first equal type (spec: text-typeuse), wasm-tools adds one";
const EXPLAINED: ReadonlyMap<string, string> = new Map([
  ["type-rec.wast:45", REUSED],
  ["type-rec.wast:185", REUSED],
  ["type-rec.wast:197", REUSED],
  ["type-subtyping.wast:344", REUSED],
  ["type-subtyping.wast:373", REUSED],
  ["custom/branch_hint.wast:1", "the hint belongs to the folded `if`, wasm-tools gives it to its condition"],
  ["names.wast:19", "wasm-tools refuses some characters in the text, the specification does not"],
]);

interface WasmTools {
  parse(text: string): Promise<Uint8Array>;
}

interface TextModule {
  readonly line: number;
  readonly text: string;
  readonly source: ModuleSource;
}

async function loadWasmTools(): Promise<WasmTools | null> {
  try {
    const require = createRequire(join(ORACLES, "package.json"));
    return (await import(require.resolve("@bytecodealliance/jco-transpile/wasm-tools"))) as WasmTools;
  } catch {
    return null;
  }
}

/** The valid text modules of a script, each with its text cut out and `(module definition` made `(module`. */
function textModules(file: SuiteFile): TextModule[] {
  const content = readFileSync(file.path, "utf8");
  const texts = moduleTexts(tokenize(content));
  const sources = sourcesOf(parseScript(content).commands);
  // A script may be one module's fields alone.
  if (texts.length === 0 && sources.length === 1) texts.push(`(module ${content})`);
  if (texts.length !== sources.length) throw new Error(`${texts.length} modules in the text, ${sources.length} parsed`);
  return sources.flatMap(({ source, valid }, index) => {
    const text = texts[index];
    return text === undefined || text === null || !valid ? [] : [{ line: source.line, text, source }];
  });
}

/** Every module of the script in the order of the text; whether the script takes it for valid. */
function sourcesOf(commands: readonly Command[]): { source: ModuleSource; valid: boolean }[] {
  return commands.flatMap((command) => {
    if (command.kind === "thread") return sourcesOf(command.commands);
    if (!("source" in command)) return [];
    const valid =
      command.kind === "module" || command.kind === "assert_unlinkable" || command.kind === "assert_module_trap";
    return [{ source: command.source, valid }];
  });
}

/** The text of every module form of a script; null for one given in binary. */
function moduleTexts(tokens: Tokens): (string | null)[] {
  const texts: (string | null)[] = [];
  for (let at = 0; at < tokens.count; at++) {
    if (tokens.kinds[at] !== Kind.Open || tokens.word(at + 1) !== "module") continue;
    // `(shared (module $id))` names an instance.
    if (at >= 2 && tokens.word(at - 1) === "shared") continue;
    let head = at + 2;
    if (tokens.word(head) === "instance") continue;
    const isDefinition = tokens.word(head) === "definition";
    if (isDefinition) head++;
    const fields = head;
    if (tokens.word(head).startsWith("$")) head++;
    const end = tokens.partners[at] ?? at;
    const format = tokens.word(head);
    if (format === "binary") texts.push(null);
    else if (format === "quote") texts.push(quotedText(tokens, head + 1, end));
    else texts.push(`(module ${tokens.text.slice(tokens.starts[fields], tokens.ends[end])}`);
    at = end;
  }
  return texts;
}

function quotedText(tokens: Tokens, from: number, to: number): string {
  const parts: Uint8Array[] = [];
  for (let at = from; at < to; at++) {
    parts.push(stringBytes(tokens.text, tokens.starts[at] ?? 0, tokens.ends[at] ?? 0));
  }
  const text = Buffer.concat(parts).toString("utf8");
  return /^\s*(\(;.*?;\)\s*|;;.*\n\s*)*\(module\b/s.test(text) ? text : `(module ${text})`;
}

/** The module's bytes without its name section. */
function withoutNames(bytes: Uint8Array): Buffer {
  const module: Module = decodeModule(bytes);
  const kept: Uint8Array[] = [];
  let from = 0;
  for (const custom of module.customs) {
    if (custom.name !== "name") continue;
    kept.push(bytes.subarray(from, sectionStart(bytes, custom.start, custom.end)));
    from = custom.end;
  }
  return Buffer.concat([...kept, bytes.subarray(from)]);
}

/** Where the custom section begins whose content starts after the name "name": id, size, length and four letters. */
function sectionStart(bytes: Uint8Array, contentStart: number, contentEnd: number): number {
  const payload = contentStart - 5;
  for (let start = payload - 2; start >= 8; start--) {
    let size = 0;
    let at = start + 1;
    for (let shift = 0; at < payload; shift += 7) {
      const byte = bytes[at++] ?? 0;
      size += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    if (bytes[start] === 0 && at === payload && payload + size === contentEnd) return start;
  }
  throw new Error("the name section's header was not found");
}

async function main(): Promise<number> {
  const root = suiteRoot();
  if (root === null) {
    console.log(HOW_TO_GET_THE_SUITE);
    return 0;
  }
  const tools = await loadWasmTools();
  if (tools === null) {
    console.log("wasm-tools is not installed: npm run oracles:install");
    return 2;
  }
  const rows = [["folder", "texts", "equal bytes", "equal module", "different", "refused by wasm-tools"]];
  const differences: string[] = [];
  let unexplained = 0;
  const report = (place: string, difference: string): void => {
    const reason = EXPLAINED.get(place);
    if (reason === undefined) unexplained++;
    differences.push(`${place} ${reason ?? difference}`);
  };
  for (const folder of DEFAULT_FOLDERS) {
    const counts = { texts: 0, equal: 0, recoded: 0, different: 0, refused: 0 };
    for (const file of selectFiles(root, [folder])) {
      for (const { line, text, source } of textModules(file)) {
        counts.texts++;
        let theirs: Uint8Array;
        try {
          theirs = await tools.parse(text);
        } catch (error) {
          counts.refused++;
          report(`${file.name}:${line}`, `refused by wasm-tools: ${errorText(error).slice(0, 120)}`);
          continue;
        }
        const [one, other] = [withoutNames(source.encode()), withoutNames(theirs)];
        if (one.equals(other)) counts.equal++;
        else if (one.equals(encodeModule(decodeModule(other)))) counts.recoded++;
        else {
          counts.different++;
          const at = one.findIndex((byte, index) => byte !== other[index]);
          report(`${file.name}:${line}`, `differs at byte ${at} (${one.length} and ${other.length} bytes)`);
        }
      }
    }
    rows.push([folder, ...[counts.texts, counts.equal, counts.recoded, counts.different, counts.refused].map(String)]);
  }
  console.log(columns(rows));
  if (differences.length > 0) console.log(`\n${differences.slice(0, DIFFERENCES_SHOWN).join("\n")}`);
  console.log(`\n${unexplained} differences are not explained`);
  return unexplained === 0 ? 0 : 1;
}

process.exitCode = await main();
