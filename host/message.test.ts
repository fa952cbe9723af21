/** Messages of many bytes: what they cost, and that they grow without copying what they have. */

import { expect } from "chai";
import { Termination, type Memory } from "../vm/index.ts";
import { Account, Group } from "./group.ts";
import { DataMessage } from "./message.ts";
import { Scheduler } from "./scheduler.ts";

type BufferViews = Parameters<Memory["readInto"]>[1];

const MIB = 1_048_576;
const groupOf = (maxMemory: number): Group => new Group(new Scheduler(), null, null, { maxMemory });

/** Guest memory of bytes that tell their address, which notes where they were copied to. */
function source(): {
  readonly seen: Set<ArrayBufferLike>;
  readInto(a: number, b: BufferViews, c: number, d: number): void;
} {
  const seen = new Set<ArrayBufferLike>();
  return {
    seen,
    readInto(address, { bytes }, at, length) {
      seen.add(bytes.buffer);
      for (let i = 0; i < length; i++) bytes[at + i] = valueAt(address + i);
    },
  };
}

const valueAt = (address: number): number => (address * 31 + (address >>> 12)) & 0xff;

describe("DataMessage", () => {
  it("above 1 MiB grows by chunks, copying nothing and paying for at most one that is not full", () => {
    const group = groupOf(64 * MIB);
    const message = new DataMessage(0n, 0, group);
    const memory = source();
    const step = 60_000;
    for (let at = 0; at < 2 * MIB; at += step) message.appendFrom(memory, at, step);
    const before = new Set(memory.seen);
    memory.seen.clear();
    while (message.byteLength < 6 * MIB) {
      message.appendFrom(memory, message.byteLength, step);
      expect(group.used(Account.Memory) - message.byteLength).to.be.at.most(MIB + 1_024);
    }
    // The one that was not full, and four more: what is full is never moved.
    expect(memory.seen.size).to.equal(5);
    expect([...memory.seen].filter((buffer) => before.has(buffer))).to.have.length(1);
    expect(message.bytes.every((byte, i) => byte === valueAt(i))).to.equal(true);
    message.drop();
    expect(group.used(Account.Memory)).to.equal(0);
  });

  it("is read across the borders of its chunks, whatever it was written by", () => {
    const message = new DataMessage(0n);
    const memory = source();
    message.appendFrom(memory, 0, 5);
    message.append(Uint8Array.from({ length: 3 * MIB }, (_, i) => valueAt(5 + i)));
    message.appendFrom(memory, message.byteLength, MIB);
    const read = new Uint8Array(message.byteLength);
    const target = {
      writeFrom(address: number, { bytes }: BufferViews, at: number, length: number) {
        read.set(bytes.subarray(at, at + length), address);
      },
    };
    for (const length of [1, MIB - 1, 1, MIB - 2, 2 * MIB, 6]) message.takeInto(target, message.cursor, length);
    expect(message.cursor).to.equal(4 * MIB + 5);
    expect(read.every((byte, i) => byte === valueAt(i))).to.equal(true);
  });

  it("is as it was when its payer refuses more", () => {
    const group = groupOf(3 * MIB);
    const message = new DataMessage(0n, 0, group);
    message.append(new Uint8Array(2 * MIB).fill(7));
    expect(() => message.append(new Uint8Array(2 * MIB))).to.throw(Termination, "bytes of a message");
    expect(message.bytes).to.deep.equal(new Uint8Array(2 * MIB).fill(7));
    message.drop();
    expect(group.used(Account.Memory)).to.equal(0);
  });
});
