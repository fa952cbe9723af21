/**
 * What a child may do: less than its creator in any case. Memory, fuel and rights are Lunatic's; imports, groups and
 * visibility are of `perilune::config`, which is not there where Perilune stands in Lunatic's place.
 */

import {
  allowImport,
  configVersion,
  createConfig,
  denyImport,
  dropConfig,
  setCanCompileModules,
  setCanCreateConfigs,
  setCanSpawnProcesses,
  setGroup,
  setGroupLimits,
  setMailbox,
  setMaxFuel,
  setMaxMemory,
  setMaxProcesses,
  setVisibility,
} from "./bindings";
import { panic } from "./console";

/** Units of fuel that Lunatic counts in. */
const FUEL_UNIT: u64 = 100_000;
/** Of `perilune::config` that this library was written for. */
const VERSION: i32 = 1;

export const enum Visibility {
  /** Only its own group's processes. */
  Own,
  /** Also those of groups inside it. */
  Descendants,
  All,
}

/** A configuration for {@link Process.spawn}. It permits nothing until it is told to. */
export class Config {
  readonly id: i64;

  /** Panics where the process may not make configurations. */
  constructor() {
    this.id = createConfig();
    if (this.id < 0) panic("no configuration may be made");
  }

  maxMemory(bytes: u64): this {
    setMaxMemory(this.id, bytes);
    return this;
  }

  /** Rounded up to the next 100,000. */
  maxFuel(fuel: u64): this {
    setMaxFuel(this.id, (fuel + FUEL_UNIT - 1) / FUEL_UNIT);
    return this;
  }

  canSpawnProcesses(can: bool = true): this {
    setCanSpawnProcesses(this.id, can);
    return this;
  }

  canCreateConfigs(can: bool = true): this {
    setCanCreateConfigs(this.id, can);
    return this;
  }

  canCompileModules(can: bool = true): this {
    setCanCompileModules(this.id, can);
    return this;
  }

  /** Lets the child import what matches "namespace::name", "*" standing for any text; nothing else any more. */
  allow(pattern: string): this {
    const bytes = String.UTF8.encode(pattern);
    allowImport(this.id, changetype<usize>(bytes), bytes.byteLength);
    return this;
  }

  /** Ends the child when it calls such an import, even an allowed one. */
  deny(pattern: string): this {
    const bytes = String.UTF8.encode(pattern);
    denyImport(this.id, changetype<usize>(bytes), bytes.byteLength);
    return this;
  }

  /** Living processes that the child may have made. */
  maxProcesses(count: u64): this {
    setMaxProcesses(this.id, count);
    return this;
  }

  /** What may wait in the child's mailbox. */
  mailbox(messages: u64, bytes: u64): this {
    setMailbox(this.id, messages, bytes);
    return this;
  }

  /** Whom the child may kill, link and monitor. */
  visibility(scope: Visibility): this {
    setVisibility(this.id, scope);
    return this;
  }

  /** The child joins this group inside ours. Its weight is its share of time beside the others, of which 100 is the usual. */
  group(name: string, weight: u32 = 100): this {
    const bytes = String.UTF8.encode(name);
    setGroup(this.id, changetype<usize>(bytes), bytes.byteLength, weight);
    return this;
  }

  /** Limits of the group that {@link group} has named, for all its processes together. */
  groupLimits(maxFuel: u64, maxMemory: u64, maxProcesses: u64): this {
    setGroupLimits(this.id, maxFuel, maxMemory, maxProcesses);
    return this;
  }

  /** Processes that were spawned with it keep theirs. */
  drop(): void {
    dropConfig(this.id);
  }
}

/** No limit, of a group. */
export const UNLIMITED: u64 = u64.MAX_VALUE;

/** Whether the host knows all that this file asks of `perilune::config`. */
export function canNarrow(): bool {
  return configVersion() >= VERSION;
}
