import { PassThrough, Readable, Writable } from "node:stream";
import { expect } from "chai";
import { NodeInput, NodeOutput } from "./stdio.ts";

/** A stream whose writes end when it is told. */
class SlowStream extends Writable {
  readonly pending: ((error?: Error) => void)[] = [];
  written = 0;

  override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error) => void): void {
    this.written += chunk.length;
    this.pending.push(done);
  }

  async finishAll(): Promise<void> {
    while (this.pending.length > 0) {
      this.pending.shift()?.();
      await new Promise(setImmediate);
    }
  }
}

const failure = (code: string): Error => Object.assign(new Error(code), { code });

describe("output streams of Node", () => {
  it("take 64 KiB at once and then make the writer wait until all is written", async () => {
    const stream = new SlowStream();
    const output = new NodeOutput(stream);
    expect(output.write(new Uint8Array(60_000))).to.equal(undefined);
    expect(output.isWritable).to.equal(true);
    const drained = output.write(new Uint8Array(10_000));
    expect(drained).to.be.instanceOf(Promise);
    expect(output.isWritable).to.equal(false);
    let settled = false;
    void drained?.then(() => {
      settled = true;
    });
    await new Promise(setImmediate);
    expect(settled).to.equal(false);
    await stream.finishAll();
    await drained;
    expect([output.isWritable, stream.written]).to.deep.equal([true, 70_000]);
  });

  it("wake who waits to write, and forget who gave up", async () => {
    const stream = new SlowStream();
    const output = new NodeOutput(stream);
    void output.write(new Uint8Array(100_000));
    const woken: string[] = [];
    output.onWritable(() => woken.push("first"));
    output.onWritable(() => woken.push("given up"))();
    await stream.finishAll();
    expect(woken).to.deep.equal(["first"]);
    await new Promise<void>((resolve) => output.onWritable(resolve));
  });

  it("fail the write that waits, and all after it, with the stream's code", async () => {
    const stream = new SlowStream();
    const output = new NodeOutput(stream);
    const drained = output.write(new Uint8Array(100_000));
    stream.pending.shift()?.(failure("EPIPE"));
    const error = await drained?.catch((reason: unknown) => reason);
    expect(error).to.have.property("code", "EPIPE");
    expect(() => output.write(new Uint8Array(1)))
      .to.throw()
      .with.property("code", "EPIPE");
    await output.flush();
  });

  it("flush waits until everything is written", async () => {
    const stream = new SlowStream();
    const output = new NodeOutput(stream);
    output.write(new Uint8Array(10));
    let flushed = false;
    const flushing = output.flush().then(() => {
      flushed = true;
    });
    await new Promise(setImmediate);
    expect(flushed).to.equal(false);
    await stream.finishAll();
    await flushing;
  });
});

describe("input streams of Node", () => {
  it("open the stream at the first use", () => {
    let opened = 0;
    const input = new NodeInput(() => {
      opened++;
      return Readable.from([]);
    });
    expect(opened).to.equal(0);
    expect(input.available).to.equal(null);
    expect(input.available).to.equal(null);
    expect(opened).to.equal(1);
  });

  it("give what there is, in the pieces asked for, then wait, then end", async () => {
    const stream = new PassThrough();
    const input = new NodeInput(() => stream);
    const text = async (length: number) => Buffer.from(await input.read(length)).toString();
    const first = text(3);
    stream.write("abcdef");
    expect(await first).to.equal("abc");
    expect(input.available).to.equal(3);
    expect(input.read(10)).to.be.instanceOf(Uint8Array);
    const next = text(10);
    stream.end("gh");
    expect(await next).to.equal("gh");
    expect(await text(10)).to.equal("");
    expect(await text(10)).to.equal("");
    expect(input.available).to.equal(0);
  });

  it("show what nobody has read, and read first what is put back", async () => {
    const stream = new PassThrough();
    const input = new NodeInput(() => stream);
    expect(input.unread).to.have.length(0);
    expect(stream.listenerCount("readable")).to.equal(0);
    input.putBack(Buffer.from("put "));
    expect([input.available, stream.listenerCount("readable")]).to.deep.equal([4, 0]);
    expect(Buffer.from(await input.read(10)).toString()).to.equal("put ");
    const first = input.read(3);
    stream.write("abcdef");
    stream.write("ghi");
    await first;
    const { unread } = input;
    expect(Buffer.from(unread).toString()).to.equal("defghi");
    unread.fill(0);
    input.putBack(Buffer.from("abc"));
    expect(Buffer.from(await input.read(20)).toString()).to.equal("abcdefghi");
    const waiting = input.read(5);
    input.putBack(Buffer.from("again"));
    expect(Buffer.from(await waiting).toString()).to.equal("again");
  });

  it("take texts as UTF-8, and fail for what is no data", async () => {
    const readAll = async (input: NodeInput): Promise<string> => {
      let all = "";
      for (;;) {
        const bytes = await input.read(3);
        if (bytes.length === 0) return all;
        all += Buffer.from(bytes).toString("latin1");
      }
    };
    const utf8 = (text: string): string => Buffer.from(text).toString("latin1");
    expect(await readAll(new NodeInput(() => Readable.from(["one\n", "", "zwölf😀"])))).to.equal(utf8("one\nzwölf😀"));
    const encoded = new PassThrough({ encoding: "latin1" });
    const input = new NodeInput(() => encoded);
    expect(input.available).to.equal(null);
    encoded.write(Buffer.from([0x61, 0xe4]));
    await new Promise(setImmediate);
    expect(Buffer.from(input.unread).toString()).to.equal("aä");
    encoded.end();
    expect(await readAll(input)).to.equal(utf8("aä"));
    const objects = new NodeInput(() => Readable.from(["x", { a: 1 }, "y"]));
    expect(Buffer.from(await objects.read(9)).toString()).to.equal("x");
    const error = await Promise.resolve()
      .then(() => objects.read(9))
      .catch((reason: unknown) => reason);
    expect(error).to.have.property("code", "EIO");
    expect(String(error)).to.include("neither bytes nor text, but object");
  });

  it("wake who waits to read, and forget who gave up", async () => {
    const stream = new PassThrough();
    const input = new NodeInput(() => stream);
    const woken: string[] = [];
    input.onReadable(() => woken.push("given up"))();
    const ready = new Promise<void>((resolve) => input.onReadable(resolve));
    stream.write("x");
    await ready;
    expect([input.available, woken]).to.deep.equal([1, []]);
  });

  it("fail with the stream's code, also when there is none to open", async () => {
    const stream = new PassThrough();
    const input = new NodeInput(() => stream);
    const reading = Promise.resolve(input.read(1)).catch((error: unknown) => error);
    stream.destroy(failure("EIO"));
    expect(await reading).to.have.property("code", "EIO");
    const closed = new NodeInput(() => {
      throw failure("EBADF");
    });
    expect(() => closed.read(1))
      .to.throw()
      .with.property("code", "EBADF");
  });
});
