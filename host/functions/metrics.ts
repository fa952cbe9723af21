/** `lunatic::metrics`: samples that guests record, by name, in the metrics of their group. */

import type { HostFunction, Parameter } from "./define.ts";
import { functionsOf } from "./define.ts";
import type { Guest } from "./guest.ts";

const define = functionsOf("lunatic::metrics");

/** Bytes of a metric's name. */
const MAX_NAME_BYTES = 4_096;
const NAME = ["name_ptr: text", "name_len: length"] as const satisfies readonly Parameter[];

function nameOf(guest: Guest, address: number, length: number): string {
  return guest.readText(address, length, MAX_NAME_BYTES);
}

export const METRICS_FUNCTIONS: readonly HostFunction[] = [
  define("counter", [...NAME, "value: u64"], { doc: "Adds the value to the counter." }, (guest, at, length, value) =>
    guest.process.group.metrics.count(nameOf(guest, at, length), Number(value)),
  ),
  define("increment_counter", NAME, { doc: "Adds 1 to the counter." }, (guest, at, length) =>
    guest.process.group.metrics.count(nameOf(guest, at, length)),
  ),
  define("gauge", [...NAME, "value: f64"], { doc: "Sets the gauge." }, (guest, at, length, value) =>
    guest.process.group.metrics.setGauge(nameOf(guest, at, length), value),
  ),
  define("increment_gauge", [...NAME, "value: f64"], { doc: "Adds to the gauge." }, (guest, at, length, value) =>
    guest.process.group.metrics.addGauge(nameOf(guest, at, length), value),
  ),
  define("decrement_gauge", [...NAME, "value: f64"], { doc: "Subtracts from the gauge." }, (guest, at, length, value) =>
    guest.process.group.metrics.addGauge(nameOf(guest, at, length), -value),
  ),
  define("histogram", [...NAME, "value: f64"], { doc: "Records one sample." }, (guest, at, length, value) =>
    guest.process.group.metrics.sample(nameOf(guest, at, length), value),
  ),
];
