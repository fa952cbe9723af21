/** Links, monitors and registered names of a process as data: other processes are known by their registered names. */

import type { FrameState } from "../../vm/index.ts";
import type { BasicProcess } from "../basic-process.ts";
import type { Environment } from "../environment.ts";
import type { Process } from "../process.ts";
import { type Fields, invalid, mismatch, unsavable } from "./fields.ts";

/** What becomes of links and monitors with processes that have no name, or of whose name there is none, and of names that others have. */
export type Relations = "require" | "drop";

/** Names of a process that is saved: they are written in one step. */
const MAX_SAVED_NAMES = 1_024;

/** The names of processes, of those that are in one environment. */
export class Names {
  readonly #environment: Environment;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  of(process: BasicProcess, maxCount?: number): readonly string[] {
    if (process.environment !== this.#environment) return [];
    return this.#environment.registry.namesOf(BigInt(process.pid), maxCount);
  }
}

export function relationsState(process: Process, names: Names, relations: Relations): FrameState {
  const nameOf = (other: BasicProcess, what: string): string | undefined => {
    const [name] = names.of(other, 1);
    if (name === undefined && relations === "require") {
      throw unsavable(`${what} process ${other.pid}, which has no registered name`);
    }
    return name;
  };
  const links: FrameState[] = [];
  for (const { process: other, tag, partnerTag } of process.relations.links()) {
    const name = nameOf(other, "it is linked with");
    if (name !== undefined) links.push({ name, tag, partnerTag });
  }
  const monitors: FrameState[] = [];
  for (const other of process.relations.watching()) {
    const name = nameOf(other, "it monitors");
    if (name !== undefined) monitors.push(name);
  }
  const own = names.of(process, MAX_SAVED_NAMES + 1);
  if (own.length > MAX_SAVED_NAMES) throw unsavable(`it has more than ${MAX_SAVED_NAMES} registered names`);
  return { links, monitors, names: [...own] };
}

export const enum TargetKind {
  /** There is none, or not any more. */
  None,
  Self,
  Named,
}

/** The process that a timer's message goes to. */
export interface Target {
  readonly kind: TargetKind;
  /** Empty unless it is known by that. */
  readonly name: string;
}

const NONE: Target = { kind: TargetKind.None, name: "" };
const SELF: Target = { kind: TargetKind.Self, name: "" };

/** Throws `SnapshotError` for one without a name, unless it may be left out. */
export function targetOf(
  process: Process,
  target: BasicProcess | null,
  names: Names,
  relations: Relations,
  what: string,
): Target {
  if (target === null || target.hasEnded) return NONE;
  if (target === process) return SELF;
  const [name] = names.of(target, 1);
  if (name !== undefined) return { kind: TargetKind.Named, name };
  if (relations === "drop") return NONE;
  throw unsavable(`${what} is for process ${target.pid}, which has no registered name`);
}

export function findTarget(process: Process, { kind, name }: Target, relations: Relations): BasicProcess | null {
  switch (kind) {
    case TargetKind.None:
      return null;
    case TargetKind.Self:
      return process;
    case TargetKind.Named:
      return find(process, name, relations);
    default:
      throw invalid("the target of a timer");
  }
}

/** The process of a name, if this one may see it. Throws `SnapshotError` when there is none, unless it may be missing. */
function find(process: Process, name: string, relations: Relations): BasicProcess | null {
  const { environment } = process;
  const registered = environment.registry.get(name);
  const found = registered?.nodeId === 0n ? environment.get(Number(registered.processId)) : undefined;
  if (found !== undefined && process.sees(found)) return found;
  if (relations === "drop") return null;
  throw mismatch(`no process is registered as ${JSON.stringify(name)}`);
}

/** Why a name cannot be taken again; null if it can. */
function whyTaken(name: string, process: Process): string | null {
  const { environment } = process;
  const { registry } = environment;
  const known = registry.get(name);
  const holder = known?.nodeId === 0n ? environment.get(Number(known.processId)) : undefined;
  if (holder !== undefined) return `process ${holder.pid} is registered as ${JSON.stringify(name)}`;
  const owner = registry.groupOf(name);
  return owner !== undefined && !process.seesGroup(owner) ? `${JSON.stringify(name)} is somebody else's` : null;
}

/**
 * Throws `SnapshotError`: for names that others have and for others that are missing, unless they may be left out, and when a
 * group refuses. Nobody has heard of the process then.
 */
export function restoreRelations(fields: Fields, process: Process, relations: Relations): void {
  const { environment, group } = process;
  const { registry } = environment;
  const names: string[] = [];
  for (const name of fields.texts("names")) {
    const taken = whyTaken(name, process);
    if (taken === null) names.push(name);
    else if (relations === "require") throw mismatch(taken);
  }
  const links = fields.records("links").map((link) => {
    const other = find(process, link.text("name"), relations);
    return { other, tag: link.i64("tag"), partnerTag: link.i64("partnerTag") };
  });
  const monitored = fields.texts("monitors").map((name) => find(process, name, relations));
  try {
    for (const name of names) {
      const isKept = registry.put(name, { nodeId: 0n, processId: BigInt(process.pid) }, group);
      if (!isKept) throw mismatch("no room for a name");
    }
    for (const { other, tag, partnerTag } of links) {
      if (other !== null && !process.relations.link(other, tag, partnerTag)) throw mismatch("no memory for a link");
    }
    for (const other of monitored) {
      if (other !== null && !process.relations.monitor(other)) throw mismatch("no memory for a monitor");
    }
  } catch (error) {
    for (const { other } of links) if (other !== null) process.relations.unlink(other);
    for (const name of names) if (registry.get(name)?.processId === BigInt(process.pid)) registry.remove(name);
    throw error;
  }
}
