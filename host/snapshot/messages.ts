/**
 * Messages as bytes. What they hold of modules is named by hash, other resources are refused by their names.
 *
 *     message    kind (u8), tag (i64), and
 *     notice     the number whose end it tells of (i64)
 *     data       the cursor (f64), bytes and resources (u32 each), resources, bytes
 *     resource   0, or 1 and the SHA-256 of a module
 */

import { type CompiledModule, moduleHash, Termination } from "../../vm/internal.ts";
import { WATCH_BYTES } from "../process-relations.ts";
import { Account, type Group } from "../group.ts";
import { DataMessage, LinkDied, MAX_MESSAGE_RESOURCES, type Message, MessageKind, ProcessDied } from "../message.ts";
import { ModuleHandle } from "../modules.ts";
import type { ByteSink, ByteSource } from "./byte-stream.ts";
import { invalid, mismatch, unsavable } from "./fields.ts";

const HASH_BYTES = 32;

export function hashText(module: CompiledModule): string {
  return hexOf(moduleHash(module));
}

export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The modules that a restorer gives, by their hashes. */
export class Modules {
  readonly #byHash: ReadonlyMap<string, CompiledModule>;

  constructor(modules: readonly CompiledModule[]) {
    this.#byHash = new Map(modules.map((module) => [hashText(module), module]));
  }

  /** Throws `SnapshotError` when it was not given. */
  get(hash: string): CompiledModule {
    const module = this.#byHash.get(hash);
    if (module === undefined) throw mismatch(`the module of SHA-256 ${hash.slice(0, 64)}`);
    return module;
  }

  /** A handle that the group pays for. Throws `SnapshotError`. */
  open(hash: string, group: Group): ModuleHandle {
    const handle = ModuleHandle.open(this.get(hash), group);
    if (handle === null) throw mismatch("no memory to keep a module");
    return handle;
  }
}

/** All of a message but its bytes. `what` names it in errors. Throws `SnapshotError` for one with a resource that is no module. */
export function beginMessage(sink: ByteSink, message: Message, what: () => string): void {
  sink.u8(message.kind);
  sink.i64(message.tag);
  if (!(message instanceof DataMessage)) {
    sink.i64(BigInt.asIntN(64, message instanceof ProcessDied ? message.id : 0n));
    return;
  }
  sink.f64(message.cursor);
  sink.u32(message.byteLength);
  sink.u32(message.resourceCount);
  for (let i = 0; i < message.resourceCount; i++) {
    const resource = message.resource(i);
    sink.u8(resource === null ? 0 : 1);
    if (resource === null) continue;
    if (!(resource instanceof ModuleHandle)) throw unsavable(`resource ${i} of ${what()} is a ${resource.kind}`);
    sink.raw(moduleHash(resource.module));
  }
}

/** All of a message. Throws as {@link beginMessage}. */
export function writeMessage(sink: ByteSink, message: Message, what: () => string): void {
  beginMessage(sink, message, what);
  if (message instanceof DataMessage) message.eachBytes(0, message.byteLength, (bytes) => sink.raw(bytes));
}

/**
 * What {@link beginMessage} has written, as a message that the group pays for, and how many bytes are to follow. Throws
 * `SnapshotError`, and `Termination` when the group refuses.
 */
export function readBeginning(
  source: ByteSource,
  modules: Modules,
  group: Group,
): { readonly message: Message; readonly missing: number } {
  const kind = source.u8() as MessageKind;
  const tag = source.i64();
  if (kind !== MessageKind.Data) return { message: readNotice(kind, tag, source.i64(), group), missing: 0 };
  const cursor = source.count();
  const missing = source.u32();
  const resources = source.u32();
  if (resources > MAX_MESSAGE_RESOURCES) throw invalid(`${resources} resources of a message`);
  const message = new DataMessage(tag, 0, group);
  try {
    message.cursor = cursor;
    for (let i = 0; i < resources; i++) {
      const resource = readHandle(source, modules, group) ?? { kind: "nothing", close() {} };
      try {
        message.pushResource(resource);
      } catch (error) {
        resource.close();
        throw error;
      }
      if (resource.kind === "nothing") message.takeResource(i);
    }
  } catch (error) {
    message.drop();
    throw error;
  }
  return { message, missing };
}

/** All of a message. Throws as {@link readBeginning}. */
export function readMessage(source: ByteSource, modules: Modules, group: Group): Message {
  const { message, missing } = readBeginning(source, modules, group);
  try {
    for (let left = missing; left > 0; ) {
      const bytes = source.some(left);
      (message as DataMessage).append(bytes);
      left -= bytes.length;
    }
  } catch (error) {
    message.drop();
    throw error;
  }
  return message;
}

/** Its room is what a link or a monitor would have reserved. */
function readNotice(kind: MessageKind, tag: bigint, id: bigint, group: Group): Message {
  if (kind !== MessageKind.LinkDied && kind !== MessageKind.ProcessDied) throw invalid("a message of no kind");
  const notice = kind === MessageKind.LinkDied ? new LinkDied(tag) : new ProcessDied(BigInt.asUintN(64, id));
  if (!group.reserve(Account.Memory, WATCH_BYTES)) throw new Termination("memory limit", "a notice");
  notice.takeOver(group, WATCH_BYTES);
  return notice;
}

/** Null for a place whose resource was taken. */
function readHandle(source: ByteSource, modules: Modules, group: Group): ModuleHandle | null {
  const flag = source.u8();
  if (flag > 1) throw invalid("a resource of a message");
  return flag === 0 ? null : modules.open(hexOf(source.raw(HASH_BYTES)), group);
}
