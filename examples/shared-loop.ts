/**
 * An endless loop and two honest programs share one event loop. Each has its own budget of fuel and
 * runs slice by slice, in turn; the endless one is stopped when its fuel is gone, the others finish,
 * and a timer of the event loop fires all the time. `npm start` runs this.
 */

import type { Invocation, Outcome } from "../vm/index.ts";
import { compile, Store } from "../vm/index.ts";
import { textToBinary } from "../vm/text/index.ts";

const ENDLESS = `(module (func (export "run") (result i32) (loop $again (br $again)) (unreachable)))`;

const PRIMES = `
  (module
    ;; How many primes there are below 20,000, by trial division.
    (func (export "run") (result i32) (local $n i32) (local $d i32) (local $count i32)
      (local.set $n (i32.const 2))
      (loop $next
        (local.set $d (i32.const 2))
        (block $composite
          (loop $divide
            (if (i32.le_u (i32.mul (local.get $d) (local.get $d)) (local.get $n)) (then
              (br_if $composite (i32.eqz (i32.rem_u (local.get $n) (local.get $d))))
              (local.set $d (i32.add (local.get $d) (i32.const 1)))
              (br $divide))))
          (local.set $count (i32.add (local.get $count) (i32.const 1))))
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br_if $next (i32.lt_u (local.get $n) (i32.const 20000))))
      (local.get $count)))`;

const FIBONACCI = `
  (module
    (func $fib (param $n i32) (result i32)
      (if (result i32) (i32.lt_s (local.get $n) (i32.const 2))
        (then (local.get $n))
        (else (i32.add
          (call $fib (i32.sub (local.get $n) (i32.const 1)))
          (call $fib (i32.sub (local.get $n) (i32.const 2)))))))
    (func (export "run") (result i32) (call $fib (i32.const 24))))`;

const SLICE_FUEL = 20_000;
const TIMER_MS = 10;

interface Guest {
  readonly name: string;
  readonly budget: number;
  readonly invocation: Invocation;
  slices: number;
  milliseconds: number;
  /** How it ended; null while it runs. */
  ending: string | null;
}

async function start(name: string, text: string, budget: number): Promise<Guest> {
  const instance = await new Store().instantiate(await compile(textToBinary(text)), {});
  return { name, budget, invocation: instance.invoke("run", []), slices: 0, milliseconds: 0, ending: null };
}

/** Gives the guest one slice, never more than its budget has left. */
function runSlice(guest: Guest): void {
  const { invocation, budget } = guest;
  const started = performance.now();
  const outcome: Outcome = invocation.run({ fuel: Math.min(SLICE_FUEL, budget - invocation.fuelUsed) });
  guest.slices++;
  guest.milliseconds += performance.now() - started;
  if (outcome.kind === "returned") guest.ending = `returned ${outcome.values.join(", ")}`;
  else if (invocation.fuelUsed >= budget) guest.ending = "stopped: its fuel is gone";
}

/** Measures how late a timer of the event loop fires while guests run. */
function watchTimer(): { stop(): readonly number[] } {
  let expected = performance.now() + TIMER_MS;
  const lateMs: number[] = [];
  const timer = setInterval(() => {
    const now = performance.now();
    lateMs.push(Math.max(0, now - expected));
    expected = now + TIMER_MS;
  }, TIMER_MS);
  return {
    stop() {
      clearInterval(timer);
      return lateMs.sort((a, b) => a - b);
    },
  };
}

function printTable(rows: readonly (readonly string[])[]): void {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const isNumber = (cell: string) => /^[\d,.]+$/.test(cell);
  rows.forEach((row, i) => {
    const cells = row.map((cell, column) =>
      isNumber(cell) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
    );
    console.log(`  ${cells.join("   ").trimEnd()}`);
    if (i === 0) console.log(`  ${widths.map((width) => "─".repeat(width)).join("───")}`);
  });
}

const guests = [
  await start("endless loop", ENDLESS, 30_000_000),
  await start("count primes", PRIMES, 30_000_000),
  await start("fibonacci", FIBONACCI, 30_000_000),
];

console.log(`Three guests on one event loop, ${SLICE_FUEL.toLocaleString("en")} fuel in turn:\n`);
const timer = watchTimer();
while (guests.some(({ ending }) => ending === null)) {
  for (const guest of guests) {
    if (guest.ending !== null) continue;
    runSlice(guest);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
const lateMs = timer.stop();
const inMs = (value: number | undefined) => `${(value ?? 0).toFixed(1)} ms`;

printTable([
  ["guest", "fuel used", "of its budget", "slices", "ms", "how it ended"],
  ...guests.map(({ name, invocation, budget, slices, milliseconds, ending }) => [
    name,
    invocation.fuelUsed.toLocaleString("en"),
    budget.toLocaleString("en"),
    String(slices),
    milliseconds.toFixed(1),
    ending ?? "",
  ]),
]);
console.log(
  `\nMeanwhile a timer of ${TIMER_MS} ms fired ${lateMs.length} times:` +
    ` half of them at most ${inMs(lateMs[lateMs.length >> 1])} late, the worst ${inMs(lateMs.at(-1))}.`,
);
