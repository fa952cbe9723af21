/** Two processes and a number that goes to and fro: how often says the first argument, else 1,000. */

import { print, programArguments } from "./lunatic/console";
import { receive } from "./lunatic/mailbox";
import { Process } from "./lunatic/process";
import { askU64, Request } from "./lunatic/request";
import { readU64 } from "./lunatic/message";

export { __spawn } from "./lunatic/process";

const NEXT: u8 = 1;

function pong(_: u64): void {
  for (;;) {
    receive();
    const request = new Request();
    request.replyU64(readU64() + 1);
  }
}

export function _start(): void {
  const args = programArguments();
  const rounds = args.length > 1 ? U64.parseInt(args[1]) : 1_000;
  const partner = Process.spawn(pong, 0, 1);
  let number: u64 = 0;
  for (let i: u64 = 0; i < rounds; i++) number = askU64(partner, NEXT, number);
  print(`ping-pong: ${number} replies of process ${partner.id}`);
}
