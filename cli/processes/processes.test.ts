/** Programs of processes as a user meets them: child processes on the compiled output. */

import { execFile, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { CrashLog } from "./crash-log.ts";
import { parseLunaticRun } from "../commands/lunatic.ts";
import { limitsOf, patterns } from "./grants.ts";
import { LateReports } from "./late-reports.ts";

const MAIN = fileURLToPath(new URL("../main.js", import.meta.url));
const GUESTS = fileURLToPath(new URL("../../../guests/wasm/lunatic/", import.meta.url));
const PING_PONG = join(GUESTS, "ping-pong.wasm");
const TESTS = join(GUESTS, "rust-tests.wasm");

interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function perilune(args: readonly string[], env: Record<string, string> = {}, main = MAIN): Promise<Result> {
  return new Promise((resolve) => {
    const options = { env: { ...process.env, ...env } };
    const child = execFile(process.execPath, [main, ...args], options, (_, stdout, stderr) => {
      resolve({ code: child.exitCode, stdout, stderr });
    });
  });
}

describe("perilune run with processes", function () {
  this.timeout(30_000);
  let folder = "";
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "perilune-processes-"));
  });
  after(() => rmSync(folder, { recursive: true }));

  const file = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };
  const program = (body: string): string => `(module
    (import "lunatic::message" "receive" (func $receive (param i32 i32 i64) (result i32)))
    (import "lunatic::process" "kill" (func $kill (param i64)))
    (import "lunatic::process" "process_id" (func $process_id (result i64)))
    (import "lunatic::process" "sleep_ms" (func $sleep_ms (param i64)))
    (memory (export "memory") 1)
    (func (export "_start") ${body}))`;
  const WAIT = "(drop (call $receive (i32.const 0) (i32.const 0) (i64.const -1)))";

  it("a program of processes runs when its imports are allowed", async () => {
    const { code, stdout, stderr } = await perilune(["run", "--allow", "lunatic::*", "--stats=json", PING_PONG, "50"]);
    expect(stdout).to.equal("ping-pong: 50 replies of process 2\n");
    expect(code).to.equal(0);
    const stats = JSON.parse(stderr) as { memoryBytes: number };
    expect(stats).to.include({ exitCode: 0, reason: "returned", processes: 2 });
    // Each has a memory of at least a page.
    expect(stats.memoryBytes).to.be.within(2 * 65_536, 4_000_000);
    const text = await perilune(["lunatic", "run", "--stats", PING_PONG, "5"]);
    expect(text.stderr).to.match(
      /^ended {4}returned, exit code 0\nfuel {5}.*\nmemory {3}[\d,]+ bytes\nnumber {3}2 processes\n/,
    );
  });

  it("the statistics tell apart what exits with the same code", async () => {
    const exit = '(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))';
    const code = (n: number): string =>
      file(
        `exit-${n}.wat`,
        `(module ${exit} (memory (export "memory") 1)
      (func (export "_start") (call $exit (i32.const ${n}))))`,
      );
    const LINKED = `(module
      (import "lunatic::process" "spawn" (func $spawn (param i64 i64 i64 i32 i32 i32 i32 i32) (result i32)))
      (import "lunatic::process" "sleep_ms" (func $sleep_ms (param i64)))
      (memory (export "memory") 1)
      (data (i32.const 0) "child")
      (func (export "child") (unreachable))
      (func (export "_start")
        (drop (call $spawn (i64.const 7) (i64.const -1) (i64.const -1)
          (i32.const 0) (i32.const 5) (i32.const 0) (i32.const 0) (i32.const 16)))
        (call $sleep_ms (i64.const 60000))))`;
    const cases: [string[], object][] = [
      [["--allow", "lunatic", code(137)], { exitCode: 137, reason: "exit", guestCode: 137 }],
      [["--allow", "lunatic", code(256)], { exitCode: 1, reason: "exit", guestCode: 256 }],
      [[code(2)], { exitCode: 2, reason: "exit", guestCode: 2 }],
      [[join(folder, "none.wasm")], { exitCode: 2, reason: "usage", message: "no such file" }],
      [
        ["--allow", "lunatic", file("killed.wat", program(`(call $kill (call $process_id)) ${WAIT}`))],
        { exitCode: 137, reason: "killed", message: "killed by process 1" },
      ],
      [
        ["--allow", "lunatic", file("linked.wat", LINKED)],
        { exitCode: 137, reason: "link", message: "process 2 that it is linked to ended: trap: unreachable" },
      ],
      [
        ["--allow", "lunatic", file("trap.wat", program("(unreachable)"))],
        { exitCode: 134, reason: "trap", message: "trap: unreachable" },
      ],
      [["--allow", "lunatic", file("deadlock.wat", program(WAIT))], { exitCode: 1, reason: "deadlock" }],
      [
        ["--allow", "lunatic", "--timeout", "100ms", file("sleeps.wat", program("(call $sleep_ms (i64.const 60000))"))],
        { exitCode: 124, reason: "timeout" },
      ],
      [
        ["--deny", "lunatic::*", file("denied.wat", program("(call $sleep_ms (i64.const 0))"))],
        { exitCode: 137, reason: "import denied" },
      ],
    ];
    await Promise.all(
      cases.map(async ([args, expected]) => {
        const { code: exitCode, stderr } = await perilune(["run", "--stats=json", ...args]);
        const stats = JSON.parse(stderr.trimEnd().split("\n").at(-1) ?? "") as { exitCode: number };
        expect(stats, args.join(" ")).to.include(expected);
        expect(exitCode, args.join(" ")).to.equal(stats.exitCode);
      }),
    );
  });

  /** `$print` writes "half" to a descriptor. */
  const printer = (body: string): string => `(module
    (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\\08\\00\\00\\00\\04\\00\\00\\00half")
    (func $print (param $fd i32) (drop (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 100))))
    (func (export "_start") ${body}))`;

  it("a signal ends it in order, and a closed stdout quietly", async () => {
    const printing = file("printing.wat", printer("(loop $again (call $print (i32.const 1)) (br $again))"));
    for (const [end, code] of [
      ["SIGINT", 130],
      ["SIGTERM", 143],
      ["closed", 141],
    ] as const) {
      const child = spawn(process.execPath, [MAIN, "run", "--allow", "lunatic", printing]);
      let stderr = "";
      child.stderr.on("data", (chunk: Buffer) => {
        stderr += chunk.toString();
      });
      child.stdout.once("data", () => {
        if (end === "closed") child.stdout.destroy();
        else {
          child.kill(end);
          child.stdout.resume();
        }
      });
      const exit = await new Promise((resolve) => child.on("close", resolve));
      expect([exit, stderr.replace(/^.*: /, "")], end).to.deep.equal([
        code,
        end === "closed" ? "" : `ended by ${end}\n`,
      ]);
    }
  });

  it("what the command says begins a line of its own, whatever the guest wrote", async () => {
    const path = file("half-a-line.wat", printer("(call $print (i32.const 2)) (unreachable)"));
    for (const options of [[], ["--allow", "lunatic"]]) {
      const { code, stderr } = await perilune(["run", ...options, "--stats=json", path]);
      expect(code).to.equal(134);
      expect(stderr).to.match(/^half\nperilune: .*: trap: unreachable\n {4}at .*\n\{"exitCode":134,.*\}\n$/);
    }
  });

  it("in Lunatic's place there is no perilune::*", async () => {
    const narrowing = file(
      "narrowing.wat",
      '(module (import "perilune::config" "version" (func (result i32))) (func (export "_start")))',
    );
    const { code, stderr } = await perilune(["lunatic", "run", narrowing]);
    expect(code).to.equal(2);
    expect(stderr).to.include("unknown import");
    expect(stderr).to.include("perilune::config");
    expect((await perilune(["run", "--allow", "perilune", narrowing])).code).to.equal(0);
    const tests = file(
      "narrowing-tests.wat",
      '(module (import "perilune::config" "version" (func (result i32))) (func (export "#lunatic_test_a")))',
    );
    expect((await perilune(["test", tests])).stderr).to.include("unknown import");
  });

  it("an import that is not allowed ends it, and the report says what would allow it", async () => {
    const { code, stderr } = await perilune(["run", PING_PONG]);
    expect(code).to.equal(137);
    expect(stderr).to.match(/import denied: lunatic::process::spawn is not permitted\n.*--allow 'lunatic::\*'/s);
  });

  it("what is denied is denied even if allowed, and the report names the option", async () => {
    const version = file(
      "version.wat",
      '(module (import "perilune::config" "version" (func $v (result i32))) (func (export "_start") (drop (call $v))))',
    );
    const cases: [string[], string][] = [
      [
        ["run", "--allow", "lunatic", "--deny", "lunatic::process::spawn", PING_PONG],
        "(--deny 'lunatic::process::spawn' forbids it)",
      ],
      [["lunatic", "run", "--deny", "lunatic::process", PING_PONG], "(--deny 'lunatic::process::*' forbids it)"],
      [
        ["run", "--deny", "wasi_snapshot_preview1::fd_w*", file("half.wat", printer("(call $print (i32.const 1))"))],
        "(--deny 'wasi_snapshot_preview1::fd_w*' forbids it)",
      ],
      [
        ["run", "--allow", "lunatic", version],
        "(--allow 'perilune::*' permits all that begins so, --allow 'perilune::config::version' this alone)",
      ],
    ];
    await Promise.all(
      cases.map(async ([args, hint]) => {
        const { code, stdout, stderr } = await perilune(args);
        expect([code, stdout], args.join(" ")).to.deep.equal([137, ""]);
        expect(stderr.trimEnd().split("\n").at(-1), args.join(" ")).to.equal(`    ${hint}`);
      }),
    );
  });

  it("a process that has no room to start is no report: who spawned it is told", async () => {
    const spawning = file(
      "spawning.wat",
      `(module
        (import "lunatic::process" "spawn" (func $spawn (param i64 i64 i64 i32 i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 20) (data (i32.const 0) "child")
        (func (export "child"))
        (func (export "_start")
          (if (i32.eqz (call $spawn (i64.const 0) (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 5) (i32.const 16)
            (i32.const 0) (i32.const 32))) (then unreachable))))`,
    );
    const { code, stderr } = await perilune(["lunatic", "run", "--max-memory", "2M", "--stats=json", spawning]);
    expect([code, stderr.split("\n").length]).to.deep.equal([0, 2]);
    expect(JSON.parse(stderr)).to.include({ reason: "returned", processes: 2 });
  });

  it("a deadlock is reported with who waits, and --wait-forever waits", async () => {
    const path = file("deadlock.wat", program(WAIT));
    const { code, stderr } = await perilune(["run", "--allow", "lunatic", path]);
    expect(code).to.equal(1);
    expect(stderr).to.match(
      /nothing can wake it\n {4}process 1 \(main\): waits in lunatic::message::receive for \d+ ms, 0 messages unread\n$/,
    );
    const forever = await perilune(["run", "--allow", "lunatic", "--wait-forever", "--timeout", "300ms", path]);
    expect(forever.code).to.equal(124);
  });

  it("a main process that is killed ends the run with 137, and a sleep is no deadlock", async () => {
    const killed = file("killed.wat", program(`(call $kill (call $process_id)) ${WAIT}`));
    const { code, stderr } = await perilune(["lunatic", "run", killed]);
    expect(code).to.equal(137);
    expect(stderr).to.include("killed by process 1");
    const slept = file("slept.wat", program("(call $sleep_ms (i64.const 20))"));
    expect(await perilune(["lunatic", "run", slept])).to.deep.equal({ code: 0, stdout: "", stderr: "" });
  });

  it("the limits are those of all processes together", async () => {
    const bomb = join(GUESTS, "fork-bomb.wasm");
    const args = ["run", "--allow", "lunatic::*", "--max-processes", "20", "--fuel", "3e6", "--stats=json", bomb];
    const { code, stderr } = await perilune(args);
    expect(code).to.equal(137);
    const stats = JSON.parse(stderr.trimEnd().split("\n").at(-1) ?? "") as { fuel: number; processes: number };
    expect(stats.fuel).to.be.within(3e6, 3.2e6);
    expect(stats.processes).to.equal(20);
  });

  it("a guest narrows what its children may do by perilune::config", async () => {
    const args = ["run", "--allow", "lunatic", "--allow", "perilune", join(GUESTS, "sandbox.wasm")];
    const { code, stdout, stderr } = await perilune(args);
    expect(code).to.equal(0);
    expect(stdout).to.equal(
      [
        "polite: a polite answer",
        "talkative: was ended",
        "endless: was ended",
        "killer: its parent lives on",
        "planter: 8 children",
        "",
      ].join("\n"),
    );
    expect(stderr).to.match(/process 3 .*: import denied: wasi_snapshot_preview1::fd_write is not permitted\n/);
    expect(stderr).to.match(/process 4 .*: fuel exhausted: 10000000 used, 10000000 allowed\n/);
  });

  it("a process that fails is reported, and the run goes on", async () => {
    const { code, stdout, stderr } = await perilune(["lunatic", "run", join(GUESTS, "supervised-workers.wasm")]);
    expect(code).to.equal(0);
    expect(stdout).to.include("worker-2 is a new process: 12 squared is 144\nrestarts: 1\n");
    expect(stderr).to.match(
      /^panicked: a worker was poisoned\nperilune: process \d+ \(worker-2\): trap: unreachable\n {4}at /,
    );
  });

  it("under the name 'lunatic' it is 'perilune lunatic', started by its link", async function () {
    // The last step of the build makes it executable, also after a clean one; tsc alone does not.
    if (process.platform === "win32" || !readFileSync(MAIN, "utf8").includes("/chunks/")) return this.skip();
    expect(statSync(MAIN).mode & 0o111).to.equal(0o111);
    const link = join(folder, "lunatic");
    symlinkSync(MAIN, link);
    const stdout = await new Promise((resolve) => execFile(link, [PING_PONG, "3"], (_, output) => resolve(output)));
    expect(stdout).to.equal("ping-pong: 3 replies of process 2\n");
  });

  it("in Lunatic's place it helps, and ends at its timeout", async () => {
    const help = await perilune(["lunatic", "--help"]);
    expect(help.stdout).to.match(/^Usage: perilune lunatic .*--max-processes <n>.*--dir <dir>/s);
    for (const args of [["help"], ["run", "--help"], ["run", "--fuel", "5", "-h", PING_PONG]]) {
      expect(await perilune(["lunatic", ...args]), args.join(" ")).to.deep.equal(help);
    }
    const { code, stderr } = await perilune([
      "lunatic",
      "run",
      "--timeout=100ms",
      file("late.wat", program("(loop (br 0))")),
    ]);
    expect(code).to.equal(124);
    expect(stderr).to.match(/late\.wat: ended after 100 ms\n$/);
  });

  it("the tests of a module run with virtual time", async () => {
    const { code, stdout, stderr } = await perilune(["test", TESTS]);
    expect(stderr).to.equal("");
    expect(code).to.equal(1);
    expect(stdout).to.match(/^\nrunning 10 tests\ntest ignored \.\.\. ignored\n/);
    for (const line of [
      "test sleeps ... ok",
      "test child_panics ... ok",
      "test numbered::words - should panic ... ok",
    ]) {
      expect(stdout).to.include(`${line}\n`);
    }
    expect(stdout).to.match(
      /failures:\n {4}panics\n {4}other_words\n {4}does_not_panic\n\ntest result: FAILED\. 6 passed/,
    );
  });

  it("a test that nothing can wake fails, and its processes are named with what they wait in", async () => {
    const path = file(
      "waiting.wat",
      `(module (import "lunatic::message" "receive" (func $receive (param i32 i32 i64) (result i32)))
        (import "lunatic::process" "spawn" (func $spawn (param i64 i64 i64 i32 i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1) (data (i32.const 0) "child")
        (func $wait (export "child") (drop (call $receive (i32.const 0) (i32.const 0) (i64.const -1))))
        (func (export "#lunatic_test_waits")
          (drop (call $spawn (i64.const 0) (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 5) (i32.const 16)
            (i32.const 0) (i32.const 32)))
          (call $wait)))`,
    );
    const { code, stdout } = await perilune(["test", path]);
    expect(code).to.equal(1);
    const waits = /: waits in lunatic::message::receive for \d+ ms, 0 messages unread\n/.source;
    expect(stdout).to.match(
      new RegExp(
        `it waits, and nothing can wake it\n {4}process 1 \\(waits\\)${waits} {4}process 2 \\(child\\)${waits}\n`,
      ),
    );
  });

  it("tests run one after the other, or all together; in real time only what is awake goes on", async () => {
    const path = file(
      "slow-and-quick.wat",
      `(module (import "lunatic::process" "sleep_ms" (func $sleep_ms (param i64)))
        (func (export "#lunatic_test_slow") (call $sleep_ms (i64.const 3600000)))
        (func (export "#lunatic_test_quick")))`,
    );
    const order = async (...options: string[]): Promise<string> => {
      const { code, stdout } = await perilune(["test", path, ...options]);
      expect(code).to.equal(0);
      return [...stdout.matchAll(/^test (\w+) \.\.\. ok$/gm)].map(([, name]) => name).join(" ");
    };
    expect(await order()).to.equal("quick slow");
    expect(await order("--test-threads", "1")).to.equal("slow quick");
    expect((await perilune(["test", path, "--test-threads", "0"])).code).to.equal(2);
    const child = spawn(process.execPath, [MAIN, "test", path, "--clock", "real"]);
    let stdout = "";
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString();
      if (stdout.includes("quick")) setTimeout(() => child.kill(), 200);
    });
    expect(await new Promise((resolve) => child.on("close", (_, signal) => resolve(signal)))).to.equal("SIGTERM");
    expect(stdout).to.equal("\nrunning 2 tests\ntest quick ... ok\n");
  });

  it("nextest's calls are answered", async () => {
    const listed = await perilune(["test", TESTS, "--list", "--format", "terse", "--ignored"]);
    expect(listed).to.deep.equal({ code: 0, stdout: "ignored: test\n", stderr: "" });
    const one = await perilune(["test", TESTS, "passes", "--exact", "--nocapture"]);
    expect(one.code).to.equal(0);
    expect(one.stdout).to.match(/running 1 test\nquiet words\ntest passes \.\.\. ok\n/);
  });

  it("Cargo's runner finds test programs by their exports", async () => {
    const args = ["lunatic", "run", TESTS, "old", "--test-threads", "1"];
    const { code, stdout } = await perilune(args, { CARGO_MANIFEST_DIR: folder });
    expect(code).to.equal(0);
    expect(stdout).to.include("test old::any - should panic ... ok\n");
    expect((await perilune(["lunatic", "run", TESTS])).stdout).to.equal("running 0 tests\n");
  });

  it("a runner's options hold for each test of Cargo's test programs", async () => {
    const path = file(
      "limited-tests.wat",
      `(module
        (import "lunatic::process" "spawn" (func $spawn (param i64 i64 i64 i32 i32 i32 i32 i32) (result i32)))
        (import "lunatic::message" "receive" (func $receive (param i32 i32 i64) (result i32)))
        (memory (export "memory") 1) (data (i32.const 0) "child")
        (func (export "child"))
        (func (export "#lunatic_test_short"))
        (func (export "#lunatic_test_#panic_#endless") (loop $again (br $again)))
        (func (export "#lunatic_test_large") (if (i32.eq (memory.grow (i32.const 1000)) (i32.const -1)) (then unreachable)))
        (func (export "#lunatic_test_spawns")
          (if (call $spawn (i64.const 0) (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 5) (i32.const 16)
            (i32.const 0) (i32.const 32)) (then unreachable)))
        (func (export "#lunatic_test_waits") (drop (call $receive (i32.const 0) (i32.const 0) (i64.const -1)))))`,
    );
    const run = (...args: string[]): Promise<Result> =>
      perilune(["lunatic", "run", ...args], { CARGO_MANIFEST_DIR: folder });
    // A value that looks like a module is none.
    const folderLikeModule = join(folder, "folder.wasm");
    mkdirSync(folderLikeModule);
    const cases: [string[], string[], string[], RegExp][] = [
      [["--fuel", "10000000"], ["endless"], ["short", "large", "spawns"], /failed: fuel exhausted: /],
      [["--timeout=2s"], ["endless"], ["short"], /failed: ended after 2000 ms/],
      [["--wait-forever", "--timeout", "2s"], ["waits"], ["short"], /failed: ended after 2000 ms/],
      [["--max-memory", "4M"], ["large"], ["short", "spawns"], /failed: trap: unreachable/],
      [["--max-processes", "1"], ["spawns"], ["short", "large"], /failed: trap: unreachable/],
      [["--deny", "lunatic::process::*"], ["spawns"], ["short"], /failed: import denied: lunatic::process::spawn/],
      [["--dir", folderLikeModule], ["waits"], ["short"], /nothing can wake it/],
    ];
    await Promise.all(
      cases.map(async ([options, failing, passing, note]) => {
        const others = ["short", "endless", "large", "spawns", "waits"].filter(
          (name) => ![...failing, ...passing].includes(name),
        );
        const { code, stdout, stderr } = await run(...options, path, ...others.flatMap((name) => ["--skip", name]));
        const named = (word: string): string[] =>
          [...stdout.matchAll(/^test (\w+)(?: - should panic)? \.\.\. (\w+)$/gm)]
            .filter((match) => match[2] === word)
            .map((match) => match[1]!);
        const what = options.join(" ");
        expect([code, stderr], what).to.deep.equal([1, ""]);
        expect(named("FAILED"), what).to.have.members(failing);
        expect(named("ok"), what).to.have.members(passing);
        expect(stdout, what).to.match(note);
      }),
    );
    const stats = await run("--stats=json", path, "short");
    expect(JSON.parse(stats.stderr)).to.include({ exitCode: 0, reason: "returned", processes: 1 });
    expect((await run("--nocapture", path)).stderr).to.include("unknown option '--nocapture'");
    expect((await run("--max-memory", "1K", path)).code).to.equal(137);
  });

  it("top draws in place on a terminal, and reports of failures stand below the last table", async function () {
    const path = file(
      "failing.wat",
      `(module
        (import "lunatic::process" "spawn" (func $spawn (param i64 i64 i64 i32 i32 i32 i32 i32) (result i32)))
        (import "lunatic::process" "sleep_ms" (func $sleep_ms (param i64)))
        (memory (export "memory") 1) (data (i32.const 0) "child")
        (func (export "child") unreachable)
        (func (export "_start")
          (drop (call $spawn (i64.const 0) (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 5) (i32.const 16)
            (i32.const 0) (i32.const 32)))
          (call $sleep_ms (i64.const 600)) (drop (i32.div_s (i32.const 1) (i32.const 0)))))`,
    );
    const command = [process.execPath, MAIN, "top", "--lunatic", "--interval", "50ms", path].join(" ");
    // Of util-linux: runs a command on a terminal of its own.
    const { error, status, stdout } = spawnSync("script", ["-qec", command, "/dev/null"], { encoding: "utf8" });
    if (error !== undefined || process.platform !== "linux") return this.skip();
    expect(status).to.equal(134);
    const screens = stdout.replaceAll("\r", "").split("\u001b[H\u001b[J");
    expect(screens.length).to.be.at.least(3);
    expect(screens[0]).to.equal("");
    expect(screens.at(-2)).to.match(
      /^\d+\.\d s, 1 process\nPID .*perilune: process 2 \(child\): trap: unreachable\n$/s,
    );
    expect(screens.at(-1)).to.match(
      /^\d+\.\d s, 0 processes\nPID .*\nperilune: process 2 \(child\): trap: unreachable\n {4}at .*\nperilune: .*failing\.wat: trap: integer divide by zero\n {4}at .*\n$/,
    );
  });

  it("kept reports are the latest", () => {
    const reports = new LateReports();
    expect(reports.latest).to.equal("");
    for (let i = 0; i < 250; i++) reports.add(`report ${i}\n    at it`);
    expect(reports.latest).to.equal("report 249");
    const written: string[] = [];
    for (let time = 0; time < 2; time++) reports.flush((text) => written.push(text));
    expect(written).to.have.length(101);
    expect(written.slice(0, 2)).to.deep.equal(["perilune: 150 earlier reports left out", "report 150\n    at it"]);
  });

  it("top prints tables when piped", async () => {
    const bomb = join(GUESTS, "fork-bomb.wasm");
    const { code, stdout } = await perilune([
      "top",
      "--lunatic",
      "--max-processes",
      "3",
      "--timeout",
      "700ms",
      "--interval",
      "200ms",
      bomb,
    ]);
    expect(code).to.equal(124);
    expect(stdout).to.match(
      /^\d+\.\d s, (?:1 process|[23] processes)\nPID {2}NAME +STATE +MAILBOX +MEMORY +FUEL +SHARE\n/,
    );
  });
});

describe("lunatic run: arguments", () => {
  it("--dir may stand anywhere, --bench is the guest's last argument, and what follows -- is the guest's", () => {
    const parsed = parseLunaticRun(["--dir", "a", "m.wasm", "x", "--dir=b", "--bench", "--", "--dir", "y"]);
    expect(parsed).to.deep.include({ file: "m.wasm", args: ["x", "--dir", "y", "--bench"] });
    expect(parsed).to.have.deep.nested.property("grants.dir", ["a", "b"]);
  });

  it("limits stand before the file", () => {
    expect(parseLunaticRun(["--fuel", "5", "--deny", "a::*", "m.wasm", "--fuel"])).to.deep.include({
      grants: { dir: [], fuel: "5", deny: ["a::*"] },
      args: ["--fuel"],
    });
    expect(() => parseLunaticRun(["--bogus", "m.wasm"])).to.throw("unknown option '--bogus'");
    expect(() => parseLunaticRun([])).to.throw("needs a module");
  });
});

describe("grants", () => {
  it("leave the memory of all processes to the runtime's default unless asked", () => {
    expect(limitsOf({})).not.to.have.property("maxMemory");
    expect(limitsOf({ maxMemory: "1M" }).maxMemory).to.equal(1_048_576);
  });

  it("take patterns of imports and namespaces, and refuse those that name nothing", () => {
    const cases: [string, string[]][] = [
      ["lunatic", ["lunatic::*"]],
      ["lunatic::process", ["lunatic::process", "lunatic::process::*"]],
      ["lunatic::process::spawn", ["lunatic::process::spawn", "lunatic::process::spawn::*"]],
      ["wasi_snapshot_preview1::fd_*", ["wasi_snapshot_preview1::fd_*"]],
      ["lunatic::networking::tcp_bind", ["lunatic::networking::tcp_bind", "lunatic::networking::tcp_bind::*"]],
      ["*", ["*"]],
    ];
    for (const [text, meant] of cases) expect(patterns("--allow", [text]), text).to.deep.equal(meant);
    for (const text of ["", "bogus", "lunatic::proces::*", "lunatic::process::spwan", "spawn"]) {
      expect(() => patterns("--deny", [text]), text).to.throw(`--deny '${text}' names no import that there is`);
    }
  });
});

describe("reports of failed processes", () => {
  type Ended = Parameters<CrashLog["ended"]>[0];
  type Fake = { readonly parent: Fake | null };
  const environment = { registry: { namesOf: () => ["a/b/Process/\u001b[2J"] } };
  const all: Fake = { parent: null };
  const main: Fake = { parent: all };
  const of = (pid: number, group: Fake) => ({ pid, name: "x", environment, group }) as unknown as Ended;

  it("are ten in a second, harmless, and the rest is counted", () => {
    let text = "";
    let nowMs = 0;
    const log = new CrashLog(
      (lines) => {
        text += `${lines}\n`;
      },
      () => nowMs,
    );
    const ended = of(7, main);
    for (let i = 0; i < 1_000; i++) log.ended(ended, { kind: "error", error: new Error("e\u202e\n") });
    log.ended(ended, { kind: "killed", by: null });
    nowMs = 1_000;
    log.ended(ended, { kind: "code", code: 3 });
    expect(text.split("\n")).to.have.length(13);
    expect(text).to.match(/^perilune: process 7 \(\\u\{1b\}\[2J\): e\\u\{202e\}\\u\{a\}\n/);
    expect(text).to.match(/990 more reports suppressed\nperilune: process 7 .*: exit with code 3\n$/);
  });

  it("of one group do not hide those of another, whatever groups it has inside; all together are bounded", () => {
    let reports: string[] = [];
    let nowMs = 0;
    const log = new CrashLog(
      (text) => reports.push(text),
      () => nowMs,
    );
    const fail = (pid: number, group: Fake): void => log.ended(of(pid, group), { kind: "code", code: 1 });
    const noisy: Fake = { parent: all };
    for (let i = 0; i < 100; i++) fail(1, i % 2 === 0 ? noisy : { parent: { parent: noisy } });
    fail(2, main);
    fail(3, all);
    expect(reports.map((text) => /process (\d+)/.exec(text)?.[1]).join("")).to.equal(`${"1".repeat(10)}23`);
    nowMs = 1_000;
    reports = [];
    // Ever more groups take no more either, and those that come late are heard.
    for (let i = 0; i < 1_000; i++) fail(4, { parent: all });
    nowMs = 2_000;
    for (let group = 0; group < 40; group++) {
      const own = { parent: all };
      for (let i = 0; i < 50; i++) fail(5, own);
    }
    fail(6, main);
    const count = (pid: number): number => reports.filter((text) => text.includes(`process ${pid} `)).length;
    expect([count(4), count(5), count(6)]).to.deep.equal([100, 50 + 35, 1]);
  });
});
