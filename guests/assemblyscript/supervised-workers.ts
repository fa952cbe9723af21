/** Three workers under a supervisor. One is poisoned and panics; the name leads to its successor. */

import { panic, print } from "./lunatic/console";
import { receive, Signal } from "./lunatic/mailbox";
import { Process, sleep } from "./lunatic/process";
import { askU64, Request } from "./lunatic/request";
import { create, readU64, tag, writeU64 } from "./lunatic/message";
import { Strategy, Supervisor, SUPERVISOR_RESTARTS, SUPERVISOR_SHUTDOWN } from "./lunatic/supervisor";

export { __spawn } from "./lunatic/process";

const SQUARE: u8 = 1;
const POISON: i64 = 64;

function worker(_: u64): void {
  for (;;) {
    if (receive() != Signal.Data) continue;
    if (tag() == POISON) panic("a worker was poisoned");
    const request = new Request();
    const value = readU64();
    request.replyU64(value * value);
  }
}

function supervise(_: u64): void {
  new Supervisor(Strategy.OneForOne).add("worker-1", worker).add("worker-2", worker).add("worker-3", worker).run();
}

/** The process that has the name, and is not `before`. */
function named(name: string, before: u64 = 0): Process {
  let process = Process.lookup(name);
  while (process === null || process.id == before) {
    sleep(1);
    process = Process.lookup(name);
  }
  return process!;
}

export function _start(): void {
  const supervisor = Process.spawn(supervise, 0, 1);
  for (let i = 1; i <= 3; i++) {
    print(`worker-${i}: ${i + 6} squared is ${askU64(named(`worker-${i}`), SQUARE, i + 6)}`);
  }
  const poisoned = named("worker-2").id;
  create(POISON);
  writeU64(0);
  new Process(poisoned).send();
  const successor = named("worker-2", poisoned);
  print(`worker-2 is a new process: 12 squared is ${askU64(successor, SQUARE, 12)}`);
  print(`restarts: ${askU64(supervisor, SUPERVISOR_RESTARTS, 0)}`);
  askU64(supervisor, SUPERVISOR_SHUTDOWN, 0);
  print(`after the shutdown worker-1 ${Process.lookup("worker-1") === null ? "is gone" : "is still there"}`);
}
