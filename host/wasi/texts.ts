/** Arguments and variables as guests are given them: encoded once for all processes that have the same. */

/** One after the other, each with a zero byte at its end. */
export interface Texts {
  readonly bytes: Uint8Array;
  /** Where each begins. */
  readonly starts: Uint32Array;
}

const encodings = new WeakMap<readonly string[], Texts>();

/** Throws a RangeError for a zero byte in a text. */
export function encodeTexts(texts: readonly string[]): Texts {
  let known = encodings.get(texts);
  if (known === undefined) {
    known = encoded(texts);
    encodings.set(texts, known);
  }
  return known;
}

function encoded(texts: readonly string[]): Texts {
  if (texts.some((text) => text.includes("\0"))) {
    throw new RangeError("an argument or environment variable contains a zero byte");
  }
  const bytes = new TextEncoder().encode(texts.map((text) => `${text}\0`).join(""));
  const starts = new Uint32Array(texts.length);
  for (let i = 1; i < starts.length; i++) starts[i] = bytes.indexOf(0, starts[i - 1]) + 1;
  return { bytes, starts };
}
