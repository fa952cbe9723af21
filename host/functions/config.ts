/**
 * Configurations that a guest builds for its children: `lunatic::process::*config*`, `lunatic::wasi`
 * and `perilune::config`. Setters store what they are given and getters return it; what of it a
 * child gets is decided when it is spawned.
 */

import { ConfigDraft, type OnFullMailbox, type TextList, type Visibility } from "../config.ts";
import { MAX_WEIGHT } from "../run-queue.ts";
import type { HostFunction, Parameter } from "./define.ts";
import { functionsOf } from "./define.ts";
import type { Guest } from "./guest.ts";

const define = functionsOf("lunatic::process");
const defineWasi = functionsOf("lunatic::wasi");
const definePerilune = functionsOf("perilune::config");

/** Configurations of one process. */
export const MAX_CONFIGS = 1_024;
/** Counted bytes of an entry of a list besides its text. */
const ENTRY_BYTES = 64;
const MAX_PATTERN_BYTES = 512;
const MAX_GROUP_NAME_BYTES = 256;
/** Of `perilune::config`: what guests ask for before they use what came later. */
const CONFIG_VERSION = 1;

const CREATE_FUEL = 400;
/** Fuel of a text that is kept, and of each of its UTF-16 units besides what reading it costs: garbage collections copy it. */
const KEPT_FUEL = 100;
const KEPT_FUEL_PER_UNIT = 2;
const KEPT = { fuel: KEPT_FUEL, fuelNote: `${KEPT_FUEL_PER_UNIT} for each character` } as const;

const TEXT_LIMITS = "Arguments and variables are 4,096 together at most, of 262,144 characters in all.";

const CONFIG = "config_id: resource" as const satisfies Parameter;
const NO_MEMORY = "no memory for it";
const TOO_MANY = "too many texts";
const ZERO_BYTE = "a zero byte in the text";
const UNKNOWN_VALUE = "unknown value";

export const CONFIG_FUNCTIONS: readonly HostFunction[] = [
  define(
    "create_config",
    [],
    {
      result: "i64",
      fuel: CREATE_FUEL,
      codes: { [-1]: `not permitted, or more than ${MAX_CONFIGS}, or no memory` },
      doc: "Makes a configuration that permits nothing, with 4 GiB of memory and no limit of fuel, and returns its ID.",
    },
    ({ process }) => {
      const { configs } = process.resources;
      if (!process.config.canCreateConfigs || configs.size >= MAX_CONFIGS) return -1n;
      const id = configs.add(new ConfigDraft());
      if (id === null) return -1n;
      process.runtime.counts.configsCreated++;
      return BigInt(id);
    },
  ),
  define(
    "drop_config",
    [CONFIG],
    { doc: "Frees the ID; processes that were spawned with it keep theirs." },
    (guest, id) => {
      if (!guest.process.resources.configs.drop(id)) throw guest.trap(`there is no configuration ${id}`);
    },
  ),
  define(
    "config_set_max_memory",
    [CONFIG, "bytes: u64"],
    { doc: "Sets the limit of linear memory in bytes." },
    (guest, id, bytes) => {
      draftOf(guest, id).set("maxMemory", bytes);
    },
  ),
  define(
    "config_get_max_memory",
    [CONFIG],
    { result: "i64", doc: "The limit as it was set." },
    (guest, id) => draftOf(guest, id).settings.maxMemory,
  ),
  define(
    "config_set_max_fuel",
    [CONFIG, "units: u64"],
    { doc: "Sets the limit of fuel in units of 100,000; 0 is no limit." },
    (guest, id, units) => {
      draftOf(guest, id).set("maxFuelUnits", units);
    },
  ),
  define(
    "config_get_max_fuel",
    [CONFIG],
    { result: "i64", doc: "The limit as it was set." },
    (guest, id) => draftOf(guest, id).settings.maxFuelUnits,
  ),
  ...permission("can_compile_modules", "canCompileModules", "compile modules"),
  ...permission("can_create_configs", "canCreateConfigs", "create configurations"),
  ...permission("can_spawn_processes", "canSpawnProcesses", "spawn processes"),
];

function permission(
  name: string,
  property: "canCompileModules" | "canCreateConfigs" | "canSpawnProcesses",
  words: string,
): readonly HostFunction[] {
  return [
    define(
      `config_${name}`,
      [CONFIG],
      { result: "i32", doc: `Whether the configuration permits to ${words}: 1 or 0.` },
      (guest, id) => (draftOf(guest, id).settings[property] ? 1 : 0),
    ),
    define(
      `config_set_${name}`,
      [CONFIG, "can: flag"],
      { doc: `Permits to ${words}, as far as the creator may itself.` },
      (guest, id, can) => {
        draftOf(guest, id).set(property, can);
      },
    ),
  ];
}

export const WASI_CONFIG_FUNCTIONS: readonly HostFunction[] = [
  defineWasi(
    "config_add_environment_variable",
    [CONFIG, "key_ptr: text", "key_len: length", "value_ptr: text", "value_len: length"],
    {
      ...KEPT,
      traps: [NO_MEMORY, ZERO_BYTE, TOO_MANY],
      doc: `Appends an environment variable; duplicates are kept. ${TEXT_LIMITS}`,
    },
    (guest, id, keyAt, keyLength, valueAt, valueLength) => {
      draftOf(guest, id);
      const key = guest.readText(keyAt, keyLength);
      const value = guest.readText(valueAt, valueLength);
      // Looked into before they are joined: V8 keeps a long text as its two halves as long as nobody reads it.
      append(guest, id, "env", `${zeroFree(guest, key)}=${zeroFree(guest, value)}`);
    },
  ),
  defineWasi(
    "config_add_command_line_argument",
    [CONFIG, "arg_ptr: text", "arg_len: length"],
    {
      ...KEPT,
      traps: [NO_MEMORY, ZERO_BYTE, TOO_MANY],
      doc: `Appends an argument; the first is the program's name. ${TEXT_LIMITS}`,
    },
    (guest, id, at, length) => {
      draftOf(guest, id);
      append(guest, id, "args", zeroFree(guest, guest.readText(at, length)));
    },
  ),
  defineWasi(
    "config_preopen_dir",
    [CONFIG, "dir_ptr: text", "dir_len: length"],
    {
      ...KEPT,
      traps: [NO_MEMORY, ZERO_BYTE, TOO_MANY],
      doc: "Appends a directory, which the child sees under the same text. It is looked for when a process is spawned, in the directories that the creator has itself. There are 64 at most, of 4,096 characters each.",
    },
    (guest, id, at, length) => {
      draftOf(guest, id);
      append(guest, id, "directories", zeroFree(guest, guest.readText(at, length)));
    },
  ),
];

const VISIBILITIES: readonly Visibility[] = ["own", "descendants", "all"];
const FULL_MAILBOX: readonly OnFullMailbox[] = ["suspend", "drop-newest", "end-receiver"];
const PATTERN = [CONFIG, "pattern_ptr: text", "pattern_len: length"] as const satisfies readonly Parameter[];

export const NARROWING_FUNCTIONS: readonly HostFunction[] = [
  definePerilune(
    "version",
    [],
    { result: "i32", doc: `The version of this namespace: ${CONFIG_VERSION}.` },
    () => CONFIG_VERSION,
  ),
  definePerilune(
    "allow_import",
    PATTERN,
    {
      ...KEPT,
      traps: [NO_MEMORY],
      doc: "Permits imports that match a pattern of `namespace::name`, with `*` for any text. Once there is one, the child gets only what is allowed here, and of that only what its creator has.",
    },
    (guest, id, at, length) => addPattern(guest, id, "allow", at, length),
  ),
  definePerilune(
    "deny_import",
    PATTERN,
    { ...KEPT, traps: [NO_MEMORY], doc: "Denies imports that match a pattern, even allowed ones." },
    (guest, id, at, length) => addPattern(guest, id, "deny", at, length),
  ),
  definePerilune(
    "set_max_processes",
    [CONFIG, "count: u64"],
    { doc: "Sets how many processes the child may have made that live." },
    (guest, id, count) => {
      draftOf(guest, id).set("maxProcesses", Number(count));
    },
  ),
  definePerilune(
    "set_mailbox",
    [CONFIG, "messages: u64", "bytes: u64"],
    { doc: "Sets how many messages and bytes may wait in the child's mailbox." },
    (guest, id, messages, bytes) => {
      const draft = draftOf(guest, id);
      draft.set("maxMessages", Math.max(1, Number(messages)));
      draft.set("maxMailboxBytes", Number(bytes));
    },
  ),
  definePerilune(
    "set_on_full_mailbox",
    [CONFIG, "policy: u32"],
    {
      traps: [UNKNOWN_VALUE],
      doc: "What happens to a message without room: 0 the sender waits, 1 it is dropped, 2 the child ends.",
    },
    (guest, id, policy) => {
      draftOf(guest, id).set("onFullMailbox", choice(guest, FULL_MAILBOX, policy));
    },
  ),
  definePerilune(
    "set_visibility",
    [CONFIG, "scope: u32"],
    {
      traps: [UNKNOWN_VALUE],
      doc: "Which processes the child may kill, link and monitor: 0 its group's, 1 also those of groups inside it, 2 all.",
    },
    (guest, id, scope) => {
      draftOf(guest, id).set("visibility", choice(guest, VISIBILITIES, scope));
    },
  ),
  definePerilune(
    "set_group",
    [CONFIG, "name_ptr: text", "name_len: length", "weight: u32"],
    {
      traps: [UNKNOWN_VALUE],
      doc: "The child joins the group of this name inside its creator's, which is made when it is first asked for. `weight`, 1 to 1,000, is its share of the CPU beside the others there, of which the usual is 100.",
    },
    (guest, id, at, length, weight) => {
      const draft = draftOf(guest, id);
      const name = guest.readText(at, length, MAX_GROUP_NAME_BYTES);
      if (weight < 1 || weight > MAX_WEIGHT) throw guest.trap(`a weight of ${weight}`);
      draft.group = { ...draft.group, name, weight };
    },
  ),
  definePerilune(
    "set_group_limits",
    [CONFIG, "max_fuel: u64", "max_memory: u64", "max_processes: u64"],
    {
      traps: [UNKNOWN_VALUE],
      doc: "Limits of the group that `set_group` has named, for all its processes together; 2^64 − 1 is none. They count when the group is made.",
    },
    (guest, id, maxFuel, maxMemory, maxProcesses) => {
      const draft = draftOf(guest, id);
      if (draft.group === null) throw guest.trap("the configuration names no group");
      draft.group = {
        ...draft.group,
        maxFuel: limitOf(maxFuel),
        maxMemory: limitOf(maxMemory),
        maxProcesses: limitOf(maxProcesses),
      };
    },
  ),
  definePerilune(
    "set_network",
    [CONFIG, "connect: flag", "listen: flag", "resolve: flag"],
    { doc: "Which network functions the child may use, of those that its creator may." },
    (guest, id, connect, listen, resolve) => {
      draftOf(guest, id).set("network", { connect, listen, resolve });
    },
  ),
];

function limitOf(value: bigint): number {
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.POSITIVE_INFINITY : Number(value);
}

function draftOf(guest: Guest, id: number): ConfigDraft {
  const draft = guest.process.resources.configs.get(id);
  if (draft === undefined) throw guest.trap(`there is no configuration ${id}`);
  return draft;
}

function zeroFree(guest: Guest, text: string): string {
  if (text.includes("\0")) throw guest.trap("a zero byte in a text of a configuration");
  return text;
}

/** Appends a text to a list of the configuration `id`, which pays for it. */
function append(guest: Guest, id: number, list: TextList, text: string): void {
  const draft = draftOf(guest, id);
  if (!draft.hasRoomFor(list, text)) throw guest.trap("more texts than a configuration may have");
  guest.charge(text.length * KEPT_FUEL_PER_UNIT);
  if (!guest.process.resources.configs.grow(id, ENTRY_BYTES + text.length * 2))
    throw guest.trap("no memory for a text of a configuration");
  draft.add(list, text);
}

function addPattern(guest: Guest, id: number, list: "allow" | "deny", at: number, length: number): void {
  const draft = draftOf(guest, id);
  const pattern = guest.readText(at, length, MAX_PATTERN_BYTES);
  const isCounted =
    draft.hasRoomFor(list, pattern) && guest.process.resources.configs.grow(id, ENTRY_BYTES + pattern.length * 2);
  if (!isCounted) throw guest.trap("no memory for a pattern of a configuration");
  guest.charge(pattern.length * KEPT_FUEL_PER_UNIT);
  draft.add(list, pattern);
}

function choice<T>(guest: Guest, choices: readonly T[], index: number): T {
  const chosen = choices[index];
  if (chosen === undefined) throw guest.trap(`there is no choice ${index}`);
  return chosen;
}
