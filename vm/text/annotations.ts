/** The custom sections a text asks for: `@custom` annotations, and those generated from hints (spec: text-annot). */

import { Section } from "../binary/decode.ts";
import { SECTION_ORDER } from "../binary/encode.ts";
import { malformed, type MalformedMessage } from "../errors.ts";
import type { CustomSection } from "../module.ts";
import type { Context } from "./context.ts";
import { type Annotation, Kind, type Token } from "./lexer.ts";
import { stringBytes, utf8Text } from "./strings.ts";

/** Names of sections in placements. */
const SECTION_NAMES: ReadonlyMap<string, Section> = new Map([
  ["type", Section.Type],
  ["import", Section.Import],
  ["func", Section.Func],
  ["table", Section.Table],
  ["memory", Section.Memory],
  ["tag", Section.Tag],
  ["global", Section.Global],
  ["export", Section.Export],
  ["start", Section.Start],
  ["elem", Section.Element],
  ["datacount", Section.DataCount],
  ["code", Section.Code],
  ["data", Section.Data],
]);

const LAST_SECTION = Section.Data;

/** Reads one `@custom` annotation and writes its content. */
export function parseCustom(context: Context, annotation: Annotation): CustomSection {
  const { tokens } = context.cursor;
  const { text } = tokens;
  const fail = (message: MalformedMessage, token?: Token) =>
    malformed(message, tokens.place(token?.start ?? annotation.start));
  const parts = annotation.tokens;
  const nameToken = parts[0];
  if (nameToken?.kind !== Kind.String) throw fail("@custom annotation: missing section name", nameToken);
  const name = utf8Text(stringBytes(text, nameToken.start, nameToken.end));
  if (name === null) throw fail("@custom annotation: malformed UTF-8 encoding", nameToken);
  let place: Section = LAST_SECTION;
  let next = 1;
  if (parts[next]?.kind === Kind.Open) {
    const words = parts.slice(2, 4).map((token) => text.slice(token.start, token.end));
    if (words[0] !== "before" && words[0] !== "after") throw fail("@custom annotation: malformed placement", parts[2]);
    const section = placement(words[0], words[1] ?? "");
    if (section === null) throw fail("@custom annotation: malformed section kind", parts[3]);
    if (parts[4]?.kind !== Kind.Close) throw fail("@custom annotation: unexpected token", parts[4]);
    place = section;
    next = 5;
  }
  const start = context.out.length;
  for (const token of parts.slice(next)) {
    if (token.kind !== Kind.String) throw fail("@custom annotation: unexpected token", token);
    context.out.bytes(stringBytes(text, token.start, token.end));
  }
  return { name, start, end: context.out.length, place };
}

/** The section after which "before" or "after" `kind` puts a custom section; null if there is no such kind. */
function placement(side: "before" | "after", kind: string): Section | null {
  if (side === "before" && kind === "first") return Section.Custom;
  if (side === "after" && kind === "last") return LAST_SECTION;
  const section = SECTION_NAMES.get(kind);
  if (section === undefined) return null;
  return side === "after" ? section : (SECTION_ORDER[SECTION_ORDER.indexOf(section) - 1] ?? Section.Custom);
}

/** How a placement after `section` is written. */
export function placementText(section: number): string {
  if (section === Section.Custom) return "(before first)";
  for (const [name, id] of SECTION_NAMES) if (id === section && id !== LAST_SECTION) return `(after ${name})`;
  return "(after last)";
}

/** The section `metadata.code.branch_hint`, just before the code, if there are hints. */
export function branchHintSection(context: Context): CustomSection | null {
  const { out, hints } = context;
  if (hints.length === 0) return null;
  const start = out.length;
  out.u32(hints.length);
  for (const { func, hints: inFunction } of hints) {
    out.u32(func);
    out.u32(inFunction.length);
    for (const { offset, likely } of inFunction) {
      out.u32(offset);
      out.u32(1);
      out.u8(likely);
    }
  }
  return { name: "metadata.code.branch_hint", start, end: out.length, place: Section.DataCount };
}
