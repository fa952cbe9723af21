import { expect } from "chai";
import fc from "fast-check";
import { collidingTags } from "./collisions.ts";
import { DEFAULT_MAILBOX, Mailbox } from "./mailbox.ts";
import { allocateMemory, Store, Termination, Trap } from "../vm/index.ts";
import { Account } from "./group.ts";
import { DataMessage, LinkDied, MESSAGE_OVERHEAD, ProcessDied, type Message, type Resource } from "./message.ts";
import { Runtime } from "./runtime.ts";
import { SeededRandom } from "./fakes.ts";
import { TagHash, TagSet } from "./tag-table.ts";

const data = (tag: bigint, text = ""): DataMessage => DataMessage.of(new TextEncoder().encode(text), tag);

/** By which everything collides. */
class ConstantHash extends TagHash {
  override ofWords(): number {
    return 7;
  }
}

const HASHES = [
  ["a keyed hash", new TagHash(new SeededRandom(1))],
  ["one for all tags", new ConstantHash(new SeededRandom(1))],
] as const;

describe("Mailbox", () => {
  for (const [name, hash] of HASHES)
    it(`behaves as a list that is searched from the front, with ${name}`, () => {
      const tag = fc.bigInt(0n, 5n);
      const command = fc.oneof(
        fc.record({ kind: fc.constant("push" as const), tags: fc.array(tag, { minLength: 1, maxLength: 1 }) }),
        fc.record({ kind: fc.constant("take" as const), tags: fc.array(tag, { minLength: 1, maxLength: 12 }) }),
        fc.record({ kind: fc.constant("shift" as const), tags: fc.constant([]) }),
      );
      fc.assert(
        fc.property(fc.array(command, { maxLength: 80 }), (commands) => {
          const mailbox = new Mailbox(DEFAULT_MAILBOX, null, hash);
          const list: Message[] = [];
          for (const { kind, tags } of commands) {
            if (kind === "push") {
              const message = data(tags[0]!);
              mailbox.push(message);
              list.push(message);
              continue;
            }
            const at = kind === "shift" ? 0 : list.findIndex((item) => item.tag !== 0n && tags.includes(item.tag));
            const [expected = null] = at < 0 ? [] : list.splice(at, 1);
            expect(kind === "shift" ? mailbox.shift() : mailbox.take(new TagSet(tags))).to.equal(expected);
            expect(mailbox.size).to.equal(list.length);
          }
        }),
        { numRuns: 300 },
      );
    });

  it("looks at each of 20,000 messages a few times, however many receives match none of them", () => {
    const mailbox = new Mailbox();
    let looks = 0;
    const counted = (tag: bigint): Message =>
      Object.defineProperty(data(tag), "tag", {
        get() {
          looks++;
          return tag;
        },
      });
    const count = 20_000;
    const none = new TagSet([-1n, -2n]);
    for (let i = 0; i < count; i++) {
      mailbox.push(counted(BigInt(i % 1_000) + 1n));
      expect(mailbox.take(none)).to.equal(null);
    }
    for (let i = 0; i < count; i++) expect(mailbox.take(none)).to.equal(null);
    expect(looks).to.be.within(count, 4 * count);
    for (let i = 0; i < count; i++) expect(mailbox.take(new TagSet([BigInt(i % 1_000) + 1n]))?.sequence).to.equal(i);
    expect(looks).to.be.below(8 * count);
  });

  it("compares no more for tags that collide in a Map", () => {
    const tags = collidingTags(10_000);
    const mailbox = new Mailbox(DEFAULT_MAILBOX, null, new TagHash(new SeededRandom(3)));
    for (const tag of tags) mailbox.push(data(tag));
    expect(mailbox.take(new TagSet([3n]))).to.equal(null);
    for (const tag of tags) expect(mailbox.take(new TagSet([tag]))?.tag).to.equal(tag);
    expect(mailbox.probes).to.be.below(4 * tags.length);
  });

  it("lets senders over the bound wait in their order, until there is room or their message is taken", () => {
    const mailbox = new Mailbox({ maxMessages: 2, maxBytes: 1_000 });
    const ended: string[] = [];
    const sender = (name: string) => ({ endSend: () => ended.push(name) });
    const fill = (tag: bigint, name: string): Message => {
      const message = data(tag);
      mailbox.push(message, mailbox.hasRoom(message.countedBytes) ? null : sender(name));
      return message;
    };
    fill(1n, "a");
    fill(2n, "b");
    fill(3n, "c");
    const dead = fill(4n, "d");
    fill(5n, "e");
    fill(6n, "f");
    expect(mailbox.waitingSenders).to.equal(4);
    mailbox.take(new TagSet([5n]));
    expect(ended).to.deep.equal(["e"]);
    mailbox.withdraw(dead);
    expect([mailbox.size, mailbox.waitingSenders], "its message has gone").to.deep.equal([4, 2]);
    mailbox.shift();
    expect(ended).to.deep.equal(["e", "c"]);
    while (mailbox.shift() !== null);
    expect(ended).to.deep.equal(["e", "c", "f"]);
  });

  it("lets 10,000 senders for whom one large message makes room go on some at a time, when its owner asks for them", () => {
    let asked = 0;
    const mailbox = new Mailbox({ maxMessages: 20_000, maxBytes: 10_000_000 }, { admitLater: () => asked++ });
    let ended = 0;
    const sender = { endSend: () => ended++ };
    const large = DataMessage.of(new Uint8Array(9_999_900), 1n);
    mailbox.push(large);
    for (let i = 0; i < 10_000; i++) {
      const message = data(2n);
      mailbox.push(message, mailbox.hasRoom(message.countedBytes) ? null : sender);
    }
    expect(mailbox.waitingSenders).to.equal(10_000);
    expect(mailbox.shift()).to.equal(large);
    large.drop();
    const first = ended;
    expect(first).to.be.within(1, 1_024);
    expect([asked, mailbox.isAdmitting]).to.deep.equal([1, true]);
    mailbox.shift();
    expect([ended, asked], "nobody asks twice, and who sent what was taken goes on").to.deep.equal([first, 1]);
    expect(mailbox.admit(100)).to.equal(100);
    expect(ended).to.equal(first + 100);
    mailbox.close();
    expect(mailbox.admit(100)).to.equal(0);
    for (let taken = 0; taken < 5_000; taken++) mailbox.shift();
    expect(ended, "in the end each when its message is dropped").to.equal(5_001);
    while (mailbox.shift() !== null);
    expect([ended, asked]).to.deep.equal([10_000, 1]);
  });

  it("counts bytes with the overhead of messages, gives one of any size room, and never counts notices", () => {
    const mailbox = new Mailbox({ maxMessages: 10, maxBytes: 200 });
    expect(mailbox.hasRoom(1_000)).to.equal(true);
    mailbox.push(data(0n, "x".repeat(10)));
    expect(mailbox.byteLength).to.equal(10 + MESSAGE_OVERHEAD);
    for (let i = 0; i < 100; i++) mailbox.push(i % 2 === 0 ? new LinkDied(1n) : new ProcessDied(BigInt(i)));
    expect(mailbox.hasRoom(126)).to.equal(true);
    expect(mailbox.hasRoom(127)).to.equal(false);
  });
});

describe("DataMessage", () => {
  it("appends at the end, reads from the cursor", () => {
    const message = new DataMessage(7n, 3);
    for (let i = 0; i < 100; i++) message.append(Uint8Array.of(i, i + 1));
    expect(message.byteLength).to.equal(200);
    const memory = allocateMemory(new Store(), { minPages: 1 });
    message.takeInto(memory, 10, 3);
    expect([...memory.read(9, 5)]).to.deep.equal([0, 0, 1, 1, 0]);
    message.append(Uint8Array.of(255));
    message.cursor = 198;
    message.takeInto(memory, 20, 3);
    expect([...memory.read(20, 4)]).to.deep.equal([99, 100, 255, 0]);
    expect(message.cursor).to.equal(201);
    message.appendFrom(memory, 20, 3);
    expect([...message.bytes.subarray(200)]).to.deep.equal([255, 99, 100, 255]);
  });

  it("copies any length from and to any address, and nothing beside it", () => {
    const memory = allocateMemory(new Store(), { minPages: 1 });
    const bytes = Uint8Array.from({ length: 400 }, (_, i) => (i * 7 + 1) & 0xff);
    for (let length = 0; length <= 300; length += length < 20 ? 1 : 13) {
      for (const at of [0, 1, 2, 3, 65_536 - length]) {
        memory.fill(0, 0xee, 65_536);
        memory.write(at, bytes.subarray(0, length));
        const message = new DataMessage(0n);
        message.append(bytes.subarray(0, 3));
        message.appendFrom(memory, at, length);
        message.cursor = 3;
        memory.fill(0, 0xee, 65_536);
        message.takeInto(memory, at, length);
        const expected = new Uint8Array(65_536).fill(0xee);
        expected.set(bytes.subarray(0, length), at);
        expect(Buffer.compare(memory.read(0, 65_536), expected), `${length} bytes at ${at}`).to.equal(0);
        message.drop();
      }
    }
    const message = DataMessage.of(bytes);
    expect(() => message.takeInto(memory, 65_530, 7)).to.throw(Trap, "out of bounds");
    expect(() => message.appendFrom(memory, 65_530, 7)).to.throw(Trap, "out of bounds");
  });

  it("does not believe a capacity", () => {
    const message = new DataMessage(0n, 2 ** 53);
    message.append(new Uint8Array(200_000).fill(9));
    expect(message.bytes.every((byte) => byte === 9)).to.equal(true);
  });

  it("never shows bytes of an earlier message that used its chunk", () => {
    for (let i = 0; i < 20; i++) {
      const message = new DataMessage(0n, 1_000);
      message.append(new Uint8Array(900).fill(0xaa));
      message.drop();
      const next = new DataMessage(0n, 1_000);
      next.append(Uint8Array.of(1, 2));
      expect([...next.bytes]).to.deep.equal([1, 2]);
      next.drop();
    }
  });

  it("becomes another one when its only owner has done with it, with nothing of the former", () => {
    const { group } = new Runtime();
    const closed: string[] = [];
    const former = DataMessage.begin(5n, 100, group);
    former.append(Uint8Array.of(1, 2, 3));
    former.cursor = 2;
    former.pushResource({ kind: "socket", close: () => closed.push("socket") });
    former.drop();
    expect(closed).to.deep.equal(["socket"]);
    expect(group.used(Account.Memory)).to.equal(0);
    const next = DataMessage.begin(6n, 0, group);
    expect(next).to.equal(former);
    expect(next).to.include({ tag: 6n, byteLength: 0, cursor: 0, resourceCount: 0, payer: group });
    expect(next.bytes).to.have.length(0);
    expect(group.used(Account.Memory)).to.equal(next.paidBytes);
    next.drop();
    next.drop();
    expect(DataMessage.begin(7n, 0, group)).to.equal(next);
    expect(DataMessage.begin(7n, 0, group)).to.not.equal(next);
  });

  it("of the embedder never becomes another one", () => {
    const { group } = new Runtime();
    const own = new DataMessage(1n, 10, group);
    own.drop();
    expect(DataMessage.begin(2n, 0, group)).to.not.equal(own);
  });

  it("is paid for until it is dropped, also a small one, and not when it could not be made", () => {
    const { group } = new Runtime({ maxMemory: 2_000 });
    const messages = Array.from({ length: 3 }, () => new DataMessage(1n, 10, group));
    expect(group.used(Account.Memory)).to.be.at.least(3 * 460);
    expect(() => new DataMessage(1n, 0, group)).to.throw(Termination, "memory limit");
    messages.pop()!.drop();
    const before = group.used(Account.Memory);
    expect(() => new DataMessage(1n, 4_096, group)).to.throw(Termination, "memory limit");
    expect(group.used(Account.Memory)).to.equal(before);
    for (const message of messages) message.drop();
    expect(group.used(Account.Memory)).to.equal(0);
  });

  it("gives resources once, at their index, and closes what was not taken", () => {
    const closed: string[] = [];
    const resource = (kind: string): Resource => ({ kind, close: () => closed.push(kind) });
    const message = new DataMessage(0n);
    expect(["a", "b", "c"].map((kind) => message.pushResource(resource(kind)))).to.deep.equal([0, 1, 2]);
    expect(message.takeResource(1)?.kind).to.equal("b");
    expect(message.takeResource(1)).to.equal(null);
    expect(message.takeResource(9)).to.equal(null);
    expect(message.resource(2)?.kind).to.equal("c");
    message.drop();
    message.drop();
    expect(closed).to.deep.equal(["a", "c"]);
  });
});
