/** Attacks 4, 5, 18 and 20: other people's rights, processes and names, and texts that do harm where they are read. */

import { expect } from "chai";
import { FakeClock } from "../fakes.ts";
import { Account } from "../group.ts";
import { MemoryDirectory } from "../memory-files.ts";
import { Arena, attacker, expectUnharmed } from "./arena.ts";

const i = (...numbers: number[]): string => numbers.map((number) => `(i32.const ${number})`).join(" ");
const note = (value: string): string => `(call $note (i64.extend_i32_u ${value}))`;
/** Counts local $n down from `count`. */
const times = (count: number, body: string): string =>
  `(local.set $n (i32.const ${count})) (loop $next ${body} (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))`;

describe("the adversary set: rights and names", () => {
  it("4 a configuration with more memory, and directories outside of its own: nothing is gained", async () => {
    const paths = ["/", "~", "..", "data/../..", "data/~", "/etc", "data"];
    let at = 100;
    const texts = paths.map((path) => {
      const data = `(data (i32.const ${at}) "${path}")`;
      const call = `(local.set $c (call $process::create_config))
        (call $process::config_set_max_memory (local.get $c) (i64.const -1))
        (call $process::config_set_can_spawn_processes (local.get $c) (i32.const 1))
        (call $wasi::config_preopen_dir (local.get $c) ${i(at, path.length)})
        ${note(`(call $process::spawn (i64.const 0) (local.get $c) (i64.const -1) ${i(0, 5, 0, 0, 80)})`)}`;
      at += path.length;
      return { data, call };
    });
    const guest = attacker(
      `(local $c i64) ${texts.map(({ call }) => call).join("\n")} (call $process::sleep_ms (i64.const 2))`,
      `(data (i32.const 0) "child") ${texts.map(({ data }) => data).join("")}
       (func (export "child") (loop $more (br_if $more (i32.ge_s (memory.grow (i32.const 1)) (i32.const 0))))
         (call $note (i64.extend_i32_u (i32.add (memory.size) (i32.const 1000)))))`,
    );
    const directory = MemoryDirectory.create(new FakeClock());
    const config = {
      maxMemory: 20 * 65_536,
      preopens: [{ name: "data", readOnly: true, open: async () => directory }],
    };
    const outcome = await new Arena({ guest, config }).run();
    expectUnharmed(outcome);
    // Six refusals, then a child that has as much memory as its maker, and no more.
    expect(outcome.notes).to.have.members([1, 1, 1, 1, 1, 1, 0, 1_020]);
    expect(outcome.end).to.equal("normal");
  });

  it("5 kill, link, monitor and watch every number: nobody is there for it but itself", async () => {
    const all = (call: string) => times(3, call);
    const pid = "(i64.extend_i32_u (local.get $n))";
    const guest = attacker(
      `(local $n i32) (call $process::die_when_link_dies (i32.const 0))
       ${all(note(`(call $process::exists ${pid})`))}
       ${all(`(call $process::kill ${pid})`)}
       ${all(`(call $process::link (i64.const 9) ${pid})`)}
       ${all(`(call $process::monitor ${pid})`)}
       ${times(6, note("(call $message::receive (i32.const 0) (i32.const 0) (i64.const 0))"))}`,
    );
    const outcome = await new Arena({ guest }).run();
    expectUnharmed(outcome);
    // Not there, three links that have died already, three processes too.
    expect(outcome.notes).to.deep.equal([0, 0, 0, 1, 1, 1, 2, 2, 2]);
  });

  it("5 registry::put and remove of the name of a service: the name stays, and the attacker ends", async () => {
    const guest = attacker(
      `(call $registry::remove ${i(0, 7)}) ${note(`(call $registry::get ${i(0, 7, 16, 24)})`)}
       (call $registry::put ${i(0, 7)} (i64.const 0) (call $process::process_id)) (call $note (i64.const 9))`,
      `(data (i32.const 0) "service")`,
    );
    const arena = new Arena({ guest });
    const outcome = await arena.run();
    expectUnharmed(outcome);
    expect(outcome.notes).to.deep.equal([0]);
    expect(outcome.end).to.include("a group that the caller does not see");
    expect(arena.runtime.environment.registry.get("service")?.processId).to.equal(BigInt(arena.server.pid));
  });

  it("5 a flood of names: as many as its group may have, which go with the group", async () => {
    const guest = attacker(
      `(loop $next (i64.store (i32.const 0) (i64.add (i64.load (i32.const 0)) (i64.const 1)))
         (i32.store8 ${i(8, 0x61)}) (i32.and (i32.const 0) (i32.const 0)) (drop)
         (call $hex) (call $registry::put ${i(16, 8)} (i64.const 0) (i64.const 0)) (br $next))`,
      `(func $hex (local $k i32) (loop $l
         (i32.store8 offset=16 (local.get $k) (i32.add (i32.const 97) (i32.and (i32.const 15)
           (i32.wrap_i64 (i64.shr_u (i64.load (i32.const 0)) (i64.extend_i32_u (i32.mul (local.get $k) (i32.const 4))))))))
         (br_if $l (i32.lt_u (local.tee $k (i32.add (local.get $k) (i32.const 1))) (i32.const 8)))))`,
    );
    const arena = new Arena({ guest, limits: { maxNames: 2_000 } });
    const outcome = await arena.run(() => {
      expect(arena.group.used(Account.Names)).to.equal(2_000);
    });
    expectUnharmed(outcome);
    expect(outcome.end).to.include("too many registered names");
    expect(arena.runtime.environment.registry.size).to.equal(1);
  });

  it("18 control characters, a megabyte, `__proto__` as names, variables, exports and metrics: only names", async () => {
    const proto = i(0, 9);
    const guest = attacker(
      `(local $c i64)
       (call $registry::put ${proto} (i64.const 0) (i64.const 7))
       ${note(`(call $registry::get ${proto} ${i(100, 108)})`)}
       ${note(`(call $registry::get ${i(16, 11)} ${i(100, 108)})`)}
       (call $metrics::increment_counter ${proto}) (call $metrics::gauge ${i(16, 11)} (f64.const 1))
       (local.set $c (call $process::create_config))
       (call $wasi::config_add_environment_variable (local.get $c) ${proto} ${i(32, 9)})
       (call $process::config_set_can_spawn_processes (local.get $c) (i32.const 1))
       ${note(`(call $process::spawn (i64.const 0) (local.get $c) (i64.const -1) ${proto} ${i(0, 0, 80)})`)}
       ${note(`(call $process::spawn (i64.const 0) (local.get $c) (i64.const -1) ${i(32, 9)} ${i(0, 0, 80)})`)}
       (call $process::sleep_ms (i64.const 5))
       (call $registry::put ${i(0, 1_000_000)} (i64.const 0) (i64.const 0))`,
      `(data (i32.const 0) "__proto__") (data (i32.const 16) "constructor") (data (i32.const 32) "\\1b[2J\\c2\\9b\\e2\\80\\ae")
       (func (export "__proto__") (call $note (i64.const 33)))`,
      16,
    );
    const arena = new Arena({ guest });
    const outcome = await arena.run(() => {
      const metrics = [...arena.group.metrics.snapshot().values()];
      expect(metrics.map(({ name, value }) => `${name} ${value}`)).to.deep.equal(["__proto__ 1", "constructor 1"]);
    });
    expectUnharmed(outcome);
    expect(outcome.notes).to.have.members([0, 1, 0, 0, 33]);
    expect(outcome.end).to.include("1000000 bytes, at most 4096 allowed");
    expect(Object.keys(Object.prototype)).to.deep.equal([]);
    expect(({} as Record<string, unknown>)["processId"]).to.equal(undefined);
  });

  it("18 a new metric each time, from groups of its own too: 1,000 series, the rest is dropped", async () => {
    const guest = attacker(
      `(local $n i32) ${times(1_500, `(i32.store (i32.const 0) (local.get $n)) (call $hex) (call $metrics::increment_counter ${i(16, 8)})`)}`,
      `(func $hex (local $k i32) (loop $l
         (i32.store8 offset=16 (local.get $k) (i32.add (i32.const 97) (i32.and (i32.const 15)
           (i32.shr_u (i32.load (i32.const 0)) (i32.mul (local.get $k) (i32.const 4))))))
         (br_if $l (i32.lt_u (local.tee $k (i32.add (local.get $k) (i32.const 1))) (i32.const 8)))))`,
    );
    const arena = new Arena({ guest });
    const outcome = await arena.run(() => {
      expect(arena.group.metrics.size).to.equal(1_000);
      expect(arena.group.metrics.dropped).to.equal(500);
    });
    expectUnharmed(outcome);
    expect(outcome.end).to.equal("normal");
  });

  it("20 ranges of versions that look as if they had to be tried in many ways: linear, and paid for", async () => {
    const range = `${"^1.".repeat(80)}*`.slice(0, 250);
    const valid = Array.from({ length: 30 }, () => ">=1.0.0").join(",");
    const guest = attacker(
      `(local $n i32)
       ${times(26, `(i32.store8 (i32.const 6) (i32.add (i32.const 96) (local.get $n))) (call $registry::put ${i(0, 7)} (i64.const 0) (i64.const 1))`)}
       ${times(99, `(i32.store8 (i32.const 24) (i32.add (i32.const 48) (i32.rem_u (local.get $n) (i32.const 10)))) (call $registry::put ${i(16, 9)} (i64.const 0) (i64.const 1))`)}
       ${note(`(call $perilune::registry::lookup ${i(16, 3)} ${i(100, range.length)} ${i(80, 88)})`)}
       (loop $again
         (drop (call $perilune::registry::lookup ${i(16, 3)} ${i(100, range.length)} ${i(80, 88)}))
         (drop (call $perilune::registry::lookup ${i(16, 3)} ${i(600, valid.length)} ${i(80, 88)}))
         (br $again))`,
      `(data (i32.const 0) "svc@1.x") (data (i32.const 16) "svc@1.2.0") (data (i32.const 100) "${range}") (data (i32.const 600) "${valid}")`,
    );
    const outcome = await new Arena({ guest }).run();
    expectUnharmed(outcome);
    expect(outcome.end).to.equal("alive");
    expect(outcome.notes).to.deep.equal([1]);
  });
});
