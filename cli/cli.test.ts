/** The command line as a user meets it: child processes on the compiled output. */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { wat } from "../vm/testing.ts";

const MAIN = fileURLToPath(new URL("main.js", import.meta.url));

interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface RunOptions {
  /** Bytes for stdin, which then ends; without it stdin stays open and silent. */
  readonly input?: Uint8Array | string;
  readonly env?: Record<string, string>;
  /** Called with the process once it has started. */
  readonly during?: (child: ChildProcess) => void;
}

function perilune(args: readonly string[], options: RunOptions = {}): Promise<Result> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, ...options.env } });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
    if (options.input !== undefined) child.stdin.end(options.input);
    options.during?.(child);
  });
}

/** Runs the cases side by side, a few at a time: most of a short process is starting it. */
async function together<T>(cases: readonly T[], run: (one: T) => Promise<void>): Promise<void> {
  const left = cases.values();
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      for (const one of left) await run(one);
    }),
  );
}

/** A WASI program: `body` runs as `_start`; `$print` writes a part of memory to stdout. */
const program = (body: string, more = "") => `(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 1000) "hello\\n")
  (func $write (param $fd i32) (param $address i32) (param $length i32)
    (i32.store (i32.const 0) (local.get $address))
    (i32.store (i32.const 4) (local.get $length))
    (drop (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))))
  (func $print (param $address i32) (param $length i32)
    (call $write (i32.const 1) (local.get $address) (local.get $length)))
  ${more}
  (func $start (export "_start") ${body}))`;

const HELLO = program("(call $print (i32.const 1000) (i32.const 6))");
const ENDLESS = program("(loop $again (br $again))");

describe("perilune", function () {
  this.timeout(30_000);
  let folder: string;
  const file = (name: string, content: string | Uint8Array): string => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };

  before(() => {
    folder = mkdtempSync(join(tmpdir(), "perilune-cli-"));
  });

  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  describe("run", () => {
    it("runs a WASI program, text or binary, from a file or standard input, with or without 'run'", async () => {
      const text = file("hello.wat", HELLO);
      const binary = file("hello.wasm", wat`${HELLO}`);
      const expected = { code: 0, stdout: "hello\n", stderr: "" };
      expect(await perilune(["run", text])).to.deep.equal(expected);
      expect(await perilune([binary])).to.deep.equal(expected);
      expect(await perilune(["-"], { input: HELLO })).to.deep.equal(expected);
      expect(await perilune(["run", "-"], { input: wat`${HELLO}` })).to.deep.equal(expected);
    });

    it("passes arguments, options after the file too, and the environment it is told to", async () => {
      const show = program(
        `(drop (call $args_sizes_get (i32.const 16) (i32.const 20)))
         (drop (call $args_get (i32.const 2000) (i32.const 3000)))
         (call $print (i32.const 3000) (i32.load (i32.const 20)))
         (drop (call $environ_sizes_get (i32.const 16) (i32.const 20)))
         (drop (call $environ_get (i32.const 2000) (i32.const 3000)))
         (call $print (i32.const 3000) (i32.load (i32.const 20)))`,
      );
      const path = file("show.wat", show);
      const env = { OURS: "yes" };
      const { stdout } = await perilune(["run", "--env", "A=1", "--env", "OURS", path, "--fuel", "x", ""], { env });
      expect(stdout).to.equal(`${path}\0--fuel\0x\0\0A=1\0OURS=yes\0`);
      expect((await perilune([path], { env })).stdout).to.equal(`${path}\0`);
      expect((await perilune(["run", "--inherit-env", path], { env })).stdout).to.contain("OURS=yes\0");
    });

    it("passes standard input on", async () => {
      const cat = program(
        `(loop $again
           (i32.store (i32.const 0) (i32.const 4000))
           (i32.store (i32.const 4) (i32.const 100))
           (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
           (call $write (i32.const 2) (i32.const 4000) (i32.load (i32.const 8)))
           (br_if $again (i32.load (i32.const 8))))`,
      );
      const input = "line\n".repeat(1_000);
      expect(await perilune([file("cat.wat", cat)], { input })).to.deep.equal({ code: 0, stdout: "", stderr: input });
    });

    it("exits with the guest's code, and never takes a failure for success", async () => {
      const cases: [number, number][] = [
        [0, 0],
        [3, 3],
        [255, 255],
        [256, 1],
        [-1, 255],
        [-256, 1],
      ];
      await together(cases, async ([guest, ours]) => {
        const path = file(`exit${guest}.wat`, program(`(call $proc_exit (i32.const ${guest})) (unreachable)`));
        expect(await perilune([path]), `${guest}`).to.deep.equal({ code: ours, stdout: "", stderr: "" });
      });
    });

    it("exits with 134 after a trap, and says where it was", async () => {
      const path = file(
        "trap.wat",
        program("(call $inner)", "(func $inner (drop (i32.div_u (i32.const 1) (i32.const 0))))"),
      );
      const { code, stdout, stderr } = await perilune([path]);
      expect([code, stdout]).to.deep.equal([134, ""]);
      expect(stderr.split("\n")[0]).to.equal(`perilune: ${path}: trap: integer divide by zero`);
      expect(stderr).to.match(
        / {4}at inner \(function 10, offset 0x[\da-f]+\)\n {4}at start \(function 11, offset 0x[\da-f]+\)\n$/,
      );
    });

    it("exits with 137 when the fuel is gone, at the memory limit too", async () => {
      const endless = file("endless.wat", ENDLESS);
      const fuel = await perilune(["run", "--fuel", "1e6", endless]);
      expect([fuel.code, fuel.stdout]).to.deep.equal([137, ""]);
      expect(fuel.stderr.split("\n")[0]).to.match(/: fuel exhausted: 1\d{6} used, 1000000 allowed$/);
      const memory = await perilune(["run", "--max-memory", "100K", file("hello.wat", HELLO)]);
      expect(memory.code).to.equal(137);
      expect(memory.stderr.split("\n")[0]).to.contain("memory limit");
    });

    it("the memory limit holds for compiling, whoever runs the module, and is no fault of the module", async () => {
      const path = file("hello.wat", HELLO);
      await together([["run", "--stats=json"], ["lunatic", "run", "--stats=json"], ["top"]], async (command) => {
        const { code, stderr } = await perilune([...command, "--max-memory", "1K", path]);
        expect(code, command.join(" ")).to.equal(137);
        expect(stderr, command.join(" ")).to.match(/memory limit: no memory to compile the module: \d+ bytes/);
        if (command[0] === "run") expect(stderr).to.contain('"exitCode":137,"reason":"memory"');
      });
    });

    it("durations may be longer than Node's timers", async () => {
      // 2^31 ms are 596.5 hours.
      const path = file(
        "a-while.wat",
        `(module (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
          (memory (export "memory") 1) (data (i32.const 24) "\\00\\e1\\f5\\05")
          (func (export "_start") (drop (call $poll (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 200)))))`,
      );
      const commands = [["run"], ["lunatic", "run"], ["top", "--interval", "10000000m"]];
      await together(commands, async (command) => {
        const { code, stdout, stderr } = await perilune([...command, "--timeout", "10000h", path]);
        expect([code, stderr], command.join(" ")).to.deep.equal([0, ""]);
        // At its end alone.
        if (command[0] === "top") expect(stdout.match(/PID/g)).to.have.length(1);
      });
    });

    it("exits with 124 at the timeout, also while the program waits", async () => {
      for (const body of [
        "(loop $again (br $again))",
        `(i32.store (i32.const 4) (i32.const 1))
         (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))`,
      ]) {
        const { code, stderr } = await perilune(["run", "--timeout", "200ms", file("slow.wat", program(body))]);
        expect([code, stderr.split("\n").length]).to.deep.equal([124, 2]);
        expect(stderr).to.contain("ended after 200 ms");
      }
    });

    it("ends with 130 for SIGINT and 143 for SIGTERM", async () => {
      const started = program("(call $print (i32.const 1000) (i32.const 6)) (loop $again (br $again))");
      for (const [signal, code] of [
        ["SIGINT", 130],
        ["SIGTERM", 143],
      ] as const) {
        const result = await perilune([file("started.wat", started)], {
          during: (child) => child.stdout?.once("data", () => child.kill(signal)),
        });
        expect(result.code, signal).to.equal(code);
      }
    });

    it("ends quietly when nobody reads its output any more", async () => {
      const yes = program("(loop $again (call $print (i32.const 1000) (i32.const 6)) (br $again))");
      const { stderr, code } = await perilune([file("yes.wat", yes)], {
        during: (child) => child.stdout?.once("data", () => child.stdout?.destroy()),
      });
      expect([code, stderr]).to.deep.equal([141, ""]);
    });

    it("suspends a program whose output is not read", async () => {
      const yes = program("(loop $again (call $print (i32.const 1000) (i32.const 60000)) (br $again))");
      const { stderr, code } = await perilune(["run", "--stats=json", "--timeout", "500ms", file("flood.wat", yes)], {
        during: (child) => {
          child.stdout?.pause();
          setTimeout(() => child.stdout?.resume(), 1_000);
        },
      });
      expect(code).to.equal(124);
      const stats = JSON.parse(stderr.trim().split("\n").at(-1) ?? "") as {
        waits: number;
        slices: number;
        fuel: number;
      };
      // How much has been read before the pause depends on the machine.
      expect(stats.waits).to.be.within(1, 1_000);
    });

    it("a reader that has stalled does not hold a run whose time is over, nor one that was told to end", async () => {
      const yes = program("(loop $again (call $print (i32.const 1000) (i32.const 60000)) (br $again))");
      const path = file("stalled.wat", yes);
      const cases: [string[], number][] = [
        [["--timeout", "200ms"], 124],
        [[], 143],
      ];
      await together(cases, async ([options, code]) => {
        const child = spawn(process.execPath, [MAIN, "run", ...options, path], { stdio: ["ignore", "pipe", "ignore"] });
        // Of the first bytes it is known that it runs; the rest is never read.
        child.stdout?.once("readable", () => {
          if (options.length === 0) child.kill("SIGTERM");
        });
        expect(await new Promise((resolve) => child.on("exit", resolve))).to.equal(code);
        child.stdout?.destroy();
      });
    });

    it("tells what it used, for people and for machines", async () => {
      const path = file("hello.wat", HELLO);
      const json = await perilune(["run", "--stats=json", path]);
      const stats = JSON.parse(json.stderr) as Record<string, unknown>;
      expect(stats).to.deep.include({ exitCode: 0, reason: "returned", waits: 0 });
      expect(stats["fuel"]).to.be.within(10, 100);
      expect(stats["memoryBytes"]).to.be.within(131_072, 400_000);
      const text = await perilune(["run", "--stats", path]);
      expect([text.code, text.stdout]).to.deep.equal([0, "hello\n"]);
      expect(text.stderr).to.match(/^ended {4}returned, exit code 0\nfuel /);
      const sliced = await perilune(["run", "--stats=json", "--slice", "1", path]);
      expect(JSON.parse(sliced.stderr)).to.have.property("fuel", stats["fuel"]);
      expect((await perilune(["run", "--stats=xml", path])).code).to.equal(2);
    });

    it("gives no directory unless asked, and then only that one", async () => {
      const root = join(folder, "root");
      mkdirSync(root, { recursive: true });
      writeFileSync(join(folder, "secret"), "secret");
      writeFileSync(join(root, "inside"), "inside");
      symlinkSync("../secret", join(root, "link"));
      const opener = (path: string, flags: number) =>
        program(
          `(call $proc_exit (call $path_open (i32.const 3) (i32.const 1) (i32.const 1100) (i32.const ${path.length})
             (i32.const ${flags}) (i64.const 66) (i64.const 66) (i32.const 0) (i32.const 16)))`,
          `(data (i32.const 1100) "${path}")`,
        );
      const open = async (path: string, flags: number, ...options: string[]) =>
        (await perilune(["run", ...options, file("open.wat", opener(path, flags))])).code;
      expect(await open("inside", 0)).to.equal(8);
      expect(await open("inside", 0, "--dir", root)).to.equal(0);
      expect(await open("link", 0, "--dir", root)).to.equal(63);
      expect(await open("../secret", 0, "--dir", `${root}::/`)).to.equal(63);
      expect(await open("new", 1, "--dir", `${root}::/:ro`)).to.equal(69);
      expect(await open("new", 1, "--dir", `${root}::/`)).to.equal(0);
      expect(readFileSync(join(root, "new"), "utf8")).to.equal("");
      expect(await open("x", 0, "--dir", join(folder, "missing"))).to.equal(2);
    });
  });

  describe("run --threads", () => {
    const guest = (name: string): string =>
      fileURLToPath(new URL(`../../guests/wasm/threads/${name}.wasm`, import.meta.url));

    it("lets a program start so many threads", async () => {
      const sum = await perilune(["run", "--threads", "3", guest("sum"), "3", "100"]);
      expect(sum).to.deep.include({ code: 0, stdout: "guarded 300\natomic 900\nreturned 300\nown 0\n" });
      expect((await perilune(["run", "--threads=2", guest("end"), "many"])).stdout).to.equal("2 threads\n");
    });

    it("without it a program that starts threads is refused", async () => {
      const { code, stderr } = await perilune(["run", guest("sum")]);
      expect(code).to.equal(2);
      expect(stderr).to.contain("--threads N");
    });

    it("a trap, an exit and a deadlock of threads are the program's", async () => {
      await together(
        [
          ["trap", 134, /trap: unreachable\n +at traps/],
          ["exit", 7, /^$/],
          ["deadlock", 1, /nothing can wake it\n {4}it waits in memory\.atomic\.wait\n$/],
        ] as const,
        async ([way, code, message]) => {
          const result = await perilune(["run", "--threads", "2", guest("end"), way]);
          expect(result.code, way).to.equal(code);
          expect(result.stderr, way).to.match(message);
        },
      );
    });
  });

  it("accepts proposals that are named", async () => {
    const text = '(module (func (export "f") (result i64 i64) (i64.mul_wide_u (i64.const -1) (i64.const 2))))';
    const option = "--proposal=wide-arithmetic";
    const run = await perilune(["run", option, "--invoke", "f", "-"], { input: text });
    expect(run).to.deep.include({ code: 0, stdout: "-2\n1\n" });
    expect((await perilune(["validate", option, "-"], { input: text })).stdout).to.contain("valid");
    expect((await perilune(["validate", "-"], { input: text })).code).to.equal(2);
    expect((await perilune(["validate", "--proposal=none", "-"], { input: text })).stderr).to.contain("--proposal is");
  });

  describe("run --invoke", () => {
    const MATH = `(module
      (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
      (func (export "swap") (param i64 f32) (result f32 i64) (local.get 1) (local.get 0))
      (func (export "null") (param funcref) (result i32) (ref.is_null (local.get 0)))
      (global (export "g") i32 (i32.const 1)))`;

    it("calls a function with typed arguments and prints its results", async () => {
      const path = file("math.wat", MATH);
      const cases: [string[], string][] = [
        [["add", path, "40", "2"], "42\n"],
        [["add", path, "-1", "-2"], "-3\n"],
        [["add", path, "0x7fffffff", "1"], "-2147483648\n"],
        [["swap", path, "-9223372036854775808", "0.1"], "0.1\n-9223372036854775808\n"],
        [["null", path, "null"], "1\n"],
      ];
      await together(cases, async ([args, stdout]) => {
        expect(await perilune(["run", "--invoke", ...args])).to.deep.equal({ code: 0, stdout, stderr: "" });
      });
    });

    it("explains what does not fit", async () => {
      const path = file("math.wat", MATH);
      const cases: [string[], RegExp][] = [
        [["--invoke", "add", path, "1"], /'add' takes 2 arguments \(i32 i32\), not 1/],
        [["--invoke", "add", path, "1", "x"], /'x' is no i32/],
        [["--invoke", "sub", path], /exports no function 'sub'/],
        [["--invoke", "g", path], /exports no function 'g'/],
        [["--invoke", "add", "--deny", "*", path, "1", "2"], /--deny has no effect with --invoke/],
        [["--invoke", "add", "--allow", "*", path, "1", "2"], /--allow has no effect with --invoke/],
        [["--threads", "2", "--max-processes", "1", path], /--max-processes has no effect with --threads/],
        [[path], /no '_start' to run: call a function with perilune run --invoke NAME \(it exports add, swap, null\)/],
      ];
      await together(cases, async ([args, message]) => {
        const { code, stderr } = await perilune(["run", ...args]);
        expect([code, stderr.trim().split("\n").length], args.join(" ")).to.deep.equal([2, 1]);
        expect(stderr).to.match(message);
      });
    });

    it("initialises a reactor first", async () => {
      const reactor = `(module
        (global $ready (mut i32) (i32.const 0))
        (func (export "_initialize") (global.set $ready (i32.const 7)))
        (func (export "ready") (result i32) (global.get $ready)))`;
      const path = file("reactor.wat", reactor);
      expect((await perilune(["run", "--invoke", "ready", path])).stdout).to.equal("7\n");
      expect(await perilune([path])).to.deep.equal({ code: 0, stdout: "", stderr: "" });
    });
  });

  it("answers bad files and wrong usage with one line and exit code 2", async () => {
    const hello = wat`${HELLO}`;
    const component = new Uint8Array([0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0]);
    const files: [path: string, message: RegExp][] = [
      [file("truncated.wasm", hello.subarray(0, hello.length - 9)), /^malformed: .*offset|^malformed: /],
      [file("header.wasm", hello.subarray(0, 6)), /unexpected end|magic|version/],
      [file("empty.wasm", ""), /empty/],
      [folder, /is a directory/],
      [file("notes.txt", "Just some notes.\n"), /neither a WebAssembly binary/],
      [
        file("broken.wat", "(module (func (i32.bogus)))"),
        /^malformed: unknown operator.*1:15|^malformed: unknown operator/,
      ],
      [file("image.png", new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0, 1, 2, 3])), /magic header not detected/],
      [file("component.wasm", component), /component/],
      [file("invalid.wat", "(module\n  (func (result i32)))"), /^invalid: type mismatch.*\(line 2, column 21\)$/m],
      [file("link.wat", '(module (import "env" "f\\1b[2J" (func)))'), /unknown import/],
      [
        file("start.wat", '(module (func (export "_start") (param i32)))'),
        /^'_start' has 1 parameter \(i32\), .*--invoke _start$/m,
      ],
      [
        file("initialize.wat", '(module (func (export "_initialize") (param i64 f32)))'),
        /has 2 parameters \(i64 f32\)/,
      ],
      [join(folder, "missing.wasm"), /no such file/],
    ];
    const calls = files.map(([path, message]): [string, string, RegExp] => ["run", path, message]);
    for (const [path, message] of files.slice(0, 2)) {
      calls.push(["validate", path, message], ["inspect", path, message]);
    }
    await together(calls, async ([command, path, message]) => {
      const { code, stdout, stderr } = await perilune([command, path]);
      expect([code, stdout, stderr.trim().split("\n").length], `${command} ${path}: ${stderr}`).to.deep.equal([
        2,
        "",
        1,
      ]);
      expect(stderr.startsWith(`perilune: ${path}: `), stderr).to.equal(true);
      expect(stderr.slice(`perilune: ${path}: `.length)).to.match(message);
      expect(stderr).to.not.contain("\u001b");
    });
  });

  it("answers wrong usage with one line about it, which names no file, and exit code 2", async () => {
    const path = file("hello.wat", HELLO);
    const missing = join(folder, "missing");
    const empty = join(folder, "empty");
    mkdirSync(empty);
    const usages: [args: string[], message: string][] = [
      [["run"], "missing required argument 'file' (perilune run --help tells more)"],
      [["run", "--fuel", "x", path], "--fuel needs a whole number of at least 1, not 'x'"],
      [["run", "--allow", "lunatic", "--env", "=", path], "--env needs NAME=VALUE or NAME, not '='"],
      [["run", "--dir", missing, path], `--dir ${missing}: no such directory`],
      [["run", "--allow", "lunatic", "--dir", path, path], `--dir ${path}: is not a directory`],
      [["run", "--bogus", path], "unknown option '--bogus' (perilune run --help tells more)"],
      [["run", "--fule", "5", path], "unknown option '--fule': did you mean --fuel? (perilune run --help tells more)"],
      [["top", "--interval", "x", path], "--interval needs a duration such as 500ms, 2s or 5m, not 'x'"],
      [["top", "--stats", path], "unknown option '--stats' (perilune top --help tells more)"],
      [
        ["inspect", "--json", "--wat", path],
        "--wat and --json are two forms of output: leave one of them out (perilune inspect --help tells more)",
      ],
      [["run", "--fuel", "1e99", path], "--fuel is at most 9007199254740991, less than '1e99'"],
      [["validate"], "missing required argument 'files' (perilune validate --help tells more)"],
      [["wast", missing], `${missing}: no such file or folder`],
      [["wast", empty], `${empty}: there is no script (.wast) in this folder`],
      [
        ["run", "--allow", "bogus", path],
        "--allow 'bogus' names no import that there is, as 'lunatic::process::*' does",
      ],
      [["test", "--bogus", path], "unknown option '--bogus' (perilune test --help tells more)"],
      [["test", "--dir", missing, path], `--dir ${missing}: no such directory`],
      [["lunatic", "run"], "lunatic run needs a module (perilune lunatic --help tells more)"],
      [["lunatic", "run", "--bogus", path], "unknown option '--bogus' (perilune lunatic --help tells more)"],
      [["lunatic", "run", "--max-processes", "5", missing], `${missing}: no such file`],
      [["--bogus"], "unknown option '--bogus' (perilune --help tells more)"],
      [["help", "bogus"], "there is no command 'bogus' (perilune --help tells more)"],
    ];
    await together(usages, async ([args, message]) => {
      expect(await perilune(args), args.join(" ")).to.deep.equal({
        code: 2,
        stdout: "",
        stderr: `perilune: ${message}\n`,
      });
    });
  });

  it("validate has one line per module", async () => {
    const good = file("good.wat", HELLO);
    const bad = file("bad.wat", "(module (func (result i32)))");
    const { code, stdout, stderr } = await perilune(["validate", good, bad]);
    expect([code, stdout]).to.deep.equal([2, `${good}: valid\n`]);
    expect(stderr).to.match(/bad\.wat: invalid: type mismatch/);
  });

  it("inspect shows sections, types, imports and exports, also for machines and as text", async () => {
    const path = file("hello.wasm", wat`${HELLO}`);
    const { code, stdout } = await perilune(["inspect", path]);
    expect(code).to.equal(0);
    expect(stdout).to.match(/^ {2}code +0x[\da-f]+ +\d+ +3$/m);
    expect(stdout).to.match(/^ {2}wasi_snapshot_preview1 +proc_exit +func +\d+: \[i32\] -> \[\]$/m);
    expect(stdout).to.match(/^ {2}memory +memory 0 +2 or more pages$/m);
    expect(stdout).to.match(/^ {2}custom "name" /m);
    const json = JSON.parse((await perilune(["inspect", "--json", path])).stdout) as { exports: { type: string }[] };
    expect(json.exports[1]).to.deep.include({ name: "_start", kind: "func", index: 10 });
    expect(json.exports[1]?.type).to.match(/^\d+: \[\] -> \[\]$/);
    const text = await perilune(["inspect", "--wat", path]);
    const again = await perilune(["-"], { input: text.stdout });
    expect(again).to.deep.equal({ code: 0, stdout: "hello\n", stderr: "" });
  });

  it("output that nobody reads ends a command quietly", async () => {
    const many = Array.from({ length: 20_000 }, (_, i) => `(func (export "function ${i}"))`).join("");
    const path = file("many.wasm", wat`(module ${many})`);
    const { code, stderr } = await perilune(["inspect", path], {
      during: (child) => child.stdout?.once("data", () => child.stdout?.destroy()),
    });
    expect([code, stderr]).to.deep.equal([141, ""]);
    if (!existsSync("/dev/full")) return;
    const full = spawnSync(process.execPath, [MAIN, "inspect", path], {
      stdio: ["ignore", openSync("/dev/full", "w"), "pipe"],
      encoding: "utf8",
    });
    expect(full.status).to.equal(1);
    expect(full.stderr).to.match(/^perilune: stdout: ENOSPC: .*\n$/);
  });

  it("help, the version and results that nobody reads, or that cannot be written, end it so too", async () => {
    const calls = ["--help", "help wast", "--version", "run --help", "lunatic --version"].map((text) =>
      text.split(" "),
    );
    calls.push(["run", "--invoke", "f", file("seven.wat", '(module (func (export "f") (result i32) (i32.const 7)))')]);
    await together(calls, async (args) => {
      const quiet = await perilune(args, { during: (child) => child.stdout?.destroy() });
      expect([quiet.code, quiet.stderr], args.join(" ")).to.deep.equal([141, ""]);
      if (!existsSync("/dev/full")) return;
      const full = spawn(process.execPath, [MAIN, ...args], { stdio: ["ignore", openSync("/dev/full", "w"), "pipe"] });
      let stderr = "";
      full.stderr?.on("data", (chunk: Buffer) => {
        stderr += chunk.toString();
      });
      expect(await new Promise((resolve) => full.on("close", resolve)), args.join(" ")).to.equal(1);
      expect(stderr, args.join(" ")).to.match(/^perilune: stdout: ENOSPC: .*\n$/);
    });
    // Errors that cannot be written either end with their code.
    const wrong = await perilune(["run", "--bogus"], { during: (child) => child.stderr?.destroy() });
    expect(wrong.code).to.equal(2);
  });

  it("wast runs scripts", async () => {
    const script = file(
      "script.wast",
      `(module (func (export "f") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1))))
       (assert_return (invoke "f" (i32.const 1)) (i32.const 2))`,
    );
    for (const options of [[], ["--slice", "1"], ["--exact", "1"]]) {
      const { code, stdout } = await perilune(["wast", ...options, script]);
      expect([code, stdout.trim().split("\n").at(-1)], stdout).to.deep.equal([0, "1 passed, 0 failed, 0 skipped"]);
    }
    const wrong = file("wrong.wast", '(module (func (export "f"))) (assert_return (invoke "f") (i32.const 2))');
    expect((await perilune(["wast", wrong])).code).to.equal(1);
  });

  it("a plain run loads a few files, and none of what reads options", function () {
    const isBundled = readFileSync(MAIN, "utf8").includes("/chunks/");
    // tsc alone leaves the command line in its many files.
    if (!isBundled) this.skip();
    const loaded = new Set<string>();
    const packages = new Set<string>();
    const load = (path: string): void => {
      if (loaded.has(path)) return;
      loaded.add(path);
      for (const [, target = ""] of readFileSync(path, "utf8").matchAll(/^(?:import\b[^"';]*|\} from )"([^"]+)";/gm)) {
        if (target.startsWith(".")) load(join(dirname(path), target));
        else packages.add(target);
      }
    };
    load(MAIN);
    const run = /"(\.[^"]*\/run-\w+\.js)"/.exec(readFileSync(MAIN, "utf8"))?.[1];
    load(join(dirname(MAIN), run ?? "run is not loaded lazily"));
    expect(loaded.size).to.be.within(4, 24);
    expect([...packages].filter((name) => !name.startsWith("node:"))).to.deep.equal([]);
  });

  it("helps", async () => {
    await together([[], ["run"], ["validate"], ["inspect"], ["wast"]], async (command) => {
      const { code, stdout } = await perilune([...command, "--help"]);
      expect(code).to.equal(0);
      expect(stdout).to.match(/^Usage: perilune/);
    });
    expect((await perilune(["run", "--help"])).stdout).to.contain("Examples:");
    expect((await perilune(["--version"])).stdout).to.match(/^\d+\.\d+\.\d+\n$/);
    for (const args of [["help"], ["help", "help"]]) {
      expect((await perilune(args)).stdout, args.join(" ")).to.match(/^Usage: perilune/);
    }
    const { code, stdout, stderr } = await perilune([]);
    expect([code, stdout, stderr.split("\n")[0]]).to.deep.equal([2, "", "Usage: perilune [options] [command]"]);
  });
});
