import { expect } from "chai";
import { cells, endOf, expectTrap, mainOf, notesOf, TestHost } from "./testing.ts";

const CATCH = `(call $test::i32 (call $trap::catch (i32.const 3) (i32.const 4)))`;
const callback = (body: string) => `(func (export "_lunatic_catch_trap") (param i32 i32) (result i32) ${body})`;

cells("trap::catch", {
  "success: gives the result of the callback, which gets both values": () => {
    expect(notesOf(CATCH, callback(`(i32.add (i32.mul (local.get 0) (i32.const 10)) (local.get 1))`))).to.deep.equal([
      34,
    ]);
  },
  "a trap of any kind gives 0, and what was done stays done": () => {
    const ends = {
      unreachable: `unreachable`,
      "a host function that traps": `(call $error::drop (i64.const 9)) (i32.const 1)`,
      "proc_exit with any code": `(call $wasi_snapshot_preview1::proc_exit (i32.const 0)) (i32.const 1)`,
      "a division": `(i32.div_u (i32.const 1) (i32.const 0))`,
      recursion: `(call $deep) (i32.const 1)`,
    };
    for (const [name, body] of Object.entries(ends)) {
      const host = new TestHost();
      const text = `(func $deep (call $deep))
        (global $g (mut i32) (i32.const 0))
        (func (export "main") ${CATCH} (call $test::i32 (global.get $g)))
        ${callback(`(global.set $g (i32.const 8)) ${body}`)}`;
      const { end, notes } = host.run(text);
      expect(end, name).to.equal("normal");
      expect(notes, name).to.deep.equal([0, 8]);
    }
  },
  "the guest inside may wait, and go on afterwards": () => {
    const host = new TestHost();
    const { notes } = host.run(
      mainOf(
        `(call $message::create_data (i64.const 5) (i64.const 0)) (drop (call $timer::send_after (call $process::process_id) (i64.const 100))) ${CATCH}`,
        callback(`(call $message::receive (i32.const 0) (i32.const 0) (i64.const -1)) (drop)
        (i32.wrap_i64 (call $message::get_tag))`),
      ),
    );
    expect(notes).to.deep.equal([5]);
  },
  "the guest inside may be preempted": () => {
    const host = new TestHost();
    const { notes } = host.run(
      mainOf(
        CATCH,
        callback(`(local $i i32)
      (loop $l (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000000)))) (local.get $i)`),
      ),
    );
    expect(notes).to.deep.equal([1_000_000]);
  },
  "the guest inside may be killed, and a kill is not caught": () => {
    const host = new TestHost();
    const handle = host.start(mainOf(CATCH, callback(`(loop $l (br $l)) (i32.const 1)`)));
    host.executor.runUntilIdle(20);
    handle.kill();
    host.executor.runUntilIdle();
    expect(handle.process.exitReason).to.deep.equal({ kind: "killed", by: null });
    expect(host.notes).to.deep.equal([]);
  },
  "a link's death is not caught": () => {
    const host = new TestHost();
    const { notes, reason } = host.run(`(func (export "main")
        (drop (call $process::spawn (i64.const 6) (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 5) (i32.const 0) (i32.const 0) (i32.const 8)))
        ${CATCH})
      (func (export "child") unreachable)
      ${callback(`(call $message::receive (i32.const 0) (i32.const 0) (i64.const -1))`)} (data (i32.const 0) "child")`);
    expect(notes).to.deep.equal([]);
    expect(reason?.kind).to.equal("link");
  },
  "exhausted fuel and denied imports are not caught": () => {
    const endless = mainOf(CATCH, callback(`(loop $l (br $l)) (i32.const 1)`));
    const fuel = new TestHost().run(endless, { config: { maxFuel: 1e6 } });
    expect(fuel.reason).to.include({ kind: "limit", limit: "fuel exhausted" });
    const denied = mainOf(CATCH, callback(`(drop (call $process::process_id)) (i32.const 1)`));
    const imports = new TestHost().run(denied, { config: { imports: { deny: ["lunatic::process::*"] } } });
    expect(imports.reason).to.include({ kind: "limit", limit: "import denied" });
  },
  "calls nest, and each contains its own trap": () => {
    const notes = notesOf(
      CATCH,
      `
      (global $depth (mut i32) (i32.const 0))
      ${callback(`(global.set $depth (i32.add (global.get $depth) (i32.const 1)))
        (if (i32.eq (global.get $depth) (i32.const 50)) (then unreachable))
        (i32.add (i32.const 1) (call $trap::catch (i32.const 3) (i32.const 4)))`)}`,
    );
    expect(notes).to.deep.equal([49]);
  },
  "a callback of another type is not called: 0": () => {
    expect(
      notesOf(CATCH, `(func (export "_lunatic_catch_trap") (param i32) (result i32) (i32.const 9))`),
    ).to.deep.equal([0]);
    expect(notesOf(CATCH, `(func (export "_lunatic_catch_trap") (param i32 i32))`)).to.deep.equal([0]);
  },
  "trap: no `_lunatic_catch_trap`, or one that returns no i32": () => {
    expectTrap("exports no function `_lunatic_catch_trap`", CATCH);
    expectTrap(
      "exports no function `_lunatic_catch_trap`",
      CATCH,
      `(global (export "_lunatic_catch_trap") i32 (i32.const 0))`,
    );
    expectTrap(
      "returns i64",
      CATCH,
      `(func (export "_lunatic_catch_trap") (param i32 i32) (result i64) (i64.const 9))`,
    );
  },
  "re-exported as its own callback it ends at the depth limit, and costs fuel": () => {
    const host = new TestHost();
    const text = `(export "_lunatic_catch_trap" (func $trap::catch)) (func (export "main") ${CATCH})`;
    const { end, notes } = host.run(text);
    expect(end).to.equal("normal");
    expect(notes).to.deep.equal([0]);
    const limited = new TestHost().run(text, { config: { maxFuel: 100_000 } });
    expect(limited.reason).to.include({ kind: "limit", limit: "fuel exhausted" });
  },
  "a caught trap costs at least 4,000 fuel": () => {
    const fuelOf = (body: string) => {
      const host = new TestHost();
      const { process } = host.start(mainOf(CATCH, callback(body)));
      host.executor.runUntilIdle();
      return (process as unknown as { fuelUsed: number }).fuelUsed;
    };
    expect(fuelOf("unreachable") - fuelOf("(i32.const 1)")).to.be.at.least(4_000);
  },
  "an end outside of it is not contained": () => {
    expect(endOf(`${CATCH} unreachable`, callback("(i32.const 1)"))).to.equal("trap: unreachable");
  },
});
