/**
 * A plugin that nobody trusts. It may receive and answer, and write lines, which go to a log of
 * ours; it has 2 MiB of memory and ten million fuel. What it tries beyond that ends it, not us.
 */

import { guestFunctions, LineOutput, reasonText, Runtime } from "../host/index.ts";
import { guestBytes } from "./guest.ts";

const COMMANDS = ["shout hello", "print I was here", "arguments", "spawn", "grow", "loop"];

const log: string[] = [];

const config = {
  maxMemory: 2 * 1_048_576,
  maxFuel: 10_000_000,
  imports: { allow: ["lunatic::message::*", "lunatic::error::*", "wasi_snapshot_preview1::fd_write"] },
};

await using runtime = new Runtime({
  functions: [guestFunctions],
  services: { stdout: new LineOutput((line) => log.push(line)) },
});
const module = await runtime.compile(guestBytes("plugin"));

/** As the plugin reads it: who asks, then the command with its length. */
function question(pid: number, command: string): Uint8Array {
  const text = new TextEncoder().encode(command);
  const bytes = new Uint8Array(16 + text.length);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(pid), true);
  view.setBigUint64(8, BigInt(text.length), true);
  bytes.set(text, 16);
  return bytes;
}

const embedder = runtime.spawnNative(async (self) => {
  self.dieWhenLinkDies(false);
  for (const command of COMMANDS) {
    const plugin = runtime.spawn(module, { entry: "plugin", config, link: embedder });
    await plugin.send(question(self.pid, command), 70n);
    const answer = await self.receive();
    if (answer?.kind === "data") {
      console.log(`${command}: answered '${new TextDecoder().decode(answer.bytes)}'`);
      self.unlink(plugin.pid);
      plugin.kill();
    } else console.log(`${command}: the plugin ended: ${reasonText(await plugin.exited)}`);
  }
});
const reason = await embedder.exited;
console.log(`the log has: ${log.join("; ")}`);
console.log(`the embedder ended: ${reasonText(reason)}`);
