/** Output, arguments and the clock, over WASI; and how a failed assertion ends: one line, then a trap. */

import { argsGet, argsSizes, clockTime, fdWrite } from "./bindings";

const STDOUT: u32 = 1;
const STDERR: u32 = 2;
const MONOTONIC: u32 = 1;

function writeTo(descriptor: u32, text: string): void {
  const bytes = String.UTF8.encode(text);
  const vector = memory.data(12);
  store<u32>(vector, changetype<usize>(bytes) as u32);
  store<u32>(vector, bytes.byteLength, 4);
  fdWrite(descriptor, vector, 1, vector + 8);
}

/** A line on standard output. */
export function print(line: string): void {
  writeTo(STDOUT, line + "\n");
}

/** Ends the process: links and monitors hear of a failure. */
export function panic(message: string): void {
  writeTo(STDERR, "panicked: " + message + "\n");
  unreachable();
}

/** What the compiler calls for a failed assertion. */
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  const text = message === null ? "abort" : message;
  const place = file === null ? "" : ` (${file}:${line}:${column})`;
  panic(text + place);
}

/** Milliseconds since some moment; they never go back. */
export function nowMs(): u64 {
  const out = memory.data(8, 8);
  clockTime(MONOTONIC, 0, out);
  return load<u64>(out) / 1_000_000;
}

/** The program's arguments, its name first. */
export function programArguments(): string[] {
  const sizes = memory.data(8, 4);
  const list: string[] = [];
  if (argsSizes(sizes, sizes + 4) != 0) return list;
  const count = load<u32>(sizes);
  const pointers = new ArrayBuffer(count * 4);
  const bytes = new ArrayBuffer(load<u32>(sizes, 4));
  if (argsGet(changetype<usize>(pointers), changetype<usize>(bytes)) != 0) return list;
  for (let i: u32 = 0; i < count; i++) {
    const start: usize = load<u32>(changetype<usize>(pointers) + i * 4);
    let end = start;
    while (load<u8>(end) != 0) end++;
    list.push(String.UTF8.decodeUnsafe(start, end - start));
  }
  return list;
}
