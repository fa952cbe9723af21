/** The namespaces of few functions: error, version, metrics, distributed. */

import { expect } from "chai";
import { cells, expectOutOfBounds, expectTrap, mainOf, NOT_UTF8, notesOf, runPrepared, TestHost } from "./testing.ts";

/** An error with the text of `process.addError`, as number 0. */
const withError = (calls: string) =>
  runPrepared(({ resources }) => resources.errors.add(new TextEncoder().encode("größer")), calls);

cells("error::string_size", {
  "success: bytes of the UTF-8 text": () => {
    expect(withError(`(call $test::i32 (call $error::string_size (i64.const 0)))`).notes).to.deep.equal([8]);
  },
  "bad ID: traps": () => {
    for (const id of ["0", "-1"])
      expectTrap("there is no error", `(drop (call $error::string_size (i64.const ${id})))`);
  },
});

cells("error::to_string", {
  "success: writes the text without a terminator": () => {
    const { notes } =
      withError(`(i32.store8 (i32.const 18) (i32.const 33)) (call $error::to_string (i64.const 0) (i32.const 10))
      (call $test::bytes (i32.const 10) (i32.const 9))`);
    expect(notes).to.deep.equal([`${Buffer.from("größer").toString("latin1")}!`]);
  },
  "bad pointer: traps": () => {
    for (const at of [65_529, 65_536, -1]) {
      expect(withError(`(call $error::to_string (i64.const 0) (i32.const ${at}))`).end).to.include(
        "out of bounds memory access",
      );
    }
  },
  "bad ID: traps": () => {
    expectTrap("there is no error 3", `(call $error::to_string (i64.const 3) (i32.const 0))`);
  },
});

cells("error::drop", {
  "success: frees it": () => {
    const { end } = withError(`(call $error::drop (i64.const 0)) (drop (call $error::string_size (i64.const 0)))`);
    expect(end).to.include("there is no error 0");
  },
  "bad ID: traps": () => {
    for (const id of ["0", "-1"]) expectTrap("there is no error", `(call $error::drop (i64.const ${id}))`);
  },
});

for (const [part, number] of [
  ["major", 0],
  ["minor", 13],
  ["patch", 2],
] as const) {
  cells(`version::${part}`, {
    [`success: ${number}`]: () => {
      expect(notesOf(`(call $test::i32 (call $version::${part}))`)).to.deep.equal([number]);
    },
  });
}

const NAME = `(i32.const 100) (i32.const 4)`;
const NAMED = `(data (i32.const 100) "load")`;

for (const [name, value, kind, expected] of [
  ["counter", "(i64.const 5)", "counter", 10],
  ["increment_counter", "", "counter", 2],
  ["gauge", "(f64.const 2.5)", "gauge", 2.5],
  ["increment_gauge", "(f64.const 2.5)", "gauge", 5],
  ["decrement_gauge", "(f64.const 2.5)", "gauge", -5],
  ["histogram", "(f64.const 2.5)", "histogram", 5],
] as const) {
  cells(`metrics::${name}`, {
    "success: records it in the metrics of the group": () => {
      const host = new TestHost();
      host.run(mainOf(`(call $metrics::${name} ${NAME} ${value}) (call $metrics::${name} ${NAME} ${value})`, NAMED));
      const metric = host.runtime.group.metrics.snapshot().get("load");
      expect(metric?.kind).to.equal(kind);
      expect(kind === "histogram" ? metric?.sum : metric?.value).to.equal(expected);
    },
    "bad pointer: traps": () => {
      expectOutOfBounds(
        `(call $metrics::${name} (i32.const 65536) (i32.const 1) ${value})`,
        `(call $metrics::${name} (i32.const 1) (i32.const -1) ${value})`,
      );
    },
    "bad UTF-8: traps": () => {
      expectTrap("not UTF-8", `(call $metrics::${name} (i32.const 0) (i32.const 3) ${value})`, NOT_UTF8);
    },
  });
}

cells("distributed::nodes_count", {
  "success: 0": () => {
    expect(notesOf(`(call $test::i32 (call $distributed::nodes_count))`)).to.deep.equal([0]);
  },
});
cells("distributed::get_nodes", {
  "success: 0, and nothing is written": () => {
    expect(notesOf(`(call $test::i32 (call $distributed::get_nodes (i32.const 0) (i32.const 9)))`)).to.deep.equal([0]);
  },
  "bad pointer: traps": () => {
    expectOutOfBounds(`(drop (call $distributed::get_nodes (i32.const 65537) (i32.const 1)))`);
  },
});
for (const name of ["node_id", "module_id"]) {
  cells(`distributed::${name}`, {
    "success: 0": () => {
      expect(notesOf(`(call $test::i64 (call $distributed::${name}))`)).to.deep.equal([0n]);
    },
  });
}
const ZERO = "(i64.const 0)";
const NIL = "(i32.const 0)";
for (const [name, args] of [
  ["spawn", `${ZERO} ${ZERO} ${ZERO} ${NIL} ${NIL} ${NIL} ${NIL} ${NIL}`],
  ["send", `${ZERO} ${ZERO}`],
  ["send_receive_skip_search", `${ZERO} ${ZERO} ${ZERO} ${ZERO}`],
  ["send_receive_skip_search#1", `${ZERO} ${ZERO} ${ZERO}`],
  ["exec_lookup_nodes", `${NIL} ${NIL} ${NIL} ${NIL} ${NIL}`],
  ["copy_lookup_nodes_results", `${ZERO} ${NIL} ${NIL} ${NIL}`],
] as const) {
  cells(`distributed::${name}`, {
    "success: links, though there is no cluster to call": () => {
      expect(notesOf(`(if (i32.const 0) (then (drop (call $distributed::${name} ${args}))))`)).to.deep.equal([]);
    },
    "trap: not distributed": () => {
      expectTrap("not part of a cluster", `(drop (call $distributed::${name} ${args}))`);
    },
  });
}
