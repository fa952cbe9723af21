/** Attacks 12, 17 and 19: ends that come at the wrong moment, many ends at once, and readers that do not read. */

import { expect } from "chai";
import { CollectedOutput, QueuedInput } from "../fakes.ts";
import { Arena, attacker, expectUnharmed } from "./arena.ts";

const i = (...numbers: number[]): string => numbers.map((number) => `(i32.const ${number})`).join(" ");
const spawn = (link: string, at: number, length: number): string =>
  `(drop (call $process::spawn (i64.const ${link}) (i64.const -1) (i64.const -1) ${i(at, length, 0, 0, 80)}))`;
const times = (count: number, body: string): string =>
  `(local.set $n (i32.const ${count})) (loop $next ${body} (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))`;

/** Its reader stalls after the first write. */
class StalledOutput extends CollectedOutput {
  override write(bytes: Uint8Array): Promise<void> | undefined {
    this.stalled = true;
    return super.write(bytes);
  }
}

describe("the adversary set: ends and readers", () => {
  it("12 readers that are killed while they read, and others in their places at once: nobody sees their input", async () => {
    // Sockets do not exist: standard input stands for them. Each call that waits: host/late-io.test.ts.
    const guest = attacker(
      `(loop $again
         ${spawn("0", 0, 6)} (i64.store (i32.const 88) (i64.load (i32.const 80)))
         (call $process::sleep_ms (i64.const 0)) (call $process::kill (i64.load (i32.const 88)))
         ${spawn("0", 8, 5)} (br $again))`,
      `(data (i32.const 0) "reader") (data (i32.const 8) "owner") (data (i32.const 16) "\\00\\04\\00\\00\\00\\80\\00\\00")
       (func (export "reader") (drop (call $wasi_snapshot_preview1::fd_read ${i(0, 16, 1, 512)}))
         (call $process::sleep_ms (i64.const -1)))
       (func (export "owner") (call $process::sleep_ms (i64.const 1))
         (call $note (i64.or (i64.load (i32.const 1024)) (i64.load (i32.const 512)))))`,
    );
    const stdin = new QueuedInput();
    let looks = 0;
    const outcome = await new Arena({
      guest,
      options: { services: { stdin } },
      during: () => {
        if (++looks % 3 === 0) stdin.push("a secret of somebody else");
      },
    }).run();
    expectUnharmed(outcome);
    expect(outcome.notes.length).to.be.at.least(3);
    expect(new Set(outcome.notes)).to.deep.equal(new Set([0]));
  });

  it("17 nine hundred that are linked with one, which traps: all end, and each says why", async () => {
    const guest = attacker(
      `(local $n i32) ${times(900, spawn("1", 0, 4))} (call $note (i64.const 1)) unreachable`,
      `(data (i32.const 0) "leaf") (func (export "leaf") (call $process::sleep_ms (i64.const -1)))`,
    );
    const arena = new Arena({ guest, forMs: 40 });
    const outcome = await arena.run();
    expectUnharmed(outcome, 40);
    expect(outcome.notes).to.deep.equal([1]);
    expect(outcome.end).to.include("unreachable");
    expect(outcome.processes).to.equal(0);
  });

  it("17 a chain of nine hundred links, whose last one traps: it ends link by link, without recursion", async () => {
    const guest = attacker(
      spawn("1", 0, 4),
      `(data (i32.const 0) "link")
       (func (export "link")
         (if (i64.eq (call $process::process_id) (i64.const 903)) (then (call $note (i64.const 1)) unreachable))
         ${spawn("1", 0, 4)} (call $process::sleep_ms (i64.const -1)))`,
    );
    const arena = new Arena({ guest, forMs: 40 });
    const outcome = await arena.run();
    expectUnharmed(outcome, 40);
    expect(outcome.notes).to.deep.equal([1]);
    expect(outcome.processes).to.equal(0);
  });

  it("19 output that nobody reads: its writers wait, and the host keeps little of it", async () => {
    const write = `(drop (call $wasi_snapshot_preview1::fd_write ${i(1, 16, 1, 32)}))`;
    const guest = attacker(
      `(local $n i32) ${write} (call $note (i64.const 1)) ${times(100, spawn("0", 0, 6))} (call $process::sleep_ms (i64.const -1))`,
      `(data (i32.const 0) "writer") (data (i32.const 16) "\\00\\00\\00\\00\\00\\00\\01\\00")
       (func (export "writer") (loop $again ${write} (br $again)))`,
    );
    const stdout = new StalledOutput();
    const outcome = await new Arena({ guest, options: { services: { stdout } } }).run();
    expectUnharmed(outcome);
    expect(outcome.notes).to.deep.equal([1]);
    expect(outcome.processes).to.equal(101);
    expect(stdout.bytes.length).to.equal(65_536);
  });
});
