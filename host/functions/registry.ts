/** `lunatic::registry`, exact names; and lookups by a range of versions, for whoever asks for one. */

import { MAX_NAME_BYTES, type Registered } from "../registry.ts";
import { MAX_RANGE_LENGTH, parseVersionRange } from "../versions.ts";
import type { HostFunction, Parameter } from "./define.ts";
import { functionsOf } from "./define.ts";
import type { Guest } from "./guest.ts";

const define = functionsOf("lunatic::registry");
const defineLookup = functionsOf("perilune::registry");
const defineOldLookup = functionsOf("lunatic::process");

/** Fuel of a change of the registry. */
const PUT_FUEL = 200;
/** Fuel of comparing a version with one part of a range, and of reading a character of the range. */
const COMPARE_FUEL = 20;
const RANGE_FUEL = 8;

const NAME = ["name_ptr: text", "name_len: length"] as const satisfies readonly Parameter[];
const QUERY = [...NAME, "query_ptr: text", "query_len: length"] as const satisfies readonly Parameter[];
const TOO_MANY = "too many names";
const TAKEN = "somebody else's name";
const LOOKUP_CODES = { 0: "found", 1: "the range is malformed", 2: "not found" };

export const REGISTRY_FUNCTIONS: readonly HostFunction[] = [
  define(
    "put",
    [...NAME, "node_id: u64", "process_id: u64"],
    {
      fuel: PUT_FUEL,
      traps: [TOO_MANY, TAKEN],
      doc: "Registers a process under a name, or another one under a name that exists, unless a group that the caller does not see has registered a living process. Neither ID is checked.",
    },
    (guest, at, length, nodeId, processId) => {
      const name = nameOf(guest, at, length);
      const { registry, group, environment, pid } = guest.process;
      // One that is being started sees itself alone.
      const holder = processId === BigInt(pid) ? group : (environment.get(Number(processId))?.group ?? null);
      if (!mayChange(guest, name)) throw guest.trap("the name of a group that the caller does not see");
      if (!registry.put(name, { nodeId, processId }, group, holder)) throw guest.trap("too many registered names");
      guest.process.runtime.counts.registryWrites++;
    },
  ),
  define(
    "get",
    [...NAME, "node_id_ptr: out", "process_id_ptr: out"],
    {
      result: "i32",
      codes: { 0: "found, both IDs are written", 1: "not found" },
      doc: "Looks a name up, byte for byte, whoever has registered it.",
    },
    (guest, at, length, nodeAddress, processAddress) => {
      guest.process.runtime.counts.registryReads++;
      const found = guest.process.registry.get(nameOf(guest, at, length));
      if (found === undefined) return 1;
      guest.writeU64(nodeAddress, found.nodeId);
      guest.writeU64(processAddress, found.processId);
      return 0;
    },
  ),
  define(
    "remove",
    NAME,
    {
      fuel: PUT_FUEL,
      doc: "Removes a name if it is there. That of a living process stays if a group that the caller does not see has registered it.",
    },
    (guest, at, length) => {
      const name = nameOf(guest, at, length);
      guest.process.runtime.counts.registryDeletions++;
      if (mayChange(guest, name)) guest.process.registry.remove(name);
    },
  ),
  defineLookup(
    "lookup",
    [...QUERY, "node_id_ptr: out", "process_id_ptr: out"],
    {
      result: "i32",
      codes: LOOKUP_CODES,
      fuelNote: `${COMPARE_FUEL} per part of the range for each power of two of the number of versions, ${RANGE_FUEL} per byte of the range`,
      doc: "Finds the newest of the names `name@version` whose version is in the range, which is written as in Cargo: `^1.2`, `>=1.2, <1.5`, `*`.",
    },
    (guest, at, length, queryAt, queryLength, nodeAddress, processAddress) => {
      const found = lookup(guest, at, length, queryAt, queryLength);
      if (typeof found === "number") return found;
      guest.writeU64(nodeAddress, found.nodeId);
      guest.writeU64(processAddress, found.processId);
      return 0;
    },
  ),
  defineOldLookup(
    "lookup",
    [...QUERY, "process_id_ptr: out"],
    {
      result: "i32",
      codes: LOOKUP_CODES,
      fuelNote: `${COMPARE_FUEL} per part of the range for each power of two of the number of versions, ${RANGE_FUEL} per byte of the range`,
      doc: "`perilune::registry::lookup` with the type of Lunatic 0.6.",
    },
    (guest, at, length, queryAt, queryLength, processAddress) => {
      const found = lookup(guest, at, length, queryAt, queryLength);
      if (typeof found === "number") return found;
      guest.writeU64(processAddress, found.processId);
      return 0;
    },
  ),
];

/** Names are as visible as who registered them: a guest that is shut in takes no name of a living process away. */
function mayChange({ process }: Guest, name: string): boolean {
  const { registry, environment } = process;
  const known = registry.get(name);
  if (known === undefined || process.seesGroup(registry.groupOf(name)!)) return true;
  return known.nodeId === 0n && environment.getStarted(Number(known.processId)) === undefined;
}

function nameOf(guest: Guest, address: number, byteLength: number): string {
  return guest.readText(address, byteLength, MAX_NAME_BYTES);
}

/** The process, or the code that says why there is none. */
function lookup(guest: Guest, at: number, length: number, queryAt: number, queryLength: number): Registered | 1 | 2 {
  const name = nameOf(guest, at, length);
  const text = guest.readText(queryAt, queryLength, MAX_RANGE_LENGTH * 4);
  guest.charge(queryLength * RANGE_FUEL);
  const range = parseVersionRange(text);
  if (range === null) return 1;
  guest.process.runtime.counts.registryReads++;
  const { registry } = guest.process;
  guest.charge(registry.maxCompared(name, range) * (1 + range.length) * COMPARE_FUEL);
  return registry.lookup(name, range) ?? 2;
}
