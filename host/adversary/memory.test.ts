/** Attacks 8, 11, 13 and 16: arrays that are long without bytes, tables, modules and memories without end. */

import { expect } from "chai";
import { Arena, attacker, expectUnharmed } from "./arena.ts";

const i = (...numbers: number[]): string => numbers.map((number) => `(i32.const ${number})`).join(" ");
const MIB = 1_048_576;

describe("the adversary set: memory", () => {
  it("8 arrays of 2^29 tags and of 2^29 empty buffers, counts that wrap around: refused before anything is read", async () => {
    const tags = (count: number) => `(drop (call $message::receive ${i(0, count)} (i64.const 0)))`;
    const guest = attacker(
      `(call $note (i64.extend_i32_u (call $wasi_snapshot_preview1::fd_write ${i(1, 0, 0x2000_0000, 100)})))
       (call $note (i64.extend_i32_u (call $wasi_snapshot_preview1::fd_write ${i(1, 0, 0x2000_0001, 100)})))
       (call $note (i64.extend_i32_u (call $wasi_snapshot_preview1::poll_oneoff ${i(0, 0, 0x2000_0001, 100)})))
       (call $note (i64.extend_i32_u (call $trap::catch ${i(0, 0)})))
       (loop $again (drop (call $wasi_snapshot_preview1::fd_write ${i(1, 0, 1_024, 60_000)}))
         (drop (call $trap::catch ${i(0, 0)})) (br $again))`,
      `(func (export "_lunatic_catch_trap") (param i32 i32) (result i32) ${tags(0x2000_0001)} (i32.const 5))`,
    );
    const outcome = await new Arena({ guest }).run();
    expectUnharmed(outcome);
    expect(outcome.notes).to.deep.equal([28, 28, 28, 0]);
    expect(outcome.end).to.equal("alive");
    const alone = await new Arena({ guest: attacker(tags(0x2000_0000)) }).run();
    expect(alone.end).to.include("too many tags");
  });

  it("11 a flood of failing calls, each of which leaves an error: ends at its limit of memory", async () => {
    const guest = attacker(
      `(local $c i64) (local.set $c (call $process::create_config))
       (call $wasi::config_preopen_dir (local.get $c) ${i(0, 1)})
       (loop $again (call $note (i64.extend_i32_u (call $process::spawn (i64.const 0) (local.get $c) (i64.const -1) ${i(1, 1, 0, 0, 8)}))) (br $again))`,
      `(data (i32.const 0) "/a")`,
    );
    const outcome = await new Arena({ guest, limits: { maxMemory: 150_000 } }).run();
    expectUnharmed(outcome);
    expect(outcome.end).to.include("too many errors");
    expect(outcome.notes.length).to.be.within(100, 1_000);
    expect(outcome.bytes).to.be.at.most(150_000);
  });

  it("11 a flood of arguments and variables of a configuration: ends at its limit of memory", async () => {
    const guest = attacker(
      `(local $c i64) (memory.fill ${i(0, 97, 60_000)}) (local.set $c (call $process::create_config))
       (loop $again (call $wasi::config_add_environment_variable (local.get $c) ${i(0, 30_000, 0, 30_000)})
         (call $wasi::config_add_command_line_argument (local.get $c) ${i(0, 60_000)}) (br $again))`,
    );
    const outcome = await new Arena({ guest, limits: { maxMemory: 4 * MIB } }).run();
    expectUnharmed(outcome);
    expect(outcome.end).to.include("no memory for a text of a configuration");
    expect(outcome.bytes).to.be.within(2 * MIB, 4 * MIB);
  });

  it("11 a flood of configurations: 1,024, then none", async () => {
    const guest = attacker(
      `(local $n i32) (loop $again (if (i64.ne (call $process::create_config) (i64.const -1))
         (then (local.set $n (i32.add (local.get $n) (i32.const 1))) (br $again))))
       (call $note (i64.extend_i32_u (local.get $n)))`,
    );
    const outcome = await new Arena({ guest }).run();
    expectUnharmed(outcome);
    expect(outcome.notes).to.deep.equal([1_024]);
  });

  /** Up to the instructions of a body of so many bytes and an `end`. */
  const head = (byteLength: number): number[] => [
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x04, 0x01, 0x60, 0x00, 0x00, 0x03, 0x02, 0x01, 0x00],
    ...[0x0a, ...leb(byteLength + 7), 0x01, ...leb(byteLength + 2), 0x00],
  ];
  const leb = (value: number): number[] => [0, 7, 14, 21].map((by) => ((value >> by) & 0x7f) | (by < 21 ? 0x80 : 0));
  const hex = (bytes: readonly number[]): string =>
    bytes.map((byte) => `\\${byte.toString(16).padStart(2, "0")}`).join("");
  /** A module with one body of so many bytes lies at 1000, and is compiled. */
  const compiling = (byteLength: number): { data: string; fill: string; call: string } => ({
    data: `(data (i32.const 1000) "${hex(head(byteLength))}")`,
    fill: `(memory.fill ${i(1_000 + head(0).length, 1, byteLength)}) (i32.store8 ${i(1_000 + head(0).length + byteLength, 0x0b)})`,
    call: `(call $process::compile_module ${i(1_000, head(0).length + byteLength + 1, 0)})`,
  });

  it("13 a module with one body of 7 MB, compiled in a loop: in steps, each of which it pays for", async () => {
    const { data, fill, call } = compiling(7_000_000);
    const guest = attacker(`${fill} (call $note (i64.const 1)) (loop $again (drop ${call}) (br $again))`, data, 110);
    const outcome = await new Arena({ guest, forMs: 30 }).run();
    expectUnharmed(outcome, 30);
    expect(outcome.notes).to.deep.equal([1]);
    expect(outcome.end).to.equal("alive");
    expect(outcome.fuel).to.be.at.least(10_000_000);
  });

  it("13 modules kept in messages: their bytes and their code are counted until nobody holds them", async () => {
    const { data, fill, call } = compiling(20_000);
    const guest = attacker(
      `${fill} (loop $again
         (if ${call} (then (call $note (i64.const 0)) (return)))
         (call $message::create_data (i64.const 1) (i64.const 0))
         (drop (call $message::push_module (i64.load (i32.const 0))))
         (call $process::drop_module (i64.load (i32.const 0)))
         (drop (call $message::send (call $process::process_id)))
         (call $note (i64.const 1)) (br $again))`,
      data,
    );
    const outcome = await new Arena({ guest, limits: { maxMemory: 800_000 }, forMs: 40 }).run();
    expectUnharmed(outcome, 40);
    expect(outcome.end).to.equal("normal");
    expect(outcome.notes.at(-1)).to.equal(0);
    expect(outcome.notes.length).to.be.within(5, 10);
    expect(outcome.bytes).to.be.within(600_000, 800_000);
  });

  it("16 growth by one page up to the limit, each page written, the end, and again: the group has it all back", async () => {
    const guest = attacker(
      `(loop $again (if (i32.ge_s (memory.grow (i32.const 1)) (i32.const 0)) (then
         (i32.store (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 4)) (i32.const 1)) (br $again))))
       (call $note (i64.extend_i32_u (memory.size)))
       (drop (call $process::spawn (i64.const 0) (i64.const -1) (i64.const -1) ${i(0, 4, 0, 0, 80)}))`,
      `(data (i32.const 0) "main")`,
    );
    const config = { maxMemory: 16 * MIB };
    const outcome = await new Arena({ guest, config }).run();
    expectUnharmed(outcome);
    expect(new Set(outcome.notes)).to.deep.equal(new Set([256]));
    expect(outcome.notes.length).to.be.at.least(2);
    expect(outcome.bytes).to.be.at.most(40 * MIB);
  });

  it("16 growth beyond the group's limit: -1 at its own, the end at the group's", async () => {
    const guest = attacker(
      `(loop $again (if (i32.ge_s (memory.grow (i32.const 16)) (i32.const 0)) (then (br $again))))
       (call $note (i64.extend_i32_u (memory.size)))`,
    );
    const outcome = await new Arena({ guest, limits: { maxMemory: 8 * MIB } }).run();
    expectUnharmed(outcome);
    expect(outcome.notes[0]).to.be.within(100, 128);
    expect(outcome.end).to.equal("normal");
    expect(outcome.bytes).to.be.at.most(8 * MIB);
  });
});
