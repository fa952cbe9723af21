/**
 * Every attack of the adversary set in real time, beside a neighbour that wakes every 5 ms and one that
 * uses all it can get, each in a group of its own: how late the first one is, what the second keeps
 * of its half, and whether the memory comes back.
 */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type Attack, ATTACKS, LIMITS } from "../../host/adversary/attacks.ts";
import { CollectedOutput, Executor, guestFunctions, QueuedInput, Runtime, SpawnError } from "../../host/index.ts";
import { compileGuest } from "../../host/functions/testing.ts";
import { slabsOf } from "../../host/slabs.ts";
import { stockedBytes } from "../../host/stock.ts";
import { compileSync, type HostDefinition } from "../../vm/index.ts";
import { median, tableText } from "../harness.ts";
import { HOGS, periodic } from "./guests.ts";
import { probeLoop } from "./latency.ts";
import { sleep } from "./setting.ts";
import { type Distribution, distribution } from "./statistics.ts";
import type { Bar } from "./verdicts.ts";

export interface Ordeal {
  /** "quiet" for none. */
  readonly attack: string;
  /** Of the neighbour that sleeps: milliseconds after the moment that was asked for. */
  readonly wakeMs: Distribution;
  /** Of the event loop: milliseconds between two looks at what is due. */
  readonly loopMs: Distribution;
  /** Million fuel per second of the neighbour that loops. */
  readonly speed: number;
  /** Resident bytes before the attack, and after its end: of the last one, where it was repeated. */
  readonly before: number;
  readonly after: number;
  /**
   * How often it was repeated because more than a tenth had not come back. V8's young generation that doubles, or what its
   * compiler has on another thread, are once; what an attack leaves is there each time.
   */
  readonly repeats: number;
  /** How often the attacker began anew. */
  readonly starts: number;
}

const WAKE_UPS = 200;
const REHEARSAL_MS = 250;
const MAX_REPEATS = 4;
/** The part that may not have come back. */
const MORE = 1.1;
const LOOP = compileSync(HOGS.alu());
const PERIODIC = compileSync(periodic());
/** What the attacker notes is of no interest here. */
const note: HostDefinition = { params: ["i64"], results: [], call: () => [] };

/** Between so many attacks nobody attacks: what the machine does meanwhile changes. */
const QUIET_EVERY = 4;

/** `tell` hears of each as it is done. Those without an attack come first. */
export async function adversaries(
  chosen: (name: string) => boolean,
  tell: (done: Ordeal) => void = () => {},
): Promise<Ordeal[]> {
  setFlagsFromString("--expose-gc");
  // Many collections in a row would throw away the code of what does not run at that moment.
  setFlagsFromString("--no-flush-bytecode");
  // The first times V8 optimises what runs them.
  for (let i = 0; i < 2; i++) await ordeal("quiet", null);
  const quiet: Ordeal[] = [];
  const all: Ordeal[] = [];
  for (const [name, attack] of Object.entries(ATTACKS).filter((entry) => chosen(entry[0]))) {
    if (all.length % QUIET_EVERY === 0) quiet.push(await ordeal("quiet", null));
    const done = await ordeal(name, attack);
    all.push(done);
    tell(done);
  }
  return [...quiet, await ordeal("quiet", null), ...all];
}

async function ordeal(name: string, attack: Attack | null): Promise<Ordeal> {
  const stdout = new CollectedOutput();
  const stalled = new CollectedOutput();
  stalled.stalled = true;
  const stdin = new QueuedInput();
  const executor = new Executor();
  const runtime = new Runtime({
    executor,
    functions: [(module) => (module === "arena" ? note : undefined), guestFunctions],
    servicesOf: (process) => (process.group.name === "attacker" ? { stdout: stalled, stdin } : { stdout }),
  });
  const input = setInterval(() => stdin.push("x"), 3);
  const loop = runtime.spawn(LOOP, { entry: "hog", group: runtime.createGroup() });
  // What is made once (code that V8 optimises, pools) is no part of what does not come back.
  const rehearsal = attack === null ? null : begin(runtime, attack);
  await sleep(REHEARSAL_MS);
  await rehearsal?.end();
  let before = await residentBytes(executor);
  const attacker = attack === null ? null : begin(runtime, attack);
  await sleep(100);
  const stopProbe = probeLoop();
  const fuelBefore = loop.stats.fuel;
  const startedMs = performance.now();
  const group = runtime.createGroup();
  await runtime.spawn(PERIODIC, { entry: "periodic", args: [BigInt(WAKE_UPS)], group }).exited;
  const seconds = (performance.now() - startedMs) / 1_000;
  const speed = (loop.stats.fuel - fuelBefore) / seconds / 1e6;
  const loopMs = stopProbe();
  await attacker?.end();
  let after = await residentBytes(executor);
  let repeats = 0;
  for (; attack !== null && after > MORE * before && repeats < MAX_REPEATS; repeats++) {
    before = after;
    const again = begin(runtime, attack);
    await sleep(2 * REHEARSAL_MS);
    await again.end();
    after = await residentBytes(executor);
  }
  clearInterval(input);
  await runtime.dispose();
  const bytes = Buffer.concat(stdout.chunks);
  const samples = Array.from({ length: bytes.length >>> 2 }, (_, i) => bytes.readUInt32LE(i * 4) / 1e6);
  const starts = attacker?.starts() ?? 0;
  return { attack: name, wakeMs: distribution(samples), loopMs, speed, before, after, repeats, starts };
}

/** An attacker that begins again whenever it has ended, in a group of its own. */
function begin(runtime: Runtime, attack: Attack): { starts(): number; end(): Promise<void> } {
  const group = runtime.createGroup({ ...LIMITS, ...attack.limits, name: "attacker" });
  const module = compileGuest(attack.guest);
  const { config = {} } = attack;
  let isOver = false;
  let starts = 0;
  const attacking = (async () => {
    while (!isOver) {
      try {
        starts++;
        await runtime.spawn(module, { entry: "main", group, config }).exited;
      } catch (error) {
        if (!(error instanceof SpawnError)) throw error;
      }
      await sleep(1);
    }
  })();
  return {
    starts: () => starts,
    async end() {
      isOver = true;
      // Those that are being started have an end too.
      await runtime.endGroup(group);
      await attacking;
    },
  };
}

async function residentBytes(executor: Executor): Promise<number> {
  while (slabsOf(executor).hasSpare || stockedBytes() > 0) await sleep(100);
  const collect = runInNewContext("gc") as () => void;
  for (let i = 0; i < 4; i++) {
    collect();
    await sleep(20);
  }
  return process.memoryUsage().rss;
}

const isQuiet = ({ attack }: Ordeal): boolean => attack === "quiet";

/** What the neighbours have when nobody attacks: medians. */
function undisturbed(all: readonly Ordeal[]): { readonly p99: number; readonly speed: number } {
  const quiet = all.filter(isQuiet);
  return { p99: median(quiet.map(({ wakeMs }) => wakeMs.p99)), speed: median(quiet.map(({ speed }) => speed)) };
}

export function adversariesText(all: readonly Ordeal[]): string {
  const mb = (bytes: number): string => `${Math.round(bytes / 2 ** 20)}`;
  const { speed: whole } = undisturbed(all);
  const rows = all.map((each) => [
    each.attack,
    each.wakeMs.p50.toFixed(2),
    each.wakeMs.p99.toFixed(2),
    each.loopMs.p999.toFixed(1),
    // Of its half; alone it has both.
    `${((each.speed / whole) * (isQuiet(each) ? 100 : 200)).toFixed(0)} %`,
    mb(each.before),
    mb(each.after),
    String(each.repeats),
    String(each.starts),
  ]);
  return tableText(
    ["attack", "wake p50", "p99 ms", "loop p99.9", "share kept", "MB before", "after", "repeated", "starts"],
    rows,
  );
}

/** What is out of bounds: the neighbour's p99 above twice the quiet one and 2 ms, less than 90 % kept, 10 % more memory. */
export function adversariesBars(all: readonly Ordeal[]): Bar[] {
  const { p99, speed: whole } = undisturbed(all);
  const worst = Math.max(2 * p99, 2);
  return all
    .filter((each) => !isQuiet(each))
    .flatMap(({ attack, wakeMs, speed, before, after }) => [
      { text: `${attack}: p99 ${wakeMs.p99.toFixed(2)} ms`, isMet: wakeMs.p99 <= worst, isTimed: true },
      { text: `${attack}: keeps ${((speed / whole) * 200).toFixed(0)} %`, isMet: speed >= 0.45 * whole, isTimed: true },
      {
        text: `${attack}: ${((after / before - 1) * 100).toFixed(0)} % more memory`,
        isMet: after <= MORE * before,
        isTimed: false,
      },
    ]);
}
