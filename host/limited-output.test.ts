import { expect } from "chai";
import { compileSync } from "../vm/index.ts";
import { textToBinary } from "../vm/text/index.ts";
import { Executor } from "./executor.ts";
import { CollectedOutput } from "./fakes.ts";
import { Account } from "./group.ts";
import { processOf } from "./process.ts";
import { Runtime, type RuntimeOptions } from "./runtime.ts";

/** `lines(n)` prints n times ten bytes; `slowly(n)` waits half a second after each. */
const PRINTER = compileSync(
  textToBinary(`(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "lunatic::process" "sleep_ms" (func $sleep (param i64)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\\10\\00\\00\\00\\0a\\00\\00\\00")
    (data (i32.const 16) "123456789\\n")
    (func $line
      (if (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable))
      (if (i32.ne (i32.load (i32.const 8)) (i32.const 10)) (then unreachable)))
    (func (export "lines") (param $n i32)
      (loop $next
        (call $line)
        (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
    (func (export "slowly") (param $n i32)
      (loop $next
        (call $line)
        (call $sleep (i64.const 500))
        (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))`),
);

function printing(options: RuntimeOptions): { runtime: Runtime; stderr: CollectedOutput } {
  const stderr = new CollectedOutput();
  const executor = new Executor({ seed: 1 });
  const sleep = {
    params: ["i64"],
    results: [],
    call: (caller: Parameters<typeof processOf>[0], ms: unknown) => processOf(caller).hostCall.sleep(Number(ms)),
  } as const;
  const runtime = new Runtime({
    executor,
    services: { stderr },
    functions: [(_module, name) => (name === "sleep_ms" ? sleep : undefined)],
    ...options,
  });
  return { runtime, stderr };
}

describe("log bytes of a group", () => {
  it("are printed, more is dropped unseen by the guest, and one line says how much", async () => {
    const { runtime, stderr } = printing({ maxLogBytes: 25 });
    expect(await runtime.spawn(PRINTER, { entry: "lines", args: [100] }).exited).to.deep.equal({ kind: "normal" });
    expect(stderr.text).to.equal("123456789\n123456789\n12345\n[975 bytes of output suppressed]\n");
  });

  it("are refilled every second, by the clock of the guests", async () => {
    const { runtime, stderr } = printing({ maxLogBytes: 10 });
    await runtime.spawn(PRINTER, { entry: "slowly", args: [5] }).exited;
    const line = "123456789\n";
    const told = "\n[10 bytes of output suppressed]\n";
    expect(stderr.text).to.equal(`${line}${told}${line}${told}${line}`);
  });

  it("are shared by all processes of the group and by those above, and leave others alone", async () => {
    const { runtime, stderr } = printing({ maxLogBytes: 1_000 });
    const group = runtime.createGroup({ maxLogBytes: 100 });
    const printers = Array.from({ length: 50 }, () => runtime.spawn(PRINTER, { entry: "lines", args: [2], group }));
    for (const { exited } of printers) await exited;
    expect(stderr.text.match(/123456789/g)).to.have.length(10);
    expect(stderr.text.match(/suppressed/g)).to.have.length(1);
    expect(stderr.text).to.include("[900 bytes of output suppressed]");
    await runtime.spawn(PRINTER, { entry: "lines", args: [90] }).exited;
    expect(stderr.text.match(/123456789/g)).to.have.length(100);
    expect(group.used(Account.Processes)).to.equal(0);
  });

  it("are not limited unless asked", async () => {
    const { runtime, stderr } = printing({});
    await runtime.spawn(PRINTER, { entry: "lines", args: [5_000] }).exited;
    expect(stderr.bytes).to.have.length(50_000);
  });

  it("end no process twice when the stream breaks", async () => {
    const write = (): never => {
      throw new Error("the pipe is broken");
    };
    const stderr = Object.assign(new CollectedOutput(), { write });
    const { runtime } = printing({ maxLogBytes: 0, services: { stderr } });
    const ends = [1, 2].map(() => runtime.spawn(PRINTER, { entry: "lines", args: [3] }).exited);
    expect(await Promise.all(ends)).to.deep.equal([{ kind: "normal" }, { kind: "normal" }]);
    expect(runtime.group.used(Account.Processes)).to.equal(0);
    expect(runtime.group.used(Account.Memory)).to.equal(0);
  });
});
