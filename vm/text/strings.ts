/** String literals: what their characters and escapes stand for (spec: text-string). */

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text of `bytes`, or null where they are no UTF-8. */
export function utf8Text(bytes: Uint8Array): string | null {
  try {
    return decoder.decode(bytes);
  } catch {
    return null;
  }
}

const SIMPLE_ESCAPES: ReadonlyMap<string, number> = new Map([
  ["t", 0x09],
  ["n", 0x0a],
  ["r", 0x0d],
  ['"', 0x22],
  ["'", 0x27],
  ["\\", 0x5c],
]);

/** The bytes of the literal `text[start, end)`, quotes included, that the lexer has accepted. */
export function stringBytes(text: string, start: number, end: number): Uint8Array {
  const content = text.slice(start + 1, end - 1);
  if (!content.includes("\\")) return encoder.encode(content);
  // Every character takes at most three bytes per UTF-16 unit, escapes fewer.
  const bytes = new Uint8Array(content.length * 3);
  let length = 0;
  for (let i = 0; i < content.length; ) {
    const next = content.indexOf("\\", i);
    const plain = content.slice(i, next < 0 ? content.length : next);
    length += encoder.encodeInto(plain, bytes.subarray(length)).written;
    if (next < 0) break;
    const char = content.charAt(next + 1);
    const simple = SIMPLE_ESCAPES.get(char);
    if (simple !== undefined) {
      bytes[length++] = simple;
      i = next + 2;
    } else if (char === "u") {
      const close = content.indexOf("}", next);
      const code = Number.parseInt(content.slice(next + 3, close).replaceAll("_", ""), 16);
      length += encoder.encodeInto(String.fromCodePoint(code), bytes.subarray(length)).written;
      i = close + 1;
    } else {
      bytes[length++] = Number.parseInt(content.slice(next + 1, next + 3), 16);
      i = next + 3;
    }
  }
  return bytes.slice(0, length);
}

/** `bytes` as a string literal, with its quotes. Printable ASCII stands for itself. */
export function stringLiteral(bytes: Uint8Array): string {
  let literal = '"';
  for (const byte of bytes) {
    const isPlain = byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c;
    literal += isPlain ? String.fromCharCode(byte) : `\\${byte.toString(16).padStart(2, "0")}`;
  }
  return literal + '"';
}

/** A name as a string literal: as it stands, but for quotes, backslashes and control characters. */
export function nameLiteral(name: string): string {
  return `"${name.replace(/["\\\x00-\x1f\x7f]/g, (char) => `\\${char.charCodeAt(0).toString(16).padStart(2, "0")}`)}"`;
}
