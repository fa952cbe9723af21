import { expect } from "chai";
import { timesAsLong } from "../../vm/testing.ts";
import { UsageError } from "../exit.ts";
import { parseTestArguments } from "./arguments.ts";
import { select, type Selection, type TestCase, testCase } from "./cases.ts";
import { Listing } from "./listing.ts";
import { panicMessage } from "./panics.ts";
import { verdict } from "./verdict.ts";

const ALL = { filter: null, exact: false, skip: [], ignored: false, includeIgnored: false };

function named(name: string, panic: string | null = null, isIgnored = false): TestCase {
  return { exportName: name, name, panic, isIgnored };
}

describe("test mode: names of exports", () => {
  const cases: [string, Partial<TestCase> | null][] = [
    ["_start", null],
    ["#lunatic_test_mod::adds", { name: "mod::adds", isIgnored: false, panic: null }],
    ["#lunatic_test_#ignore_slow", { name: "slow", isIgnored: true, panic: null }],
    ["#lunatic_test_#panic_#any", { name: "any", panic: "" }],
    ["#lunatic_test_#ignore_#panic_no \\#7 here#seven", { name: "seven", isIgnored: true, panic: "no #7 here" }],
    ["#lunatic_test_", { name: "" }],
  ];
  for (const [exportName, expected] of cases) {
    it(`'${exportName}' is ${expected === null ? "no test" : `the test '${expected.name}'`}`, () => {
      const found = testCase(exportName);
      if (expected === null) expect(found).to.equal(null);
      else expect(found).to.include(expected);
    });
  }
});

describe("test mode: selection", () => {
  const cases = [named("a::one"), named("a::two", null, true), named("b::one")];
  const names = (selection: Partial<Selection>) => {
    const { tests, filteredOut } = select(cases, { ...ALL, ...selection });
    return [...tests.map(({ test, runs }) => (runs ? test.name : `(${test.name})`)), filteredOut];
  };

  it("takes all, and runs those that are not ignored", () => {
    expect(names({})).to.deep.equal(["a::one", "(a::two)", "b::one", 0]);
  });
  it("takes names with the filter in them, or the exact one", () => {
    expect(names({ filter: "one" })).to.deep.equal(["a::one", "b::one", 1]);
    expect(names({ filter: "a::one", exact: true })).to.deep.equal(["a::one", 2]);
    expect(names({ exact: true })).to.deep.equal([3]);
  });
  it("takes the ignored ones alone, or too", () => {
    expect(names({ ignored: true })).to.deep.equal(["a::two", 2]);
    expect(names({ includeIgnored: true })).to.deep.equal(["a::one", "a::two", "b::one", 0]);
  });
  it("leaves out what is skipped", () => {
    expect(names({ skip: ["a::"] })).to.deep.equal(["b::one", 2]);
  });
});

describe("test mode: panics", () => {
  const cases: [string, string, string | null][] = [
    ["before Rust 1.73", "thread '<unnamed>' panicked at 'it''s', over', src/lib.rs:3:5\nnote: run", "it''s', over"],
    ["over several lines", "x\nthread 'main' panicked at 'a\nb', src/lib.rs:3:5\n", "a\nb"],
    [
      "since Rust 1.73",
      "thread 'main' panicked at src/lib.rs:3:5:\nno way\nnote: run with `RUST_BACKTRACE=1`",
      "no way",
    ],
    ["with a thread's number", "thread 'main' (17) panicked at src/lib.rs:3:5:\nleft\nright\n", "left\nright"],
    ["with a quote in the thread's name", "thread 'it's' panicked at 'x', a.rs:1:1", "x"],
    ["not at the beginning of a line", "my thread 'main' panicked at 'x', a.rs:1:1", null],
    ["none", "all is well", null],
  ];
  for (const [name, output, message] of cases) {
    it(`finds the message: ${name}`, () => {
      expect(panicMessage(output)).to.equal(message);
    });
  }

  it("takes linear time for hostile output", () => {
    const hostile: readonly ((count: number) => string)[] = [
      (count) => "thread '".repeat(count),
      (count) => `thread 'x' panicked at '${"', ".repeat(count)}`,
      (count) => `thread '${"'".repeat(count)}`,
    ];
    for (const text of hostile) {
      const [long, short] = [text(160_000), text(10_000)];
      // Quadratic would be 256 times as long.
      expect(
        timesAsLong(
          () => panicMessage(long),
          () => panicMessage(short),
        ),
      ).to.be.below(100);
    }
  });
});

describe("test mode: verdicts", () => {
  const panicked = "thread 'main' panicked at src/lib.rs:3:5:\nnumber 7 is wrong\n";
  const cases: [string, string | null, string | null, string, boolean, RegExp | null][] = [
    ["a normal end", null, null, "", true, null],
    ["a panic", null, "trap", panicked, false, null],
    ["a failure without a panic", null, "trap: unreachable", "", false, /the test's process failed: trap: unreachable/],
    ["an expected panic that did not come", "", null, "", false, /did not panic as expected/],
    ["any expected panic", "", "trap", panicked, true, null],
    ["any expected failure", "", "killed", "", true, null],
    ["a panic with the expected words", "number 7", "trap", panicked, true, null],
    ["a panic with other words", "number 8", "trap", panicked, false, /number 7 is wrong.*\n.*number 8/],
    ["a failure without the expected panic", "number 7", "killed", "", false, /without a panic message: killed/],
  ];
  for (const [name, panic, reason, output, passed, note] of cases) {
    it(`${name}: ${passed ? "ok" : "FAILED"}`, () => {
      const result = verdict(named("t", panic), reason, output);
      expect(result.passed).to.equal(passed);
      if (note === null) expect(result.note).to.equal(null);
      else expect(result.note).to.match(note);
    });
  }

  it("nobody expects a test to be ended: by a limit, its timeout, or because nothing wakes it", () => {
    for (const panic of [null, "", "number 7"]) {
      const result = verdict(named("t", panic), "fuel exhausted", panicked, true);
      expect(result).to.deep.equal({ passed: false, note: "note: the test's process failed: fuel exhausted" });
    }
  });
});

describe("test mode: listing", () => {
  it("prints what Rust's test program prints", () => {
    const listing = new Listing(false);
    const finished = [
      { test: named("good"), passed: true, output: "quiet words\n" },
      { test: named("bad"), passed: false, output: "loud words" },
    ];
    expect(listing.start(1) + listing.start(2)).to.equal("\nrunning 1 test\n\nrunning 2 tests\n");
    expect(listing.line(named("t", "x"), "ok")).to.equal("test t - should panic ... ok\n");
    expect(listing.summary({ finished, ignored: 1, filteredOut: 3, seconds: 1.234 }, true)).to.equal(
      [
        "",
        "successes:",
        "",
        "---- good stdout ----",
        "quiet words",
        "",
        "successes:",
        "    good",
        "",
        "failures:",
        "",
        "---- bad stdout ----",
        "loud words",
        "",
        "failures:",
        "    bad",
        "",
        "test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 3 filtered out; finished in 1.23s",
        "",
        "",
      ].join("\n"),
    );
  });

  it("has colours when asked", () => {
    const listing = new Listing(true);
    expect(listing.word("ok") + listing.word("FAILED")).to.equal("\u001b[92mok\u001b[0m\u001b[91mFAILED\u001b[0m");
  });
});

describe("test mode: arguments", () => {
  it("takes what nextest passes", () => {
    expect(parseTestArguments(["m.wasm", "--list", "--format", "terse", "--ignored"])).to.include({
      file: "m.wasm",
      list: true,
      ignored: true,
      filter: null,
    });
    expect(parseTestArguments(["m.wasm", "a::b", "--exact", "--nocapture"])).to.include({
      filter: "a::b",
      exact: true,
      noCapture: true,
    });
  });

  it("takes what Cargo's users pass", () => {
    const parsed = parseTestArguments(
      "m.wasm --test-threads=2 --skip x --skip y --include-ignored --show-output --color always name a b".split(" "),
    );
    expect(parsed).to.deep.include({ threads: 2, skip: ["x", "y"], args: ["a", "b"], filter: "name", color: "always" });
    expect(parsed).to.include({ includeIgnored: true, showOutput: true, clock: "virtual" });
  });

  it("takes limits of each test", () => {
    const parsed = parseTestArguments(
      "--fuel 1e6 --timeout=5m --max-memory 1G --deny a --dir x m.wasm --stats --wait-forever".split(" "),
    );
    expect(parsed).to.deep.include({
      grants: { fuel: "1e6", maxMemory: "1G", deny: ["a"], dir: ["x"] },
      timeoutMs: 300_000,
      stats: "text",
      waitForever: true,
    });
  });

  it("refuses what it does not know", () => {
    for (const args of [[], ["m.wasm", "--bogus"], ["m.wasm", "--test-threads", "0"], ["m.wasm", "--skip"]]) {
      expect(() => parseTestArguments(args)).to.throw(UsageError);
    }
  });
});
