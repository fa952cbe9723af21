/** The tables of a process as data: errors, configurations, modules and timers; sockets are refused by name. */

import type { FrameState } from "../../vm/index.ts";
import type { ModuleHandle } from "../modules.ts";
import type { BasicProcess } from "../basic-process.ts";
import type { ConfigDraft } from "../config.ts";
import type { ProcessResources, ResourceTable } from "../resources.ts";
import { MAX_NAME_BYTES } from "../registry.ts";
import { type PendingMessage, restorePending } from "../send-after.ts";
import type { Process } from "../process.ts";
import { ByteSink, ByteSource } from "./byte-stream.ts";
import { draftState, readDraft } from "./configs.ts";
import { Fields, invalid, mismatch, unsavable } from "./fields.ts";
import { hashText, type Modules, readMessage, writeMessage } from "./messages.ts";
import type { Target, TargetKind } from "./relations.ts";

/** Says which process a timer's message is for. Throws `SnapshotError` if it has no name. */
type NameTarget = (target: BasicProcess | null, what: string) => Target;
type FindTarget = (target: Target) => BasicProcess | null;

const utf8 = new TextEncoder();
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

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
    timers: timersState(resources.timers, nameTarget),
  };
}

/** Of each its number, the time that is left, its target and its message: tens of thousands are written in one step. */
function timersState(table: ResourceTable<PendingMessage>, nameTarget: NameTarget): FrameState {
  const sink = new ByteSink();
  for (const [id, { plan }] of table.entries()) {
    const { kind, name } = nameTarget(plan.target, `timer ${id}`);
    sink.f64(id);
    sink.f64(plan.leftMs);
    sink.u8(kind);
    const bytes = utf8.encode(name);
    sink.u32(bytes.length);
    sink.raw(bytes);
    writeMessage(sink, plan.message, () => `the message of timer ${id}`);
  }
  return { next: table.next, entries: sink.pieces };
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
  restoreTimers(fields.record("timers"), process, modules, findTarget);
}

function restoreTimers(fields: Fields, process: Process, modules: Modules, findTarget: FindTarget): void {
  const { timers } = process.resources;
  const source = new ByteSource(fields.allBytes("entries"));
  while (!source.isAtEnd) {
    const id = source.count();
    if (id < timers.next || id === Number.MAX_SAFE_INTEGER) throw invalid("entries of a table out of order");
    const leftMs = source.f64();
    if (!(leftMs >= 0)) throw invalid("the time of a timer");
    const kind = source.u8() as TargetKind;
    const nameBytes = source.u32();
    if (nameBytes > MAX_NAME_BYTES) throw invalid("the name of a target");
    const name = readText(source.raw(nameBytes));
    const message = readMessage(source, modules, process.group);
    try {
      if (restorePending(process, findTarget({ kind, name }), message, leftMs, id)) continue;
      throw mismatch("no room for a timer");
    } catch (error) {
      message.drop();
      throw error;
    }
  }
  timers.skipTo(fields.count("next"));
}

function readText(bytes: Uint8Array): string {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    throw invalid("a name");
  }
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
    const counted = Math.max(table.entryBytes + byteLength, entry.count("byteLength"));
    if (table.restore(id, value, counted)) continue;
    if (isCloseable(value)) value.close();
    throw mismatch("no room for the entries of a table");
  }
  table.skipTo(fields.count("next"));
}

function isCloseable(value: unknown): value is { close(): void } {
  return typeof value === "object" && value !== null && "close" in value && typeof value.close === "function";
}
