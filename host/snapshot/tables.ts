/** The tables of a process as data: errors, configurations, modules and timers; sockets are refused by name. */

import type { FrameState } from "../../vm/index.ts";
import type { ModuleHandle } from "../modules.ts";
import type { BasicProcess } from "../basic-process.ts";
import type { ConfigDraft } from "../config.ts";
import { RESOURCE_BYTES, type ProcessResources, type ResourceTable } from "../resources.ts";
import { restorePending } from "../send-after.ts";
import type { Process } from "../process.ts";
import { draftState, readDraft } from "./configs.ts";
import { Fields, invalid, mismatch, unsavable } from "./fields.ts";
import { hashText, messageState, type Modules, restoreMessage } from "./messages.ts";

/** Names the process that a timer's message is for; null for one that is gone. Throws `SnapshotError` if it has no name. */
type NameTarget = (target: BasicProcess | null, what: string) => FrameState;
type FindTarget = (state: FrameState) => BasicProcess | null;

export function tablesState(resources: ProcessResources<ConfigDraft>, nameTarget: NameTarget): FrameState {
  for (const [name, table] of [
    ["TCP stream", resources.tcpStreams],
    ["TLS stream", resources.tlsStreams],
    ["UDP socket", resources.udpSockets],
  ] as const) {
    for (const [id] of table.entries()) throw unsavable(`${name} ${id} is open`);
  }
  return {
    errors: tableState(resources.errors, (bytes) => bytes.slice()),
    configs: tableState(resources.configs, draftState),
    modules: tableState(resources.modules, ({ module }) => hashText(module)),
    timers: tableState(resources.timers, ({ plan }, id) => {
      const message = messageState(plan.message, `the message of timer ${id}`);
      const target = nameTarget(plan.target, `timer ${id}`);
      return { message, target, leftMs: plan.leftMs };
    }),
  };
}

function tableState<T>(table: ResourceTable<T>, stateOf: (value: T, id: number) => FrameState): FrameState {
  const entries = [...table.entries()].map(([id, value, byteLength]) => ({
    id,
    byteLength,
    value: stateOf(value, id),
  }));
  return { next: table.next, entries };
}

/** Throws `SnapshotError`, and `Termination` when a group refuses. */
export function restoreTables(fields: Fields, process: Process, modules: Modules, findTarget: FindTarget): void {
  const { resources, group } = process;
  restoreTable(fields.record("errors"), resources.errors, (value) => {
    if (!(value instanceof Uint8Array)) throw invalid("an error");
    return [value, value.length];
  });
  restoreTable(fields.record("configs"), resources.configs, (value) => {
    const draft = readDraft(new Fields(value, "a configuration"));
    return [draft, draft.textLength * 2];
  });
  restoreTable<ModuleHandle>(fields.record("modules"), resources.modules, (value) => {
    if (typeof value !== "string") throw invalid("a module");
    return [modules.open(value, group), 0];
  });
  for (const entry of entriesOf(fields.record("timers"), resources.timers)) {
    const timer = entry.record("value");
    const message = restoreMessage(timer.get("message"), modules, group);
    const target = findTarget(timer.get("target"));
    if (restorePending(process, target, message, timer.amount("leftMs"), entry.count("id"))) continue;
    message.drop();
    throw mismatch("no room for a timer");
  }
  resources.timers.skipTo(fields.record("timers").count("next"));
}

function entriesOf<T>(fields: Fields, table: ResourceTable<T>): Fields[] {
  const entries = fields.records("entries");
  let next = table.next;
  for (const entry of entries) {
    const id = entry.count("id", Number.MAX_SAFE_INTEGER - 1);
    if (id < next) throw invalid("entries of a table out of order");
    next = id + 1;
  }
  return entries;
}

/** `restore` gives a value and the least bytes that it counts besides its entry. */
function restoreTable<T>(
  fields: Fields,
  table: ResourceTable<T>,
  restore: (state: FrameState) => readonly [value: T, byteLength: number],
): void {
  for (const entry of entriesOf(fields, table)) {
    const [value, byteLength] = restore(entry.get("value"));
    const id = entry.count("id");
    const counted = Math.max(RESOURCE_BYTES + byteLength, entry.count("byteLength"));
    if (table.restore(id, value, counted)) continue;
    if (isCloseable(value)) value.close();
    throw mismatch("no room for the entries of a table");
  }
  table.skipTo(fields.count("next"));
}

function isCloseable(value: unknown): value is { close(): void } {
  return typeof value === "object" && value !== null && "close" in value && typeof value.close === "function";
}
