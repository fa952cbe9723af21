/**
 * `lunatic::message`: the scratch slot, in which a message is built or was received, sending, and
 * receiving.
 */

import { DataMessage, MAX_MESSAGE_RESOURCES, type Message, ProcessDied, type Resource } from "../message.ts";
import { ModuleHandle } from "../modules.ts";
import { TIMED_OUT } from "../process-messages.ts";
import type { ResourceTable } from "../resources.ts";
import { continueWith, type FrameRequest, type FrameState, type SUSPEND } from "../../vm/index.ts";
import type { HostFunction } from "./define.ts";
import { functionsOf } from "./define.ts";
import type { Guest } from "./guest.ts";

const define = functionsOf("lunatic::message");

/** Tags in one `receive`. */
export const MAX_TAGS = 4_096;
/** Bytes of one message. */
export const MAX_MESSAGE_BYTES = 16 * 1_048_576;
export const EMPTY_SLOT = "the slot is empty";
export const NOTICE = "a notice cannot be sent";
const NOT_DATA = "no data message in the slot";
const BEYOND_END = "the cursor is beyond the end";
const TOO_LARGE = "the message is too large";
const NO_ENTRY = "no such resource in the message";
const TABLE_FULL = "the table is full";
const TOO_MANY_TAGS = "too many tags";

const SEND_FUEL = 200;
const RECEIVE_FUEL = 100;
const TRANSFER_FUEL = 200;
/** Fuel of a tag that is waited for: it becomes a bigint, and is looked up. */
const TAG_FUEL = 16;
/** Bytes that one step moves: more of them would hold the event loop. */
const STEP_BYTES = 1_048_576;
/** Bytes of a message beyond which its chunks come fresh from the system, and a byte's price is four times as high. */
const SMALL_MESSAGE_BYTES = 65_536;

const DATA_FUNCTIONS: readonly HostFunction[] = [
  define(
    "create_data",
    ["tag: tag", "capacity: size"],
    {
      fuel: 100,
      doc: "Puts a new empty data message into the scratch slot; what was there is dropped with its resources. Tag 0 is no tag. The capacity is a hint.",
    },
    (guest, tag, capacity) => guest.process.messages.create(tag, capacity),
  ),
  define(
    "write_data",
    ["data_ptr: bytes", "data_len: length"],
    {
      result: "i32",
      fuelNote: "in messages above 64 KiB 1 for every 16 bytes",
      traps: [NOT_DATA, TOO_LARGE],
      steps: { write: writeStep },
      doc: "Appends to the end of the message's data, wherever the cursor is, and returns the length.",
    },
    (guest, address, length) => {
      const message = dataOf(guest);
      guest.checkRange(address, length);
      if (message.byteLength + length > MAX_MESSAGE_BYTES) {
        throw guest.trap(`${TOO_LARGE}: ${message.byteLength} and ${length} bytes`);
      }
      const isLong = length > STEP_BYTES;
      const part = isLong ? STEP_BYTES : length;
      guest.charge(part >>> (message.byteLength + length > SMALL_MESSAGE_BYTES ? 4 : 6));
      message.appendFrom(guest.memory, address, part);
      return isLong ? continueWith("write", [address, length, part]) : length;
    },
  ),
  define(
    "read_data",
    ["data_ptr: out", "data_len: length"],
    {
      result: "i32",
      fuelNote: "of more than 64 KiB 1 for every 16 bytes",
      traps: [NOT_DATA, BEYOND_END],
      steps: { read: readStep },
      doc: "Copies up to `data_len` bytes from the cursor on, moves the cursor, and returns how many. 0 at the end.",
    },
    (guest, address, length) => {
      const message = dataOf(guest);
      guest.checkRange(address, length);
      if (message.cursor > message.byteLength) {
        throw guest.trap(`${BEYOND_END}: ${message.cursor} of ${message.byteLength} bytes`);
      }
      const count = Math.min(length, message.byteLength - message.cursor);
      if (count > STEP_BYTES) return readStep(guest, [address, count, 0]);
      guest.charge(count >>> (count > SMALL_MESSAGE_BYTES ? 4 : 6));
      message.takeInto(guest.memory, address, count);
      guest.changed(address, count);
      return count;
    },
  ),
  define(
    "seek_data",
    ["position: size"],
    { traps: [NOT_DATA], doc: "Sets the cursor that `read_data` reads from; it may lie beyond the end." },
    (guest, position) => {
      // Beyond 2^53 the exact place does not matter: no message reaches it.
      dataOf(guest).cursor = position;
    },
  ),
  define(
    "get_tag",
    [],
    { result: "i64", traps: [EMPTY_SLOT], doc: "The tag of the message in the slot, of any kind; 0 if it has none." },
    (guest) => messageOf(guest).tag,
  ),
  define(
    "get_process_id",
    [],
    {
      result: "i64",
      traps: [EMPTY_SLOT],
      doc: "The ID of the process that a process-died message tells of; 0 for other messages.",
    },
    (guest) => {
      const message = messageOf(guest);
      return message instanceof ProcessDied ? message.id : 0;
    },
  ),
  define(
    "data_size",
    [],
    { result: "i64", traps: [NOT_DATA], doc: "Bytes of all the message's data, wherever the cursor is." },
    (guest) => dataOf(guest).byteLength,
  ),
];

/** The next part of a long `write_data`. Nobody but this call has had the message meanwhile, except in a forged snapshot. */
function writeStep(guest: Guest, state: FrameState): number | FrameRequest {
  const { address, length, done } = transferOf(guest, state);
  const message = dataOf(guest);
  const part = Math.min(STEP_BYTES, length - done);
  if (message.byteLength + part > MAX_MESSAGE_BYTES) throw guest.trap(TOO_LARGE);
  guest.charge(part >>> 4);
  message.appendFrom(guest.memory, address + done, part);
  return done + part < length ? continueWith("write", [address, length, done + part]) : length;
}

/** A part of a long `read_data`. */
function readStep(guest: Guest, state: FrameState): number | FrameRequest {
  const { address, length, done } = transferOf(guest, state);
  const message = dataOf(guest);
  const part = Math.min(STEP_BYTES, length - done);
  if (message.cursor + part > message.byteLength) throw guest.trap(BEYOND_END);
  guest.charge(part >>> 4);
  message.takeInto(guest.memory, address + done, part);
  if (done + part < length) return continueWith("read", [address, length, done + part]);
  guest.changed(address, length);
  return length;
}

/** Where a long transfer stands: address and length in all, and what is done. As a snapshot has it, so it is checked. */
function transferOf(guest: Guest, state: FrameState) {
  const [address, length, done] = (Array.isArray(state) ? state : []).map((each) => Number(each) >>> 0);
  if (address === undefined || length === undefined || done === undefined || done > length) throw guest.trap(NOT_DATA);
  guest.checkRange(address, length);
  return { address, length, done };
}

type TransferKind = "module" | "tcp_stream" | "tls_stream" | "udp_socket";

const WORDS: Readonly<Record<TransferKind, string>> = {
  module: "module",
  tcp_stream: "TCP stream",
  tls_stream: "TLS stream",
  udp_socket: "UDP socket",
};

/** What a resource becomes when it goes to another owner: itself, or a handle for the new one. Null when that is refused. */
type Hand = (guest: Guest, resource: Resource) => Resource | null;

const move: Hand = (_guest, resource) => resource;

/** Modules are paid for by whoever holds them. */
const openModule: Hand = ({ process }, resource) => ModuleHandle.open((resource as ModuleHandle).module, process.group);

/** "push_x" and "take_x". */
function transfers<R extends Resource>(
  kind: TransferKind,
  idName: "module_id" | "socket_id" | "stream_id",
  tableOf: (guest: Guest) => ResourceTable<R>,
  hand: Hand,
): readonly HostFunction[] {
  const name = WORDS[kind];
  const staysHere = hand !== move;
  return [
    define(
      `push_${kind}`,
      [`${idName}: resource`],
      {
        result: "i64",
        fuel: TRANSFER_FUEL,
        traps: [NOT_DATA, TOO_LARGE],
        doc: `${staysHere ? `Adds the ${name}, which also stays here, to` : `Moves the ${name} out of this process into`} the message; returns its index there.`,
      },
      (guest, id) => {
        const message = dataOf(guest);
        const table = tableOf(guest);
        const resource = table.get(id);
        if (resource === undefined) throw guest.trap(`there is no ${name} ${id}`);
        const handed = message.resourceCount < MAX_MESSAGE_RESOURCES ? hand(guest, resource) : null;
        if (handed === null) throw guest.trap(`${TOO_LARGE}: ${message.resourceCount} resources`);
        let index: number;
        try {
          index = message.pushResource(handed);
        } catch (error) {
          if (staysHere) handed.close();
          throw error;
        }
        if (!staysHere) table.take(id);
        return index;
      },
    ),
    define(
      `take_${kind}`,
      ["index: u64"],
      {
        result: "i64",
        fuel: TRANSFER_FUEL,
        traps: [NOT_DATA, NO_ENTRY, TABLE_FULL],
        doc: `Moves the ${name} at an index of the message into this process and returns its ID. The other indices stay.`,
      },
      (guest, index) => {
        const message = dataOf(guest);
        const resource = message.resource(Number(index));
        if (resource?.kind !== kind) throw guest.trap(`${NO_ENTRY}: no ${name} at index ${index}`);
        const handed = hand(guest, resource);
        const id = handed === null ? null : tableOf(guest).add(handed as R);
        if (id === null) {
          if (staysHere) handed?.close();
          throw guest.trap(TABLE_FULL);
        }
        message.takeResource(Number(index));
        if (staysHere) resource.close();
        return id;
      },
    ),
  ];
}

const SEND_FUNCTIONS: readonly HostFunction[] = [
  define(
    "send",
    ["process_id: pid"],
    {
      result: "i32",
      waits: true,
      fuel: SEND_FUEL,
      traps: [EMPTY_SLOT, NOTICE],
      codes: { 0: "always" },
      doc: "Sends the message in the slot and empties the slot. A notice cannot be sent on: it would be as good as one of the host's. A message to a process that does not exist is dropped. Waits while the receiver's mailbox is full.",
    },
    (guest, pid) => {
      messageToSend(guest);
      return guest.process.messages.send(pid);
    },
  ),
  define(
    "send_receive_skip_search",
    ["process_id: pid", "wait_tag: tag", "timeout_ms: millis"],
    {
      result: "i32",
      waits: true,
      fuel: SEND_FUEL + RECEIVE_FUEL,
      isResumable: true,
      traps: [EMPTY_SLOT, NOTICE],
      codes: {
        0: "a message of any kind is in the slot",
        [TIMED_OUT]: "the time is over",
      },
      doc: "Sends the message in the slot, then waits for one with exactly this tag that arrives after the call.",
    },
    (guest, pid, tag, timeoutMs) => {
      messageToSend(guest);
      return guest.process.messages.sendReceive(pid, tag, timeoutMs);
    },
  ),
  define(
    "send_receive_skip_search",
    ["process_id: pid", "timeout_ms: millis"],
    {
      result: "i32",
      waits: true,
      fuel: SEND_FUEL + RECEIVE_FUEL,
      isResumable: true,
      traps: [EMPTY_SLOT, NOTICE],
      codes: { 0: "a message of any kind is in the slot", [TIMED_OUT]: "the time is over" },
      doc: "The older form, which as-lunatic 0.12 imports: waits for the tag of the message that is sent; without one, for any message.",
    },
    (guest, pid, timeoutMs) => {
      const { tag } = messageToSend(guest);
      return guest.process.messages.sendReceive(pid, tag === 0n ? null : tag, timeoutMs);
    },
  ),
  define(
    "receive",
    ["tags_ptr: bytes", "tags_len: count", "timeout_ms: millis"],
    {
      result: "i32",
      waits: true,
      fuel: RECEIVE_FUEL,
      isResumable: true,
      fuelNote: `${TAG_FUEL} per tag, 1 for each message that is passed over for the first time`,
      traps: [TOO_MANY_TAGS],
      steps: { search: searchStep },
      codes: {
        0: "a data message is in the slot",
        1: "a link-died message",
        2: "a process-died message",
        [TIMED_OUT]: "the time is over, the slot is as it was",
      },
      doc: "Takes the oldest message, or with tags the oldest that has one of them, and waits if there is none. Messages without a tag match no tag.",
    },
    (guest, address, count, timeoutMs) => {
      if (count > MAX_TAGS) throw guest.trap(`${TOO_MANY_TAGS}: ${count}`);
      const { messages } = guest.process;
      if (count === 0) return messages.receive(timeoutMs);
      const tags = guest.readTags(address, count, TAG_FUEL);
      return messages.search(tags, timeoutMs, guest.caller) ?? continueWith("search", [timeoutMs, tags.tags]);
    },
  ),
];

/** A receive with tags looks at more messages. Its state is as a snapshot has it, so it is checked. */
function searchStep(guest: Guest, state: FrameState): number | typeof SUSPEND | FrameRequest {
  const [timeoutMs, tags] = Array.isArray(state) ? (state as readonly FrameState[]) : [];
  const areTags = Array.isArray(tags) && tags.length <= MAX_TAGS && tags.every((tag) => typeof tag === "bigint");
  if (typeof timeoutMs !== "number" || !areTags) throw guest.trap(TOO_MANY_TAGS);
  const { messages } = guest.process;
  return messages.searchOn(tags as readonly bigint[], timeoutMs, guest.caller) ?? continueWith("search", state);
}

export const MESSAGE_FUNCTIONS: readonly HostFunction[] = [
  ...DATA_FUNCTIONS,
  ...transfers("module", "module_id", ({ process }) => process.resources.modules, openModule),
  ...transfers("tcp_stream", "stream_id", ({ process }) => process.resources.tcpStreams, move),
  ...transfers("tls_stream", "stream_id", ({ process }) => process.resources.tlsStreams, move),
  ...transfers("udp_socket", "socket_id", ({ process }) => process.resources.udpSockets, move),
  ...SEND_FUNCTIONS,
];

function messageOf(guest: Guest): Message {
  const { scratch } = guest.process.messages;
  if (scratch === null) throw guest.trap(EMPTY_SLOT);
  return scratch;
}

/** What the host says of the end of others nobody else can say. */
export function messageToSend(guest: Guest): DataMessage {
  const message = messageOf(guest);
  if (!(message instanceof DataMessage)) throw guest.trap(NOTICE);
  return message;
}

function dataOf(guest: Guest): DataMessage {
  const { scratch } = guest.process.messages;
  if (!(scratch instanceof DataMessage)) throw guest.trap(NOT_DATA);
  return scratch;
}
