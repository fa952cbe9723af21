/** Attacks 1, 2, 3, 14 and 15: more of the CPU than a share, and ways not to be stopped. */

import { expect } from "chai";
import { Arena, attacker, expectUnharmed, LIMITS } from "./arena.ts";

/** The process that is started first; the neighbours are 1, 2 and 3. */
const FIRST = 4;

const spawn = (entry: number, length: number): string =>
  `(call $process::spawn (i64.const 0) (i64.const -1) (i64.const -1) (i32.const ${entry}) (i32.const ${length})
    (i32.const 0) (i32.const 0) (i32.const 100))`;
/** So much fuel, about. */
const burn = (fuel: number): string =>
  `(local.set $i (i32.const ${Math.floor(fuel / 5)})) (loop $l (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))`;

describe("the adversary set: CPU", () => {
  it("1 trap::catch exported again as its own callback: the recursion is paid for, and killed like any loop", async () => {
    const guest = `(import "lunatic::trap" "catch" (func $c (param i32 i32) (result i32)))
      (memory (export "memory") 1) (export "_lunatic_catch_trap" (func $c))
      (func (export "main") (loop $again (drop (call $c (i32.const 0) (i32.const 0))) (br $again)))`;
    const outcome = await new Arena({ guest }).run();
    expectUnharmed(outcome);
    expect(outcome.end).to.equal("alive");
    // It has used its share of the time: nothing of it was free.
    expect(outcome.fuel).to.be.at.least(8_000_000);
  });

  it("1 trap::catch as the entry itself", async () => {
    const guest = `(import "lunatic::trap" "catch" (func $c (param i32 i32) (result i32)))
      (memory (export "memory") 1) (export "_lunatic_catch_trap" (func $c))
      (func (export "main") (drop (call $c (i32.const 0) (i32.const 0))))`;
    const outcome = await new Arena({ guest }).run();
    expectUnharmed(outcome);
    expect(outcome.end).to.equal("normal");
  });

  it("2 a chain that burns a slice, spawns itself and ends: one share for all of it", async () => {
    const guest = attacker(`(local $i i32) ${burn(100_000)} (drop ${spawn(0, 4)})`, `(data (i32.const 0) "main")`);
    const outcome = await new Arena({ guest }).run();
    expectUnharmed(outcome);
    expect(outcome.end).to.equal("normal");
    expect(outcome.processes).to.be.within(1, 2);
  });

  it("2 a fork bomb: as many processes as its group may have, then errors", async () => {
    const guest = attacker(`(loop $again (drop ${spawn(0, 4)}) (br $again))`, `(data (i32.const 0) "main")`);
    const outcome = await new Arena({ guest, limits: { maxProcesses: 300 } }).run();
    expectUnharmed(outcome);
    expect(outcome.processes).to.equal(300);
    expect(outcome.end).to.equal("alive");
  });

  it("2 processes too large for the memory of their group: errors, too", async () => {
    const guest = attacker(
      `(loop $again (call $note (i64.extend_i32_u ${spawn(0, 4)})) (br $again))`,
      `(data (i32.const 0) "main")`,
      100,
    );
    const outcome = await new Arena({ guest, forMs: 10 }).run();
    expectUnharmed(outcome, 10);
    // Ten have their memory; others are about to be refused theirs.
    expect(outcome.processes).to.be.within(10, 40);
    expect(outcome.bytes).to.be.at.most(LIMITS.maxMemory!);
    expect(new Set(outcome.notes)).to.deep.equal(new Set([1, 0]));
  });

  it("3 fifty that burn nearly a slice and sleep as short as they can: no more than their group's share", async () => {
    const guest = attacker(
      `(local $i i32) (local.set $i (i32.const 50))
       (loop $more (drop ${spawn(0, 7)}) (br_if $more (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
       (call $process::sleep_ms (i64.const -1))`,
      `(data (i32.const 0) "cheater")
       (func (export "cheater") (local $i i32)
         (loop $again ${burn(95_000)} (call $process::sleep_ms (i64.const 0)) (br $again)))`,
    );
    const outcome = await new Arena({ guest, forMs: 40 }).run();
    expectUnharmed(outcome, 40);
    expect(outcome.processes).to.equal(51);
  });

  it("14 traps caught in a loop as deep as the stack goes: each has its price", async () => {
    const guest = attacker(
      `(call $deep (i32.const 0))`,
      `(func $deep (param $n i32) (if (i32.lt_u (local.get $n) (i32.const 20000))
           (then (call $deep (i32.add (local.get $n) (i32.const 1))) (return)))
         (call $note (i64.const 1))
         (loop $again (drop (call $trap::catch (i32.const 0) (i32.const 0))) (br $again)))
       (func (export "_lunatic_catch_trap") (param i32 i32) (result i32) unreachable)`,
    );
    const outcome = await new Arena({ guest }).run();
    expectUnharmed(outcome);
    expect(outcome.notes).to.deep.equal([1]);
    expect(outcome.end).to.equal("alive");
  });

  for (const [what, body] of [
    ["an endless start function", "(loop $again (br $again))"],
    [
      "a start function that waits for ever",
      "(drop (call $message::receive (i32.const 0) (i32.const 0) (i64.const -1)))",
    ],
  ] as const) {
    it(`15 ${what}: the child runs as itself, and goes with the parent that waits for it`, async () => {
      const guest = attacker(
        `(drop ${spawn(0, 4)}) (call $note (i64.const 1))`,
        `(data (i32.const 0) "main")
         (func $init (if (i64.gt_u (call $process::process_id) (i64.const ${FIRST})) (then ${body})))
         (start $init)`,
      );
      const arena = new Arena({ guest });
      const outcome = await arena.run((first) => first.kill({ kind: "killed", by: null }));
      expectUnharmed(outcome);
      expect(outcome.notes).to.deep.equal([]);
      expect(outcome.processes).to.equal(2);
    });
  }
});
