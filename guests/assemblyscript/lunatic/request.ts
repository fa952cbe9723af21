/**
 * Requests and replies. A request carries a handler's number in the top byte of its tag and a fresh
 * number below; its data begin with the asker's ID. The reply has the fresh number as its tag.
 */

import { createData, getTag, send, sendReceive } from "./bindings";
import { panic } from "./console";
import { FOREVER, Signal } from "./mailbox";
import { readU64, writeU64 } from "./message";
import { newTag, Process } from "./process";

const HANDLER_SHIFT: i64 = 56;
const REPLY_MASK: i64 = 0x00ff_ffff_ffff_ffff;

let askedTag: i64 = 0;

/** Begins a request: what it asks follows with the functions of message.ts, then {@link ask}. */
export function createRequest(handler: u8): void {
  askedTag = newTag();
  createData((<i64>handler << HANDLER_SHIFT) | askedTag, 0);
  writeU64(Process.self.id);
}

/** Sends the request and waits for its reply, which is the message at hand afterwards. */
export function ask(process: Process, timeoutMs: u64 = FOREVER): Signal {
  return sendReceive(process.id, askedTag, timeoutMs) as Signal;
}

/** A request with one number that has one as its answer. Ends this process when there is none in time. */
export function askU64(process: Process, handler: u8, value: u64, timeoutMs: u64 = FOREVER): u64 {
  createRequest(handler);
  writeU64(value);
  if (ask(process, timeoutMs) != Signal.Data) panic("no reply");
  return readU64();
}

/** A request that has been received: the message at hand. */
export class Request {
  readonly handler: u8;
  readonly from: u64;
  readonly replyTag: i64;

  constructor() {
    const tag = getTag();
    this.handler = <u8>(<u64>tag >> HANDLER_SHIFT);
    this.replyTag = tag & REPLY_MASK;
    this.from = readU64();
  }

  /** Begins the reply; it goes with {@link sendReply}. */
  createReply(): void {
    createData(this.replyTag, 0);
  }

  sendReply(): void {
    send(this.from);
  }

  replyU64(value: u64): void {
    this.createReply();
    writeU64(value);
    this.sendReply();
  }
}
