/**
 * A plugin that is not to be trusted. Its embedder sends requests: whose answer it is (8 bytes),
 * then a command. Most commands are what a plugin should not do.
 */

import { argsSizes } from "./lunatic/bindings";
import { print } from "./lunatic/console";
import { receive } from "./lunatic/mailbox";
import { create, readString, readU64, tag, writeAll } from "./lunatic/message";
import { Process } from "./lunatic/process";

export { __spawn } from "./lunatic/process";

function idle(_: u64): void {}

function obey(command: string): string {
  const space = command.indexOf(" ");
  const verb = space < 0 ? command : command.substring(0, space);
  const rest = space < 0 ? "" : command.substring(space + 1);
  if (verb == "shout") return rest.toUpperCase();
  if (verb == "print") {
    print(rest);
    return "printed";
  }
  if (verb == "arguments") {
    const sizes = memory.data(8, 4);
    argsSizes(sizes, sizes + 4);
    return "I have seen the arguments";
  }
  if (verb == "spawn") {
    Process.spawn(idle);
    return "I have a child";
  }
  if (verb == "grow") {
    let pages = memory.size();
    while (memory.grow(1) >= 0) pages++;
    return `no more than ${pages} pages`;
  }
  if (verb == "loop") for (;;) {}
  return "what?";
}

export function plugin(): void {
  for (;;) {
    receive();
    const replyTag = tag();
    const from = new Process(readU64());
    const answer = obey(readString());
    create(replyTag);
    writeAll(answer);
    from.send();
  }
}
