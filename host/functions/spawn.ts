/** `lunatic::process::{spawn, get_or_spawn}`. */

import type { CompiledModule, Value } from "../../vm/index.ts";
import { Phase } from "../basic-process.ts";
import type { Config, ConfigDraft } from "../config.ts";
import { Account } from "../group.ts";
import { MAX_COMPARED_IMPORTS } from "../link-plans.ts";
import type { Process } from "../process.ts";
import type { SpawnRequest, SpawnResult } from "../process-start.ts";
import type { Registered, Reservation } from "../registry.ts";
import type { Cancel } from "../system.ts";
import { Timer } from "../timers.ts";
import type { HostFunction, Parameter } from "./define.ts";
import { functionsOf, OWN_ID } from "./define.ts";
import type { Guest } from "./guest.ts";
import { MAX_NAME_BYTES } from "../registry.ts";

const define = functionsOf("lunatic::process");

const SPAWN_FUEL = 10_000;
/** Fuel of each page of memory that the child begins with. */
const PAGE_FUEL = 500;
/** Fuel of a configuration, and of each byte of its lists. */
const CONFIG_FUEL = 200;
const CONFIG_FUEL_PER_BYTE = 1;
/** Fuel of a pattern, and of each import that it is compared with; and of each import of a module that gets others for it. */
const PATTERN_FUEL = 1_000;
const PATTERN_FUEL_PER_IMPORT = 50;
const IMPORT_FUEL = 100;

/** Processes that wait for the same name, and are woken in one step. */
const WOKEN_AT_ONCE = 64;

/** A parameter is a type byte and 16 bytes of value. */
const PARAM_BYTES = 17;
const MAX_PARAMS = 1_000;
const I32 = 0x7f;
const I64 = 0x7e;
const V128 = 0x7b;

const DENIED = "not permitted to spawn";
const INITIALISING = "called by a start function";
const BAD_PARAMS = "malformed parameters";

const CHILD = [
  "link: tag",
  "config_id: resource-or-own",
  "module_id: resource-or-own",
  "func_ptr: text",
  "func_len: length",
  "params_ptr: bytes",
  "params_len: length",
] as const satisfies readonly Parameter[];
const TRAPS = [DENIED, INITIALISING, BAD_PARAMS];
const FUEL = { fuel: SPAWN_FUEL, fuelNote: `${PAGE_FUEL} per page of the child`, waits: true } as const;

export const SPAWN_FUNCTIONS: readonly HostFunction[] = [
  define(
    "spawn",
    [...CHILD, "id_ptr: out"],
    {
      ...FUEL,
      result: "i32",
      traps: TRAPS,
      codes: { 0: "the process ID is written", 1: "an error's ID is written" },
      doc: "Spawns a process that runs the export `func`. -1 is the caller's own configuration or module. Parameters are 17 bytes each: `0x7f` i32, `0x7e` i64 or `0x7b` v128, then 16 bytes of value. With `link` other than 0 both are linked, and the caller is told with that tag. Fails when the module cannot be instantiated, when a limit of processes or memory is reached, and when the configuration names a directory that the caller does not have.",
    },
    (guest, link, configId, moduleId, funcAt, funcLength, paramsAt, paramsLength, idAddress) => {
      const prepared = prepare(guest, link, configId, moduleId, funcAt, funcLength, paramsAt, paramsLength);
      if ("error" in prepared) return guest.fail(idAddress, prepared.error);
      return guest.process.spawn(prepared, (result) => [tell(guest, result, idAddress)]);
    },
  ),
  define(
    "get_or_spawn",
    ["name_ptr: text", "name_len: length", ...CHILD, "node_id_ptr: out", "id_ptr: out"],
    {
      ...FUEL,
      result: "i32",
      traps: [...TRAPS, "too many names"],
      codes: {
        0: "spawned and registered, both IDs are written",
        1: "an error's ID is written to `id_ptr`",
        2: "found, both IDs are written",
      },
      doc: "Finds the process of a name, or else spawns one as `spawn` does and registers it, in one step. A process that is found is not linked and may be dead.",
    },
    (
      guest,
      nameAt,
      nameLength,
      link,
      configId,
      moduleId,
      funcAt,
      funcLength,
      paramsAt,
      paramsLength,
      nodeAddress,
      idAddress,
    ) => {
      const name = guest.readText(nameAt, nameLength, MAX_NAME_BYTES);
      const found = (registered: Registered): 2 => {
        guest.writeU64(nodeAddress, registered.nodeId);
        guest.writeU64(idAddress, registered.processId);
        return 2;
      };
      const known = guest.process.registry.get(name);
      if (known !== undefined) return found(known);
      const prepared = prepare(guest, link, configId, moduleId, funcAt, funcLength, paramsAt, paramsLength);
      if (guest.process.group.available(Account.Names) < 1) throw guest.trap("too many registered names");
      if ("error" in prepared) return guest.fail(idAddress, prepared.error);
      return guest.process.hostCall.suspend<Registered | SpawnResult>(
        (done) => getOrSpawn(guest, name, prepared, done),
        (result) => {
          if (!("kind" in result)) return [found(result)];
          const code = tell(guest, result, idAddress);
          if (code === 0) guest.writeU64(nodeAddress, 0);
          return [code];
        },
      );
    },
  ),
];

/** Spawns for a name unless somebody else is doing so: then waits for that, and looks again. */
function getOrSpawn(
  { process }: Guest,
  name: string,
  request: SpawnRequest,
  done: (result: Registered | SpawnResult) => void,
): Cancel {
  const { registry, group, runtime } = process;
  const release = (reservation: Reservation, registered: Registered | null): void => {
    registry.release(reservation, registered, group);
    wakeWaiters(reservation, process);
  };
  let own: Reservation | null = null;
  /** Gives up the process that is being started, or the wait for somebody else's. */
  let cancel: Cancel | null = null;
  const attempt = (): void => {
    const known = registry.get(name);
    if (known !== undefined) {
      done(known);
      return;
    }
    const reserved = registry.reserve(name, process);
    if ("pending" in reserved) {
      cancel = reserved.pending.waiters.add(attempt);
      return;
    }
    own = reserved.reservation;
    cancel = runtime.startProcess(request, process, (result) => {
      const registered = result.kind === "spawned" ? { nodeId: 0n, processId: BigInt(result.process.pid) } : null;
      release(reserved.reservation, registered);
      done(result);
    });
  };
  attempt();
  return () => {
    cancel?.();
    if (own !== null) release(own, null);
  };
}

/** Some at once, the others when those have had their turns. */
function wakeWaiters(reservation: Reservation, process: Process): void {
  if (!reservation.waiters.wake(WOKEN_AT_ONCE)) return;
  const timer = new Timer(() => wakeWaiters(reservation, process), process.group.share);
  process.runtime.executor.arm(timer, 0);
}

function tell(guest: Guest, result: SpawnResult, idAddress: number): 0 | 1 {
  if (result.kind === "failed") return guest.fail(idAddress, result.error);
  guest.writeU64(idAddress, result.process.pid);
  return 0;
}

/** Traps in the order of Lunatic's checks. What a limit or a grant refuses is an error and no trap. */
function prepare(
  guest: Guest,
  link: bigint,
  configId: number,
  moduleId: number,
  funcAt: number,
  funcLength: number,
  paramsAt: number,
  paramsLength: number,
): SpawnRequest | { readonly error: unknown } {
  const { process } = guest;
  if (!process.config.canSpawnProcesses) throw guest.trap(DENIED);
  if (process.phase === Phase.Initialising) throw guest.trap(INITIALISING);
  const draft = configId === OWN_ID ? null : process.resources.configs.get(configId);
  if (draft === undefined) throw guest.trap(`there is no configuration ${configId}`);
  const module = moduleId === OWN_ID ? process.module : process.resources.modules.get(moduleId)?.module;
  if (module === undefined) throw guest.trap(`there is no module ${moduleId}`);
  const entry = guest.readText(funcAt, funcLength);
  const args = readParams(guest, paramsAt, paramsLength);
  guest.charge(pagesOf(module) * PAGE_FUEL);
  let config: Config;
  try {
    config = draft === null ? process.config : meet(guest, draft, module);
  } catch (error) {
    return { error };
  }
  const options = draft?.group ?? null;
  const group = options === null ? process.group : process.group.named(process.runtime.scheduler, options);
  if (group === null) return { error: "too many groups, or no memory for another" };
  return {
    environment: process.environment,
    group,
    config,
    module,
    entry,
    args,
    link: link === 0n ? null : link,
    name: entry,
  };
}

function meet(guest: Guest, draft: ConfigDraft, { data }: CompiledModule): Config {
  const { patternCount, textLength } = draft;
  guest.charge(CONFIG_FUEL + textLength * CONFIG_FUEL_PER_BYTE);
  if (patternCount > 0) {
    const { length } = data.imports;
    const perPattern = PATTERN_FUEL + Math.min(length, MAX_COMPARED_IMPORTS) * PATTERN_FUEL_PER_IMPORT;
    guest.charge(patternCount * perPattern + length * IMPORT_FUEL);
  }
  return guest.process.config.meet(draft);
}

function pagesOf({ data }: CompiledModule): number {
  return data.memories.reduce((sum, { limits }) => sum + Number(limits.min), 0);
}

function readParams(guest: Guest, address: number, byteLength: number): Value[] {
  guest.checkRange(address, byteLength);
  if (byteLength % PARAM_BYTES !== 0) throw guest.trap(`${BAD_PARAMS}: ${byteLength} bytes`);
  const count = byteLength / PARAM_BYTES;
  if (count > MAX_PARAMS) throw guest.trap(`${BAD_PARAMS}: ${count} of them`);
  guest.chargeBytes(byteLength);
  const { memory } = guest;
  const params: Value[] = [];
  for (let i = 0; i < count; i++) {
    const at = address + i * PARAM_BYTES;
    const type = memory.readU8(at);
    switch (type) {
      case I32:
        params.push(memory.readU32(at + 1) | 0);
        break;
      case I64:
        params.push(BigInt.asIntN(64, memory.readU64(at + 1)));
        break;
      case V128:
        params.push(memory.read(at + 1, 16));
        break;
      default:
        throw guest.trap(`${BAD_PARAMS}: type ${type}`);
    }
  }
  return params;
}
