import { expect } from "chai";
import { MAX_NAME_BYTES } from "../registry.ts";
import { cells, expectOutOfBounds, expectTrap, mainOf, NOT_UTF8, notesOf, TestHost } from "./testing.ts";

const DATA = `(data (i32.const 100) "c@1.2.0c@1.9.0^1.2nobody>>1x\\c3\\b6")`;
/** Places of texts in the data. */
const OLD = "(i32.const 100) (i32.const 7)";
const NEW = "(i32.const 107) (i32.const 7)";
const BASE = "(i32.const 100) (i32.const 1)";
const RANGE = "(i32.const 114) (i32.const 4)";
const NOBODY = "(i32.const 118) (i32.const 6)";
const MALFORMED = "(i32.const 124) (i32.const 3)";
const UMLAUT = "(i32.const 127) (i32.const 3)";
const BAD = "(i32.const 0) (i32.const 3)";
const OUT = "(i32.const 8) (i32.const 16)";

const put = (name: string, node: number, pid: number) =>
  `(call $registry::put ${name} (i64.const ${node}) (i64.const ${pid}))`;
const get = (name: string) => `(call $test::i32 (call $registry::get ${name} ${OUT}))`;
const IDS = `(call $test::i64 (i64.load (i32.const 8))) (call $test::i64 (i64.load (i32.const 16)))`;
const PID = `(call $test::i64 (i64.load (i32.const 16)))`;

cells("registry::put", {
  "success: the last one counts, no ID is checked": () => {
    expect(notesOf(`${put(OLD, -1, -2)} ${get(OLD)} ${IDS} ${put(OLD, 3, 4)} ${get(OLD)} ${IDS}`, DATA)).to.deep.equal([
      0,
      -1n,
      -2n,
      0,
      3n,
      4n,
    ]);
  },
  "any text is a name, the empty one too": () => {
    const empty = "(i32.const 0) (i32.const 0)";
    expect(notesOf(`${put(UMLAUT, 0, 1)} ${put(empty, 0, 2)} ${get(UMLAUT)} ${get(empty)} ${PID}`, DATA)).to.deep.equal(
      [0, 0, 2n],
    );
  },
  "trap: too many names": () => {
    const host = new TestHost({ maxNames: 1 });
    const { end } = host.run(
      mainOf(`${put(OLD, 0, 1)} ${put(OLD, 0, 2)} (call $test::i32 (i32.const 1)) ${put(NEW, 0, 1)}`, DATA),
    );
    expect(end).to.include("too many registered names");
    expect(host.notes).to.deep.equal([1]);
  },
  "trap: somebody else's name: that of a living process, by a group which the caller does not see": () => {
    const host = new TestHost();
    const wait = "(drop (call $message::receive (i32.const 0) (i32.const 0) (i64.const -1)))";
    const owner = host.start(mainOf(`${put(OLD, 0, 1)} ${wait}`, DATA));
    host.executor.runUntilIdle();
    const group = host.runtime.createGroup();
    const remove = `(call $registry::remove ${OLD}) ${get(OLD)}`;
    expect(host.run(mainOf(`${remove} ${put(OLD, 0, 7)}`, DATA), { group }).end).to.include("does not see");
    expect(host.notes).to.deep.equal([0]);
    const all = host.run(mainOf(`${put(OLD, 0, 7)} ${put(OLD, 0, 1)}`, DATA), { group, config: { visibility: "all" } });
    expect(all.end).to.equal("normal");
    owner.kill();
    host.executor.runUntilIdle();
    expect(host.run(mainOf(put(OLD, 0, 7), DATA), { group }).end).to.equal("normal");
  },
  "trap: the name of a process that is being started": () => {
    const host = new TestHost();
    const owner = host.start(mainOf("", DATA));
    owner.pause();
    host.runtime.register("c@1.2.0", owner);
    const group = host.runtime.createGroup();
    expect(host.run(mainOf(put(OLD, 0, 7), DATA), { group }).end).to.include("does not see");
    owner.resume();
    host.executor.runUntilIdle();
    expect(host.run(mainOf(put(OLD, 0, 7), DATA), { group }).end).to.equal("normal");
  },
  "a name of more than 4 KiB traps": () => {
    const long = (length: number) => put(`(i32.const 0) (i32.const ${length})`, 0, 1);
    expect(notesOf(long(MAX_NAME_BYTES))).to.deep.equal([]);
    expectTrap("4097 bytes, at most 4096 allowed", long(MAX_NAME_BYTES + 1));
  },
  "bad pointer: traps": () => {
    expectOutOfBounds(put("(i32.const 65536) (i32.const 1)", 0, 1), put("(i32.const 1) (i32.const -1)", 0, 1));
  },
  "bad UTF-8: traps": () => {
    expectTrap("not UTF-8", put(BAD, 0, 1), NOT_UTF8);
  },
});

cells("registry::get", {
  "success: writes both IDs": () => {
    expect(notesOf(`${put(OLD, 5, 6)} ${get(OLD)} ${IDS}`, DATA)).to.deep.equal([0, 5n, 6n]);
  },
  "code 1: not found byte for byte, nothing is written": () => {
    expect(notesOf(`${put(OLD, 5, 6)} ${get(BASE)} ${get(NEW)} ${get(RANGE)} ${IDS}`, DATA)).to.deep.equal([
      1,
      1,
      1,
      0n,
      0n,
    ]);
  },
  "bad pointer: traps, for results only if there are any": () => {
    const into = (node: number, pid: number) =>
      `(drop (call $registry::get ${OLD} (i32.const ${node}) (i32.const ${pid})))`;
    expect(notesOf(into(65_536, -1), DATA)).to.deep.equal([]);
    expectTrap("out of bounds", `${put(OLD, 5, 6)} ${into(65_529, 0)}`, DATA);
    expectTrap("out of bounds", `${put(OLD, 5, 6)} ${into(0, -1)}`, DATA);
    expectOutOfBounds(`(drop (call $registry::get (i32.const 65536) (i32.const 1) ${OUT}))`);
  },
  "bad UTF-8: traps": () => {
    expectTrap("not UTF-8", get(BAD), NOT_UTF8);
  },
});

cells("registry::remove", {
  "success: the name is gone, and removing it again is no error": () => {
    const remove = `(call $registry::remove ${OLD})`;
    expect(notesOf(`${put(OLD, 5, 6)} ${remove} ${remove} ${get(OLD)}`, DATA)).to.deep.equal([1]);
  },
  "bad pointer: traps": () => {
    expectOutOfBounds(`(call $registry::remove (i32.const 65536) (i32.const 1))`);
  },
  "bad UTF-8: traps": () => {
    expectTrap("not UTF-8", `(call $registry::remove ${BAD})`, NOT_UTF8);
  },
});

const BOTH = `${put(OLD, 1, 12)} ${put(NEW, 1, 19)}`;

for (const [name, out] of [
  ["perilune::registry::lookup", OUT],
  ["process::lookup", "(i32.const 16)"],
] as const) {
  const lookup = (base: string, range: string, into: string = out) =>
    `(call $test::i32 (call $${name} ${base} ${range} ${into}))`;

  cells(name, {
    "success: the newest version in the range": () => {
      expect(
        notesOf(
          `${BOTH} ${lookup(BASE, RANGE)} ${PID} (call $registry::remove ${NEW}) ${lookup(BASE, RANGE)} ${PID}`,
          DATA,
        ),
      ).to.deep.equal([0, 19n, 0, 12n]);
    },
    "code 1: the range is malformed": () => {
      expect(notesOf(`${BOTH} ${lookup(BASE, MALFORMED)} ${PID}`, DATA)).to.deep.equal([1, 0n]);
    },
    "code 2: nobody of that name, or no version in the range": () => {
      expect(
        notesOf(
          `${BOTH} ${lookup(NOBODY, RANGE)} (call $registry::remove ${OLD}) (call $registry::remove ${NEW}) ${lookup(BASE, RANGE)}`,
          DATA,
        ),
      ).to.deep.equal([2, 2]);
    },
    "costs little more among many versions than among few": () => {
      const fuelAmong = (count: number): number => {
        const host = new TestHost();
        const { environment, group } = host.runtime;
        for (let i = 0; i < count; i++) environment.registry.put(`c@0.1.${i}`, { nodeId: 0n, processId: 1n }, group);
        const handle = host.start(mainOf(lookup(BASE, RANGE), DATA));
        host.executor.runUntilIdle();
        expect(host.notes).to.deep.equal([2]);
        return handle.stats.fuel;
      };
      expect(fuelAmong(16) - fuelAmong(1)).to.equal(10 * 2 * 20);
      expect(fuelAmong(10_000) - fuelAmong(1)).to.equal(19 * 2 * 20);
    },
    "bad pointer: traps": () => {
      const outside = "(i32.const 65536) (i32.const 1)";
      expectTrap("out of bounds", lookup(outside, RANGE), DATA);
      expectTrap("out of bounds", lookup(BASE, outside), DATA);
      expectTrap("out of bounds", `${BOTH} ${lookup(BASE, RANGE, out.replaceAll(/\d+\)/g, "65530)"))}`, DATA);
    },
    "bad UTF-8: traps": () => {
      expectTrap("not UTF-8", lookup(BAD, RANGE), `${NOT_UTF8} ${DATA}`);
      expectTrap("not UTF-8", lookup(BASE, BAD), `${NOT_UTF8} ${DATA}`);
    },
  });
}
