/**
 * `lunatic::distributed` on a node by itself: every program that spawns imports parts of it and asks
 * whether a process is on its own node. Other nodes do not exist, so what needs one traps.
 */

import type { HostFunction } from "./define.ts";
import { functionsOf } from "./define.ts";
import type { Guest } from "./guest.ts";

const define = functionsOf("lunatic::distributed");

const NOT_DISTRIBUTED = "not distributed";
const ALONE = { traps: [NOT_DISTRIBUTED] };

function alone(guest: Guest): never {
  throw guest.trap("this node is not part of a cluster");
}

export const DISTRIBUTED_FUNCTIONS: readonly HostFunction[] = [
  define("nodes_count", [], { result: "i32", doc: "Nodes of the cluster: 0." }, () => 0),
  define(
    "get_nodes",
    ["out_ptr: out", "max_count: count"],
    { result: "i32", doc: "Writes up to `max_count` node IDs and returns how many: 0." },
    (guest, address) => {
      guest.checkRange(address, 0);
      return 0;
    },
  ),
  define("node_id", [], { result: "i64", doc: "This node's ID: 0." }, () => 0n),
  define("module_id", [], { result: "i64", doc: "The cluster's ID of the running module: 0." }, () => 0n),
  define(
    "spawn",
    [
      "node_id: u64",
      "config_id: u64",
      "module_id: u64",
      "func_ptr: u32",
      "func_len: length",
      "params_ptr: u32",
      "params_len: length",
      "id_ptr: u32",
    ],
    { ...ALONE, result: "i32", doc: "Spawns on another node." },
    alone,
  ),
  define(
    "send",
    ["node_id: u64", "process_id: u64"],
    { ...ALONE, result: "i32", doc: "Sends the message of the slot to a process of another node." },
    alone,
  ),
  define(
    "send_receive_skip_search",
    ["node_id: u64", "process_id: u64", "wait_tag: tag", "timeout_ms: millis"],
    { ...ALONE, result: "i32", doc: "As `send`, then waits for a message with the tag." },
    alone,
  ),
  define(
    "send_receive_skip_search",
    ["node_id: u64", "process_id: u64", "timeout_ms: millis"],
    { ...ALONE, result: "i32", doc: "As above, with the type that as-lunatic 0.12 imports." },
    alone,
  ),
  define(
    "exec_lookup_nodes",
    ["query_ptr: u32", "query_len: length", "query_id_ptr: u32", "nodes_len_ptr: u32", "error_ptr: u32"],
    { ...ALONE, result: "i32", doc: "Asks the control server for nodes." },
    alone,
  ),
  define(
    "copy_lookup_nodes_results",
    ["query_id: u64", "out_ptr: u32", "max_count: count", "error_ptr: u32"],
    { ...ALONE, result: "i32", doc: "Writes what `exec_lookup_nodes` found." },
    alone,
  ),
];
