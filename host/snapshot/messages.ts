/** Messages as data: what they hold of modules is named by hash, other resources are refused by their names. */

import { type CompiledModule, type FrameState, moduleHash, Termination } from "../../vm/index.ts";
import { WATCH_BYTES } from "../process-relations.ts";
import { Account, type Group } from "../group.ts";
import {
  DataMessage,
  LinkDied,
  MAX_MESSAGE_RESOURCES,
  type Message,
  MessageKind,
  ProcessDied,
  type Resource,
} from "../message.ts";
import { ModuleHandle } from "../modules.ts";
import { Fields, invalid, mismatch, unsavable } from "./fields.ts";

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

/** `what` names the message in errors. Throws `SnapshotError` for one with a resource that is no module. */
export function messageState(message: Message, what: string): FrameState {
  const { kind, tag } = message;
  if (message instanceof DataMessage) {
    const resources = Array.from({ length: message.resourceCount }, (_, i) =>
      resourceState(message.resource(i), () => `resource ${i} of ${what}`),
    );
    return { kind, tag, bytes: message.bytes, cursor: message.cursor, resources };
  }
  return { kind, tag, id: BigInt.asIntN(64, idOf(message)) };
}

function resourceState(resource: Resource | null, what: () => string): FrameState {
  const module = moduleOf(resource, what);
  return module === null ? null : hashText(module);
}

/** Null where a resource was taken. Throws `SnapshotError` for one that is no module. */
export function moduleOf(resource: Resource | null, what: () => string): CompiledModule | null {
  if (resource === null) return null;
  if (resource instanceof ModuleHandle) return resource.module;
  throw unsavable(`${what()} is a ${resource.kind}`);
}

/** A message that the group pays for. Throws `SnapshotError`, and `Termination` when it refuses. */
export function restoreMessage(state: FrameState, modules: Modules, group: Group): Message {
  const fields = new Fields(state, "a message");
  const tag = fields.i64("tag");
  const kind = fields.count("kind") as MessageKind;
  return kind === MessageKind.Data
    ? restoreData(fields, tag, modules, group)
    : notice(kind, tag, fields.i64("id"), group);
}

/** Whose end a message tells of; 0 for none. */
export function idOf(message: Message): bigint {
  return message instanceof ProcessDied ? message.id : 0n;
}

/** A notice that the group pays for. Throws as {@link restoreMessage}. */
export function notice(kind: MessageKind, tag: bigint, id: bigint, group: Group): Message {
  switch (kind) {
    case MessageKind.LinkDied:
      return paid(new LinkDied(tag), group);
    case MessageKind.ProcessDied:
      return paid(new ProcessDied(BigInt.asUintN(64, id)), group);
    default:
      throw invalid("a message of no kind");
  }
}

/** The room of a notice, which a link or a monitor would have reserved. */
function paid(notice: Message, group: Group): Message {
  if (!group.reserve(Account.Memory, WATCH_BYTES)) throw new Termination("memory limit", "a notice");
  notice.takeOver(group, WATCH_BYTES);
  return notice;
}

function restoreData(fields: Fields, tag: bigint, modules: Modules, group: Group): DataMessage {
  const bytes = fields.bytes("bytes");
  const message = new DataMessage(tag, 0, group);
  try {
    message.append(bytes);
    message.cursor = fields.count("cursor");
    const resources = fields.list("resources");
    if (resources.length > MAX_MESSAGE_RESOURCES) throw invalid(`${resources.length} resources of a message`);
    for (const resource of resources) {
      if (resource !== null && typeof resource !== "string") throw invalid("a resource of a message");
      pushResource(message, resource === null ? null : modules.open(resource, group));
    }
  } catch (error) {
    message.drop();
    throw error;
  }
  return message;
}

/** Null for a place whose resource was taken. Throws `Termination` when the group refuses. */
export function pushResource(message: DataMessage, resource: Resource | null): void {
  const index = message.pushResource(resource ?? { kind: "nothing", close() {} });
  if (resource === null) message.takeResource(index);
}
