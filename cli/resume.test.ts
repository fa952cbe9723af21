/** Saved runs as a user meets them: child processes on the compiled output. */

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { textToBinary } from "../vm/text/index.ts";
import { parseSnapshotAt } from "./saved-run.ts";

const MAIN = fileURLToPath(new URL("main.js", import.meta.url));
const GUESTS = fileURLToPath(new URL("../../guests/wasm/", import.meta.url));

function perilune(args: readonly string[], input = "") {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], { encoding: "utf8", input });
  return { code: status, stdout, stderr };
}

/** Fuel as `--stats=json` tells it. */
function fuelOf({ stderr }: { readonly stderr: string }): number {
  return (JSON.parse(stderr.trim().split("\n").at(-1)!) as { fuel: number }).fuel;
}

describe("perilune resume", function () {
  this.timeout(30_000);
  let folder = "";

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "perilune-"));
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  it("goes on with a function, with the same results and fuel", () => {
    const file = join(folder, "run");
    const invoked = ["--invoke", "run", join(GUESTS, "sha256.wasm"), "300"];
    const alone = perilune(["run", "--stats=json", ...invoked]);
    const saving = perilune(["run", "--stats=json", "--snapshot-at", `100_001:${file}`, ...invoked]);
    expect(saving.stdout).to.equal(alone.stdout);
    expect(fuelOf(saving)).to.equal(fuelOf(alone));
    const resumed = perilune(["resume", "--stats=json", file]);
    expect(resumed.code).to.equal(0);
    expect(resumed.stdout).to.equal(alone.stdout);
    expect(fuelOf(resumed)).to.equal(fuelOf(alone));
    const limited = perilune(["resume", "--fuel", "200000", file]);
    expect(limited.code).to.equal(137);
    expect(limited.stderr).to.include("fuel exhausted");
  });

  it("goes on with a program that waited when its time was over", () => {
    const file = join(folder, "run");
    const program = join(GUESTS, "wasi/spin.wasm");
    const ended = perilune(["run", "--timeout", "200ms", "--snapshot-on-timeout", file, program]);
    expect(ended.code).to.equal(124);
    const again = perilune(["resume", "--timeout", "200ms", "--snapshot-on-timeout", file, file]);
    expect(again.code).to.equal(124);
    expect(existsSync(file)).to.equal(true);
  });

  it("goes on with a sleep where it stood", () => {
    const file = join(folder, "run");
    const program = join(folder, "sleep.wasm");
    writeFileSync(
      program,
      textToBinary(`(module (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32))) (memory (export "memory") 1)
        (func (export "_start") (i32.store (i32.const 16) (i32.const 1)) (i64.store (i32.const 24) (i64.const 700000000))
          (drop (call $poll (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 200)))
          (call $exit (i32.add (i32.const 40) (i32.load (i32.const 200))))))`),
    );
    expect(perilune(["run", "--timeout", "300ms", "--snapshot-on-timeout", file, program]).code).to.equal(124);
    expect(perilune(["resume", file])).to.deep.include({ code: 41, stderr: "" });
  });

  it("goes on with the input that was taken and not read, and then with its own", () => {
    const file = join(folder, "run");
    const program = join(folder, "read.wasm");
    // Six bytes at a time, and much to think about after the first.
    writeFileSync(
      program,
      textToBinary(`(module (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "_start") (local $thoughts i32)
          (loop $l
            (i32.store (i32.const 0) (i32.const 400)) (i32.store (i32.const 4) (i32.const 6))
            (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 4)))
            (if (i32.eqz (i32.load (i32.const 4))) (then (return)))
            (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
            (loop $think
              (br_if $think (i32.lt_u (local.tee $thoughts (i32.add (local.get $thoughts) (i32.const 1)))
                (i32.const 300000))))
            (br $l))))`),
    );
    const first = perilune(["run", "--snapshot-at", `100_000:${file}`, program], "first second third");
    expect(first).to.deep.equal({ code: 0, stdout: "first second third", stderr: "" });
    const later = join(folder, "later");
    const second = perilune(["resume", "--snapshot-at", `200_000:${later}`, file], " last");
    expect(second).to.deep.equal({ code: 0, stdout: "second third last", stderr: "" });
    expect(perilune(["resume", later])).to.deep.equal({ code: 0, stdout: "second third", stderr: "" });
  });

  it("is refused for programs that run as processes, which are not saved unseen", () => {
    const program = join(GUESTS, "lunatic/ping-pong.wasm");
    const { code, stderr } = perilune(["run", "--snapshot-at", `1000:${join(folder, "run")}`, program]);
    expect(code).to.equal(2);
    expect(stderr).to.include("--snapshot-at is for programs without processes, and this one imports lunatic::");
    expect(existsSync(join(folder, "run"))).to.equal(false);
  });

  it("wants directories again, and refuses open files by their names", () => {
    const file = join(folder, "run");
    mkdirSync(join(folder, "data"));
    writeFileSync(join(folder, "data/text"), "a text\n");
    const given = ["--dir", `${join(folder, "data")}::/data`];
    const cat = [...given, join(GUESTS, "wasi/cat.wasm"), "/data/text"];
    expect(perilune(["run", "--snapshot-at", `1000:${file}`, ...cat]).stdout).to.equal("a text\n");
    expect(perilune(["resume", ...given, file])).to.deep.include({ code: 0, stdout: "a text\n" });
    const without = perilune(["resume", file]);
    expect(without.code).to.equal(2);
    expect(without.stderr).to.include("--dir HOST::/data");
    // Some places lie between opening and closing the file.
    const refused = [3_500, 4_000, 4_500]
      .map((fuel) => perilune(["run", "--snapshot-at", `${fuel}:${join(folder, "open")}`, ...cat]))
      .filter(({ stderr }) => stderr !== "");
    expect(refused).to.not.deep.equal([]);
    for (const { code, stdout, stderr } of refused) {
      expect([code, stdout]).to.deep.equal([125, "a text\n"]);
      expect(stderr).to.match(/no snapshot can be taken: descriptor 4 is an open file/);
    }
  });

  it("refuses what is no saved run, is cut off, or was changed", () => {
    const file = join(folder, "run");
    perilune(["run", "--snapshot-at", `100:${file}`, join(GUESTS, "wasi/hello.wasm")]);
    const bytes = readFileSync(file);
    const elsewhere = perilune(["resume", join(folder, "nothere")]);
    expect(elsewhere).to.deep.equal({ code: 2, stdout: "", stderr: `perilune: ${folder}/nothere: no such file\n` });
    const cases: readonly (readonly [Uint8Array, string])[] = [
      [bytes.subarray(0, 20), "cut off"],
      [bytes.subarray(0, bytes.length - 1), "cut off"],
      [bytes.with(bytes.length - 7, bytes.at(-7)! ^ 1), "its bytes have changed"],
      [new TextEncoder().encode("something else"), "no saved run"],
    ];
    for (const [content, message] of cases) {
      writeFileSync(file, content);
      const { code, stdout, stderr } = perilune(["resume", file]);
      expect([code, stdout], message).to.deep.equal([2, ""]);
      expect(stderr).to.include(message);
      expect(stderr.startsWith(`perilune: ${file}: `), stderr).to.equal(true);
    }
  });

  it("ends with 125 where the timeout could save nothing, and says why; a place to save that is missed ends nothing, and is told by the code", () => {
    const spin = join(GUESTS, "wasi/spin.wasm");
    const file = join(folder, "none/run");
    const reason = `perilune: ${file}: cannot be written: no such directory\n`;
    const lost = perilune(["run", "--timeout", "100ms", "--snapshot-on-timeout", file, spin]);
    expect(lost).to.deep.equal({ code: 125, stdout: "", stderr: `${reason}perilune: ${spin}: ended after 100 ms\n` });
    const missed = perilune(["run", "--snapshot-at", `100:${file}`, join(GUESTS, "wasi/hello.wasm")]);
    expect(missed).to.deep.equal({ code: 125, stdout: "Hello from WebAssembly!\n", stderr: reason });
    // What fails says so itself.
    const failed = perilune(["run", "--snapshot-at", `100:${file}`, "--fuel", "1e6", spin]);
    expect(failed.code).to.equal(137);
  });

  it("reads when and where to save", () => {
    expect(parseSnapshotAt("1e6:a:b")).to.deep.equal({ fuel: 1_000_000, path: "a:b" });
    for (const text of ["", "5", ":a", "x:a", "5:", "0:a"]) {
      expect(() => parseSnapshotAt(text), text).to.throw("FUEL:FILE");
    }
  });
});
