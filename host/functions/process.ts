/** `lunatic::process`: time, identity, links, monitors and the end of processes. */

import type { HostFunction, Result } from "./define.ts";
import { functionsOf } from "./define.ts";
import type { Guest } from "./guest.ts";

const define = functionsOf("lunatic::process");

const SIGNAL_FUEL = 200;
const NO_MEMORY = "no memory for it";

export const PROCESS_FUNCTIONS: readonly HostFunction[] = [
  define(
    "sleep_ms",
    ["millis: millis"],
    { fuel: 100, waits: true, isResumable: true, doc: "Waits for so long." },
    ({ process }, millis): Result => process.hostCall.sleep(millis),
  ),
  define(
    "die_when_link_dies",
    ["flag: flag"],
    { doc: "Whether the failure of a linked process ends this one too, as at the start, or is a link-died message." },
    ({ process }, flag) => {
      process.diesWithLinks = flag;
    },
  ),
  define("process_id", [], { result: "i64", doc: "The caller's ID." }, ({ process }) => process.pid),
  define(
    "environment_id",
    [],
    { result: "i64", doc: "The ID of the caller's environment." },
    ({ process }) => process.environment.id,
  ),
  define(
    "link",
    ["tag: tag", "process_id: pid"],
    {
      fuel: SIGNAL_FUEL,
      traps: [NO_MEMORY],
      doc: "Links both ways: when one fails, the other is told with this tag. With a process that does not exist, the caller is told at once.",
    },
    (guest, tag, pid) => {
      if (!guest.process.relations.linkTo(pid, tag)) throw noMemory(guest, "link");
    },
  ),
  define(
    "unlink",
    ["process_id: pid"],
    { fuel: SIGNAL_FUEL, doc: "Removes the link on both sides, if there is one." },
    ({ process }, pid) => {
      const other = process.visible(pid);
      if (other !== null) process.relations.unlink(other);
    },
  ),
  define(
    "monitor",
    ["process_id: exact-pid"],
    {
      fuel: SIGNAL_FUEL,
      traps: [NO_MEMORY],
      doc: "When that process ends for any reason, the caller gets a process-died message; at once if it does not exist.",
    },
    (guest, id) => {
      if (!guest.process.relations.monitorPid(id)) throw noMemory(guest, "monitor");
    },
  ),
  define(
    "stop_monitoring",
    ["process_id: pid"],
    { fuel: SIGNAL_FUEL, doc: "Ends the monitoring, if there is any." },
    ({ process }, pid) => {
      const other = process.visible(pid);
      if (other !== null) process.relations.stopMonitoring(other);
    },
  ),
  define(
    "kill",
    ["process_id: pid"],
    {
      fuel: SIGNAL_FUEL,
      doc: "Ends a process, if it exists. One that kills itself does not go on.",
    },
    ({ process }, pid) => process.killProcess(pid),
  ),
  define(
    "exists",
    ["process_id: pid"],
    { result: "i32", codes: { 0: "no", 1: "yes" }, doc: "Whether there is such a process." },
    ({ process }, pid) => (process.visible(pid) === null ? 0 : 1),
  ),
];

function noMemory(guest: Guest, what: string): Error {
  return guest.trap(`no memory for another ${what}`);
}
