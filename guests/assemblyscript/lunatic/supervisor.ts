/**
 * A supervisor: starts children in order, knows a failed one by the tag of its link, and starts it,
 * all, or it and those after it again. A child that ends normally stays ended. Too many restarts in
 * a period end the supervisor with all children.
 *
 * It answers requests: `SUPERVISOR_RESTARTS` with their number, and `SUPERVISOR_SHUTDOWN` after it
 * has stopped its children in reverse order.
 */

import { nowMs, panic } from "./console";
import { receive, Signal } from "./mailbox";
import { tag } from "./message";
import { catchLinkFailures, Entry, newTag, Process } from "./process";
import { Request } from "./request";

export const enum Strategy {
  OneForOne,
  OneForAll,
  RestForOne,
}

export const SUPERVISOR_RESTARTS: u8 = 1;
export const SUPERVISOR_SHUTDOWN: u8 = 32;

class Child {
  tag: i64 = 0;
  process: Process = new Process(0);

  constructor(
    readonly name: string,
    readonly entry: Entry,
    readonly argument: u64,
  ) {}
}

export class Supervisor {
  private children: Child[] = [];
  private restarts: u64 = 0;
  /** When the last restarts were. */
  private times: u64[] = [];

  constructor(
    readonly strategy: Strategy,
    readonly maxRestarts: i32 = 5,
    readonly periodMs: u64 = 5_000,
  ) {}

  /** A child that is known by `name` while it lives. */
  add(name: string, entry: Entry, argument: u64 = 0): this {
    this.children.push(new Child(name, entry, argument));
    return this;
  }

  /** Returns after a shutdown. */
  run(): void {
    catchLinkFailures(true);
    this.start(0, this.children.length);
    for (;;) {
      const signal = receive();
      if (signal == Signal.LinkDied) this.restart(tag());
      if (signal == Signal.Data && this.answer(new Request())) return;
    }
  }

  /** True when that was the last. */
  private answer(request: Request): bool {
    if (request.handler == SUPERVISOR_SHUTDOWN) this.stop(0, this.children.length);
    request.replyU64(this.restarts);
    return request.handler == SUPERVISOR_SHUTDOWN;
  }

  private restart(tag: i64): void {
    const place = this.placeOf(tag);
    // Of a child that has been stopped meanwhile.
    if (place < 0) return;
    this.count();
    const count = this.children.length;
    const from = this.strategy == Strategy.OneForAll ? 0 : place;
    const to = this.strategy == Strategy.OneForOne ? place + 1 : count;
    this.children[place].tag = 0;
    this.stop(from, to);
    this.start(from, to);
  }

  private count(): void {
    const now = nowMs();
    this.restarts++;
    this.times.push(now);
    while (this.times[0] + this.periodMs < now) this.times.shift();
    if (this.times.length <= this.maxRestarts) return;
    this.stop(0, this.children.length);
    panic("the supervisor gives up: too many restarts");
  }

  private start(from: i32, to: i32): void {
    for (let i = from; i < to; i++) {
      const child = this.children[i];
      child.tag = newTag();
      child.process = Process.spawn(child.entry, child.argument, child.tag);
      child.process.register(child.name);
    }
  }

  /** In reverse order. Tag 0: it does not run. */
  private stop(from: i32, to: i32): void {
    for (let i = to - 1; i >= from; i--) {
      const child = this.children[i];
      Process.unregister(child.name);
      if (child.tag == 0) continue;
      child.process.unlink();
      child.process.kill();
      child.tag = 0;
    }
  }

  private placeOf(tag: i64): i32 {
    for (let i = 0; i < this.children.length; i++) {
      if (tag != 0 && this.children[i].tag == tag) return i;
    }
    return -1;
  }
}
