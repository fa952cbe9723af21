/** Mailboxes in snapshots: all that is in them, in steps, whatever happens between those, and what others forge. */

import { expect } from "chai";
import { eventLoopTurn, Restoration, SnapshotError, Termination, type FrameState } from "../../vm/index.ts";
import { Executor } from "../executor.ts";
import { compileGuest } from "../functions/testing.ts";
import { guestFunctions } from "../functions/host-definition.ts";
import { Account, Group } from "../group.ts";
import { Mailbox } from "../mailbox.ts";
import { DataMessage, LinkDied, type Message, MessageKind, ProcessDied } from "../message.ts";
import { ModuleHandle } from "../modules.ts";
import { Runtime } from "../runtime.ts";
import { Scheduler } from "../scheduler.ts";
import { TagSet } from "../tag-table.ts";
import { ByteSink } from "./byte-stream.ts";
import { MailboxReader, MailboxWriter } from "./mailboxes.ts";
import { hashText, Modules } from "./messages.ts";

const MIB = 1_048_576;
const LARGE_LIMITS = { maxMessages: 100_000, maxBytes: 64 * MIB };
const MODULE = compileGuest(`(func (export "main"))`);
const MODULES = new Modules([MODULE]);

const groupOf = (maxMemory = Number.POSITIVE_INFINITY): Group => new Group(new Scheduler(), null, null, { maxMemory });

/** What can be seen of a message. */
function look(message: Message): unknown {
  const { kind, tag } = message;
  if (!(message instanceof DataMessage)) return [kind, tag, message instanceof ProcessDied ? message.id : 0n];
  const resources = Array.from({ length: message.resourceCount }, (_, i) => {
    const resource = message.resource(i);
    return resource instanceof ModuleHandle ? hashText(resource.module) : resource;
  });
  return [kind, tag, message.cursor, resources, message.byteLength, Buffer.from(message.bytes).toString("latin1")];
}

function messagesOf(mailbox: Mailbox): Message[] {
  const messages: Message[] = [];
  for (let message = mailbox.first; message !== null; message = message.next) messages.push(message);
  return messages;
}

function filled(count: number): Mailbox {
  const mailbox = new Mailbox(LARGE_LIMITS);
  for (let i = 0; i < count; i++) mailbox.push(DataMessage.of(new Uint8Array(i % 20).fill(i), BigInt(i - 5)));
  return mailbox;
}

/** All steps, and how many. */
function written(mailbox: Mailbox, between: (step: number) => void = () => {}, scratch: Message | null = null) {
  const writer = new MailboxWriter(mailbox, scratch);
  let steps = 1;
  for (; !writer.step(); steps++) between(steps);
  return { ...writer.state, steps };
}

function read(pieces: readonly Uint8Array[], seen = 0, group = groupOf(), hasScratch = false) {
  const mailbox = new Mailbox(LARGE_LIMITS);
  const messages: { scratch: Message | null } = { scratch: null };
  const reader = new MailboxReader(pieces, hasScratch, seen, MODULES);
  let steps = 1;
  try {
    while (!reader.step({ mailbox, group, messages })) steps++;
  } catch (error) {
    reader.discard();
    for (let message = mailbox.shift(); message !== null; message = mailbox.shift()) message.drop();
    expect(group.used(Account.Memory)).to.equal(0);
    throw error;
  }
  return { mailbox, scratch: messages.scratch, steps };
}

describe("the mailbox of a snapshot", () => {
  it("has messages of all kinds, with all that is in them, and which have been passed over", () => {
    const group = groupOf();
    const mailbox = filled(3_000);
    const modules = DataMessage.of(new Uint8Array(3).fill(1), -1n, group);
    for (let i = 0; i < 3; i++) modules.pushResource(ModuleHandle.open(MODULE, group)!);
    modules.takeResource(1)!.close();
    modules.cursor = 2 ** 40;
    const large = DataMessage.of(
      Uint8Array.from({ length: MIB + 77_777 }, (_, i) => (i * 31) ^ (i >>> 12)),
      -(2n ** 63n),
    );
    for (const message of [
      modules,
      new LinkDied(2n ** 63n - 1n),
      new ProcessDied(2n ** 64n - 1n),
      large,
      new LinkDied(0n),
    ]) {
      mailbox.push(message);
    }
    expect(mailbox.take(new TagSet([-99n]), 1_700)).to.equal(null);
    const { pieces, seen } = written(mailbox);
    expect(seen).to.equal(1_700);
    expect(Math.max(...pieces.map(({ length }) => length))).to.be.at.most(MIB);
    const target = groupOf();
    const copy = read(pieces, seen, target).mailbox;
    expect(messagesOf(copy).map(look)).to.deep.equal(messagesOf(mailbox).map(look));
    expect(messagesOf(copy).filter((message) => copy.isSeen(message))).to.have.length(1_700);
    // Passed over and found by its tag, without being looked at again.
    expect(copy.take(new TagSet([1_000n]))?.tag).to.equal(1_000n);
    expect(copy.passed).to.equal(0);
    expect(target.used(Account.Memory)).to.be.above(3_000 * 512 + MIB);
    for (let message = copy.shift(); message !== null; message = copy.shift()) message.drop();
    expect(target.used(Account.Memory)).to.be.below(1_024);
  });

  it("of 20,000 messages, or of large ones, is written and read in many steps", () => {
    const many = written(filled(20_000));
    expect(many.steps).to.be.within(20, 40);
    const copy = read(many.pieces, 15_000);
    expect(copy.mailbox.size).to.equal(20_000);
    expect(copy.steps).to.be.within(34, 70);
    const mailbox = new Mailbox(LARGE_LIMITS);
    for (let i = 0; i < 3; i++) mailbox.push(DataMessage.of(new Uint8Array(4 * MIB).fill(i + 1)));
    const large = written(mailbox);
    expect(large.steps).to.be.within(12, 16);
    expect(read(large.pieces).steps).to.be.within(12, 16);
  });

  it("stands behind the message in the slot, if there is one", () => {
    const scratch = DataMessage.of(new Uint8Array(3 * MIB).fill(4), 6n);
    for (const each of [scratch, new LinkDied(8n)]) {
      const { pieces, hasScratch, seen, steps } = written(filled(5), () => {}, each);
      expect([hasScratch, seen, steps]).to.deep.equal([true, 0, each === scratch ? 4 : 1]);
      const copy = read(pieces, 0, groupOf(), true);
      expect(look(copy.scratch!)).to.deep.equal(look(each));
      expect(copy.mailbox.size).to.equal(5);
    }
    expect(() => read([], 0, groupOf(), true)).to.throw(SnapshotError, "no message in the slot");
  });

  it("has what comes between its steps, and nothing of what is withdrawn", () => {
    for (const when of [1, 2, 3]) {
      const mailbox = filled(3_000);
      const dead = DataMessage.of(new Uint8Array(2), 77_777n);
      const sender = { endSend() {} };
      mailbox.push(dead, sender);
      const large = DataMessage.of(new Uint8Array(2 * MIB).fill(9), 88_888n);
      mailbox.push(large, sender);
      const { pieces, steps } = written(mailbox, (step) => {
        if (step === when) mailbox.push(new ProcessDied(BigInt(when)));
        if (step === when && when > 1) mailbox.withdraw(dead);
      });
      expect(steps).to.be.above(when);
      const copy = messagesOf(read(pieces).mailbox).map(look);
      expect(copy).to.deep.equal(messagesOf(mailbox).map(look));
      expect(copy).to.have.length(3_002 + (when > 1 ? 0 : 1));
      // In the middle of it.
      let isPartial = false;
      const after = written(mailbox, (step) => {
        if (step !== steps - 1) return;
        isPartial = true;
        mailbox.withdraw(large);
      });
      expect(isPartial).to.equal(true);
      expect(messagesOf(read(after.pieces).mailbox).map(look)).to.deep.equal(messagesOf(mailbox).map(look));
    }
  });

  it("is refused with a word when it is forged, and what was read is given back", () => {
    const source = filled(20);
    source.push(DataMessage.of(new Uint8Array(50), 1n));
    const [piece] = written(source).pieces;
    for (let length = 1; length < piece!.length; length += 7) {
      try {
        expect(read([piece!.subarray(0, length)]).mailbox.size).to.be.below(21);
      } catch (error) {
        expect(error).to.be.instanceOf(SnapshotError);
      }
    }
    const bytes = (write: (sink: ByteSink) => void): readonly Uint8Array[] => {
      const sink = new ByteSink();
      write(sink);
      return sink.pieces;
    };
    const data = (cursor: number, byteLength: number, resources: number) => (sink: ByteSink) => {
      sink.u8(MessageKind.Data);
      sink.i64(1n);
      sink.f64(cursor);
      sink.u32(byteLength);
      sink.u32(resources);
      sink.raw(new Uint8Array(40).fill(1));
    };
    for (const [pieces, words] of [
      [bytes((sink) => sink.raw(Uint8Array.of(9, ...new Uint8Array(16)))), "a message of no kind"],
      [bytes(data(-1, 0, 0)), "a number in a message"],
      [bytes(data(Number.NaN, 0, 0)), "a number in a message"],
      [bytes(data(0, 41, 0)), "end too early"],
      [bytes(data(0, 2 ** 32 - 1, 0)), "end too early"],
      [bytes(data(0, 0, 4_097)), "4097 resources"],
      [bytes(data(0, 0, 1)), "the module of SHA-256 0101"],
    ] as const) {
      expect(() => read(pieces), words).to.throw(SnapshotError, words);
    }
    expect(() => read([piece!], 22)).to.throw(SnapshotError, "22 of 21 messages");
    expect(() => read([piece!], 0, groupOf(5_000))).to.throw(Termination, "memory limit");
    // Pieces may lie anywhere, but numbers in one each.
    expect(read([new Uint8Array(0), piece!, new Uint8Array(0)]).mailbox.size).to.equal(21);
    expect(() => read([piece!.subarray(0, 3), piece!.subarray(3)])).to.throw(SnapshotError, "end too early");
  });

  it("leaves turns of the event loop between its steps, for one that is stopped and one that goes on", async () => {
    const guest =
      compileGuest(`(memory (export "memory") 1) (func (export "main") (i64.store (i32.const 0) (i64.const 7))
      (drop (call $message::receive (i32.const 0) (i32.const 1) (i64.const -1))))`);
    await using runtime = new Runtime({ executor: new Executor(), functions: [guestFunctions] });
    const handle = runtime.spawn(guest, { entry: "main" });
    while (handle.stats.state !== "waiting") await eventLoopTurn();
    const { mailbox, group } = handle.process;
    for (let i = 0; i < 10_000; i++) mailbox.push(DataMessage.of(new Uint8Array(3), 5n, group));
    for (const stop of [false, true]) {
      let turns = 0;
      let isDone = false;
      const work = handle.snapshot({ stop }).finally(() => {
        isDone = true;
      });
      while (!isDone) {
        await eventLoopTurn();
        if (++turns === 5) await handle.send(DataMessage.of(Uint8Array.of(turns), 6n));
      }
      expect(turns).to.be.above(7);
      const bytes = await work;
      const data = new Restoration(bytes).data as { readonly mailbox: readonly FrameState[] };
      expect(data.mailbox.every((piece) => piece instanceof Uint8Array)).to.equal(true);
      const restored = await runtime.restore(bytes, { modules: [guest] });
      // One that goes on has the second of them already.
      expect(restored.stats.mailbox).to.equal(stop ? 10_002 : 10_001);
      restored.kill();
      await restored.exited;
    }
    expect((await handle.exited).kind).to.equal("normal");
  });
});
