/**
 * A guest that trusts its own children less than itself: each may do one thing, in a group with limits of its own, and
 * what it tries beyond that ends it. The parent hears of every end by the link.
 */

import { print } from "./lunatic/console";
import { canNarrow, Config, UNLIMITED, Visibility } from "./lunatic/config";
import { receive, Signal } from "./lunatic/mailbox";
import { create, readString, writeString } from "./lunatic/message";
import { catchLinkFailures, Process } from "./lunatic/process";

export { __spawn } from "./lunatic/process";

const FOREST: u64 = 8;

/** Everything that a child needs to answer. */
function answers(): Config {
  return new Config().maxMemory(1 << 20).maxFuel(10_000_000).allow("lunatic::message::*").visibility(Visibility.Own);
}

function reply(parent: u64, text: string): void {
  create();
  writeString(text);
  new Process(parent).send();
}

function polite(parent: u64): void {
  reply(parent, "a polite answer");
}

function talkative(_: u64): void {
  print("this must not be seen");
}

function endless(_: u64): void {
  for (;;) {}
}

function killer(parent: u64): void {
  new Process(parent).kill();
  reply(parent, "its parent lives on");
}

/** Makes children until it is told that there are enough; each of them waits. */
function planter(parent: u64): void {
  let made: u64 = 0;
  while (Process.trySpawn(tree) !== null) made++;
  reply(parent, `${made} children`);
}

function tree(_: u64): void {
  receive();
}

/** Runs a child and says what became of it. */
function watch(name: string, entry: (parent: u64) => void, config: Config): void {
  const child = Process.trySpawn(entry, Process.self.id, 1, config.id);
  config.drop();
  if (child === null) print(`${name}: was not started`);
  else if (receive() == Signal.Data) {
    print(`${name}: ${readString()}`);
    child.unlink();
  } else print(`${name}: was ended`);
}

export function _start(): void {
  catchLinkFailures(true);
  if (!canNarrow()) return print("this host cannot narrow what a child may do");
  watch("polite", polite, answers());
  watch("talkative", talkative, answers());
  watch("endless", endless, answers());
  watch("killer", killer, answers().allow("lunatic::process::kill").group("killers"));
  const forest = answers()
    .allow("lunatic::process::spawn")
    .allow("lunatic::error::*")
    .canSpawnProcesses()
    .group("forest", 10)
    .groupLimits(UNLIMITED, UNLIMITED, FOREST + 1);
  watch("planter", planter, forest);
}
