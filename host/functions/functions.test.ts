import { expect } from "chai";
import { findFunction, HOST_FUNCTIONS } from "./functions.ts";

/** Every function with its type: i for i32, l for i64, d for f64, the result behind the colon. */
const SIGNATURES: Readonly<Record<string, readonly string[]>> = {
  "lunatic::error": ["string_size l:i", "to_string li:", "drop l:"],
  "lunatic::message": [
    "create_data ll:",
    "write_data ii:i",
    "read_data ii:i",
    "seek_data l:",
    "get_tag :l",
    "get_process_id :l",
    "data_size :l",
    "push_module l:l",
    "take_module l:l",
    "push_tcp_stream l:l",
    "take_tcp_stream l:l",
    "push_tls_stream l:l",
    "take_tls_stream l:l",
    "push_udp_socket l:l",
    "take_udp_socket l:l",
    "send l:i",
    "send_receive_skip_search lll:i",
    "send_receive_skip_search ll:i",
    "receive iil:i",
  ],
  "lunatic::timer": ["send_after ll:l", "cancel_timer l:i"],
  "lunatic::process": [
    "compile_module iii:i",
    "drop_module l:",
    "create_config :l",
    "drop_config l:",
    "config_set_max_memory ll:",
    "config_get_max_memory l:l",
    "config_set_max_fuel ll:",
    "config_get_max_fuel l:l",
    "config_can_compile_modules l:i",
    "config_set_can_compile_modules li:",
    "config_can_create_configs l:i",
    "config_set_can_create_configs li:",
    "config_can_spawn_processes l:i",
    "config_set_can_spawn_processes li:",
    "spawn llliiiii:i",
    "get_or_spawn iillliiiiii:i",
    "sleep_ms l:",
    "die_when_link_dies i:",
    "process_id :l",
    "environment_id :l",
    "link ll:",
    "unlink l:",
    "monitor l:",
    "stop_monitoring l:",
    "kill l:",
    "exists l:i",
    // Lunatic 0.6
    "lookup iiiii:i",
  ],
  "lunatic::registry": ["put iill:", "get iiii:i", "remove ii:"],
  "lunatic::version": ["major :i", "minor :i", "patch :i"],
  "lunatic::metrics": [
    "counter iil:",
    "increment_counter ii:",
    "gauge iid:",
    "increment_gauge iid:",
    "decrement_gauge iid:",
    "histogram iid:",
  ],
  "lunatic::distributed": [
    "nodes_count :i",
    "get_nodes ii:i",
    "node_id :l",
    "module_id :l",
    "spawn llliiiii:i",
    "send ll:i",
    "send_receive_skip_search llll:i",
    "send_receive_skip_search lll:i",
    "exec_lookup_nodes iiiii:i",
    "copy_lookup_nodes_results liii:i",
  ],
  "lunatic::wasi": [
    "config_add_environment_variable liiii:",
    "config_add_command_line_argument lii:",
    "config_preopen_dir lii:",
  ],
  "lunatic::trap": ["catch ii:i"],
  "perilune::registry": ["lookup iiiiii:i"],
  "perilune::config": [
    "version :i",
    "allow_import lii:",
    "deny_import lii:",
    "set_max_processes ll:",
    "set_mailbox lll:",
    "set_on_full_mailbox li:",
    "set_visibility li:",
    "set_group liii:",
    "set_group_limits llll:",
    "set_network liii:",
  ],
};

const LETTERS: Readonly<Record<string, string>> = { i32: "i", i64: "l", f64: "d" };
const letters = (types: readonly string[]): string => types.map((type) => LETTERS[type]).join("");

describe("the functions for guests", () => {
  for (const [namespace, expected] of Object.entries(SIGNATURES)) {
    it(`${namespace} has its functions with exact types, and no other`, () => {
      const ours = HOST_FUNCTIONS.filter((fn) => fn.namespace === namespace);
      const found = ours.map(({ name, params, results }) => `${name} ${letters(params)}:${letters(results)}`);
      expect(found.toSorted()).to.deep.equal(expected.toSorted());
    });
  }

  it("an import with several meanings is found by its type", () => {
    const type = (...params: string[]) => ({ kind: "func" as const, params, results: ["i32"], text: "" });
    const find = (...params: string[]) =>
      findFunction("lunatic::message", "send_receive_skip_search", type(...params))?.params.length;
    expect([find("i64", "i64", "i64"), find("i64", "i64"), find("i32")]).to.deep.equal([3, 2, 3]);
  });

  it("every definition says what it does, and codes and traps once each", () => {
    for (const { fullName, doc, traps, codes } of HOST_FUNCTIONS) {
      expect(doc, fullName).to.match(/\.$/);
      expect(new Set(traps).size, fullName).to.equal(traps.length);
      for (const { when } of codes) expect(when, fullName).to.not.equal("");
    }
  });
});
