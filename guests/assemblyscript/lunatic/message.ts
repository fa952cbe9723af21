/**
 * The one message that a process has at hand: being written, or received last. `create`, then
 * write, then `Process.send`; or receive (mailbox.ts), then read in the same order. A receive
 * replaces what was being written.
 */

import { createData, dataSize, getProcessId, getTag, readData, writeData } from "./bindings";
import { panic } from "./console";

/** Begins a new message. Tag 0 is none; 64 to 128 are free for programs, the library counts from 129. */
export function create(tag: i64 = 0): void {
  createData(tag, 0);
}

export function writeU64(value: u64): void {
  const place = memory.data(8, 8);
  store<u64>(place, value);
  writeData(place, 8);
}

export function readU64(): u64 {
  const place = memory.data(8, 8);
  if (readData(place, 8) != 8) panic("the message is too short");
  return load<u64>(place);
}

/** Its length first, as 8 bytes, then UTF-8. */
export function writeString(text: string): void {
  const bytes = String.UTF8.encode(text);
  writeU64(bytes.byteLength);
  writeData(changetype<usize>(bytes), bytes.byteLength);
}

export function readString(): string {
  const length = readU64();
  if (length > dataSize()) panic("the message is too short");
  return readText(length as u32);
}

/** All of the message as UTF-8, if nothing of it has been read. */
export function readAll(): string {
  return readText(dataSize() as u32);
}

function readText(length: u32): string {
  const bytes = new ArrayBuffer(length);
  if (readData(changetype<usize>(bytes), length) != length) panic("the message is too short");
  return String.UTF8.decode(bytes);
}

/** All of `text`, without its length: the whole message for receivers that know no other format. */
export function writeAll(text: string): void {
  const bytes = String.UTF8.encode(text);
  writeData(changetype<usize>(bytes), bytes.byteLength);
}

/** Of a message, or of a link that died; 0 is none. */
export function tag(): i64 {
  return getTag();
}

/** Who ended, of a {@link Signal.ProcessDied}. */
export function deadProcess(): u64 {
  return getProcessId();
}
