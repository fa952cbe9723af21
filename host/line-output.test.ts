import { expect } from "chai";
import { compileSync, Store } from "../vm/index.ts";
import { textToBinary } from "../vm/text/index.ts";
import { FakeClock, QueuedInput, SeededRandom } from "./fakes.ts";
import { LineOutput } from "./line-output.ts";
import { Runtime, type RuntimeOptions } from "./runtime.ts";
import { Wasi } from "./wasi/wasi.ts";

function written(...pieces: (string | Uint8Array)[]): string[] {
  const lines: string[] = [];
  const output = new LineOutput((line) => lines.push(line));
  for (const piece of pieces) output.write(typeof piece === "string" ? new TextEncoder().encode(piece) : piece);
  lines.push("|");
  output.flush();
  return lines;
}

describe("LineOutput", () => {
  it("passes lines on when they end, and the rest when it is told to", () => {
    expect(written("a\n\nb", "c\nd")).to.deep.equal(["a", "", "bc", "|", "d"]);
    expect(written("a\n")).to.deep.equal(["a", "|"]);
  });

  it("puts characters together that come in pieces", () => {
    const bytes = new TextEncoder().encode("é\n");
    expect(written(bytes.subarray(0, 1), bytes.subarray(1))).to.deep.equal(["é", "|"]);
    expect(written(bytes.subarray(0, 1))).to.deep.equal(["|", "\ufffd"]);
    const long = new TextEncoder().encode("a€𝄞ß\n€𝄞");
    for (let cut = 1; cut < long.length; cut++) {
      const pieces = [long.subarray(0, cut), long.subarray(cut, cut + 1), long.subarray(cut + 1)];
      expect(written(...pieces), `cut at ${cut}`).to.deep.equal(["a€𝄞ß", "|", "€𝄞"]);
    }
    expect(written(Uint8Array.of(0xff, 0x80, 0x61, 0xc3, 0x0a))).to.deep.equal(["\ufffd\ufffda\ufffd", "|"]);
  });

  it("keeps little of a line that does not end", () => {
    const lines = written("x".repeat(20_000), `${"y".repeat(9_000)}\n`);
    expect(lines.map(({ length }) => length)).to.deep.equal([8_192, 8_192, 8_192, 4_424, 1]);
    const log: string[] = [];
    const shared = new LineOutput((line) => log.push(line));
    const guests = Array.from({ length: 200 }, () => shared.forGuest());
    for (const guest of guests) guest.write(new Uint8Array(8_000).fill(0x2e));
    // Of 1.6 million characters so many are passed on that 2^20 are left, in the order in which they came.
    expect(log).to.have.length(69);
    for (const guest of guests) guest.flush();
    expect(log).to.have.length(200);
    const emoji = `${"a".repeat(8_191)}😀${"b".repeat(8_191)}😀`;
    const whole = [`${"a".repeat(8_191)}`, `😀${"b".repeat(8_190)}`, "b😀"];
    expect(written(emoji)).to.deep.equal([...whole.slice(0, 2), "|", whole[2]]);
    expect(written(`${emoji}\n`)).to.deep.equal([...whole, "|"]);
    expect(written(`${"x".repeat(20_000)}\n`).map(({ length }) => length)).to.deep.equal([8_192, 8_192, 3_616, 1]);
  });
});

/** Prints so and waits, traps or returns. */
function printer(text: string, end: "return" | "trap" | "wait"): ReturnType<typeof compileSync> {
  const last = { return: "", trap: "unreachable", wait: "(loop $again (br $again))" }[end];
  return compileSync(
    textToBinary(`(module
      (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1)
      (data (i32.const 0) "\\10\\00\\00\\00\\0${text.length.toString(16)}\\00\\00\\00")
      (data (i32.const 16) ${JSON.stringify(text)})
      (func (export "_start")
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
        (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))
        ${last}))`),
  );
}

describe("the lines of processes", () => {
  const lines: string[] = [];
  const log = new LineOutput((line) => lines.push(line));
  afterEach(() => {
    lines.length = 0;
  });

  for (const [name, options] of [
    ["of a stream that all share", { services: { stdout: log } }],
    ["of streams of their own", { servicesOf: () => ({ stdout: new LineOutput((line) => lines.push(line)) }) }],
    ["within log bytes", { services: { stdout: log }, maxLogBytes: 1_000 }],
  ] as const satisfies readonly (readonly [string, RuntimeOptions])[]) {
    it(`${name} are never glued, and the last one needs no end`, async () => {
      const runtime = new Runtime(options);
      const waiting = runtime.spawn(printer("wait", "wait"));
      while (waiting.stats.turns < 2) await new Promise((resolve) => setTimeout(resolve));
      await runtime.spawn(printer("one", "return")).exited;
      expect(lines).to.deep.equal(["one"]);
      await runtime.spawn(printer("two\nthree", "trap")).exited;
      expect(lines).to.deep.equal(["one", "two", "three"]);
      await runtime.dispose();
      expect(lines).to.deep.equal(["one", "two", "three", "wait"]);
    });
  }

  it("of its output and its errors are not glued either", async () => {
    const runtime = new Runtime({ services: { stdout: log, stderr: log } });
    await runtime.spawn(printer("same", "return")).exited;
    expect(lines).to.deep.equal(["same", "same"]);
    await runtime.dispose();
  });

  it("of a guest without processes end when it is disposed of", async () => {
    const [clock, random, stdin] = [new FakeClock(), new SeededRandom(1), new QueuedInput("")];
    const wasi = new Wasi({ clock, random, stdin, stdout: log, stderr: log });
    const instance = await new Store().instantiate(printer("alone", "return"), wasi.imports);
    await instance.call("_start");
    expect(lines).to.deep.equal([]);
    await wasi.dispose();
    await wasi.dispose();
    expect(lines).to.deep.equal(["alone", "alone"]);
  });
});
