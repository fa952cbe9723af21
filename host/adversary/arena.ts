/**
 * For tests: an attacker in a group with an operator's limits, and a neighbour in another group of
 * the same runtime. The neighbour is a client that asks a server every millisecond, and a loop that
 * uses all it can get. Time is virtual and follows from the charge and the seed, so what each of
 * them gets is the same on every machine.
 */

import { expect } from "chai";
import { eventLoopTurn, type HostDefinition } from "../../vm/index.ts";
import type { BasicProcess } from "../basic-process.ts";
import { Executor } from "../executor.ts";
import { guestFunctions } from "../functions/host-definition.ts";
import { compileGuest } from "../functions/testing.ts";
import { Account, type Group } from "../group.ts";
import type { Process } from "../process.ts";
import { Runtime, type RuntimeOptions, type SpawnOptions } from "../runtime.ts";
import { type Attack, LIMITS } from "./attacks.ts";
import { reasonText } from "../signal.ts";

const PERIOD_MS = 1;
/** Work of the client in each period, half a percent of the time. */
const WORK_FUEL = 5_000;

const CLIENT = `
  (import "arena" "before" (func $before)) (import "arena" "after" (func $after (param i64)))
  (memory (export "memory") 1)
  (func (export "client") (param $server i64) (local $n i64) (local $work i32)
    (loop $again
      (call $before)
      (call $process::sleep_ms (i64.const ${PERIOD_MS}))
      (local.set $n (i64.add (local.get $n) (i64.const 1)))
      (i64.store (i32.const 0) (call $process::process_id))
      (i64.store (i32.const 8) (local.get $n))
      (call $message::create_data (i64.const 7) (i64.const 16))
      (drop (call $message::write_data (i32.const 0) (i32.const 16)))
      (drop (call $message::send_receive_skip_search (local.get $server) (i64.const 7) (i64.const -1)))
      (drop (call $message::read_data (i32.const 16) (i32.const 8)))
      (call $after (i64.sub (i64.load (i32.const 16)) (i64.mul (local.get $n) (local.get $n))))
      (local.set $work (i32.const ${WORK_FUEL / 5}))
      (loop $more (br_if $more (local.tee $work (i32.sub (local.get $work) (i32.const 1)))))
      (br $again)))
  (func (export "server") (local $n i64)
    (loop $again
      (drop (call $message::receive (i32.const 0) (i32.const 0) (i64.const -1)))
      (if (i64.ne (call $message::get_tag) (i64.const 7)) (then (br $again)))
      (drop (call $message::read_data (i32.const 0) (i32.const 16)))
      (local.set $n (i64.load (i32.const 8)))
      (i64.store (i32.const 16) (i64.mul (local.get $n) (local.get $n)))
      (call $message::create_data (i64.const 7) (i64.const 8))
      (drop (call $message::write_data (i32.const 16) (i32.const 8)))
      (drop (call $message::send (i64.load (i32.const 0))))
      (br $again)))
  (func (export "loop") (loop $again (br $again)))`;

export interface ArenaOptions {
  /** How long the attacker may go on, in milliseconds of virtual time. Default 20. */
  readonly forMs?: number;
  readonly runtime?: RuntimeOptions;
  /** Called again and again meanwhile. */
  readonly during?: (arena: Arena) => void;
}

export interface Outcome {
  /** What the attacker told the test. */
  readonly notes: readonly number[];
  /** Fuel that its first process used. */
  readonly fuel: number;
  /** How the attacker's first process ended by itself, or "alive" when it was still there. */
  readonly end: string;
  /** Processes that the attacker's group had before it was ended. */
  readonly processes: number;
  /** Answers that the client got meanwhile. */
  readonly answers: number;
  /** The latest that it woke, in milliseconds. */
  readonly lateMs: number;
  /** The loop's part of all charge. */
  readonly share: number;
  /** Bytes that the attacker's group had at most when anybody looked. */
  readonly bytes: number;
}

export class Arena {
  readonly executor: Executor;
  readonly runtime: Runtime;
  readonly group: Group;
  readonly neighbours: Group;
  readonly #attack: Attack;
  readonly #options: ArenaOptions;
  readonly server: Process;
  readonly client: Process;
  readonly loop: Process;
  #dueMs = 0;
  #late: number[] = [];
  #wrong = 0;
  readonly notes: number[] = [];

  constructor(attack: Attack, options: ArenaOptions = {}) {
    this.#attack = attack;
    this.#options = options;
    const source = { nowMs: () => 0, nextTurn: () => {}, wakeAfter: () => () => {} };
    this.executor = new Executor({ seed: 1, source });
    const own: Readonly<Record<string, HostDefinition>> = {
      before: plain([], () => {
        this.#dueMs = Math.ceil(this.executor.nowMs() + PERIOD_MS);
      }),
      note: plain(["i64"], (value: bigint) => {
        this.notes.push(Number(value));
      }),
      after: plain(["i64"], (difference: bigint) => {
        this.#late.push(this.executor.nowMs() - this.#dueMs);
        if (difference !== 0n) this.#wrong++;
      }),
    };
    this.runtime = new Runtime({
      executor: this.executor,
      functions: [(module, name) => (module === "arena" ? own[name] : undefined), guestFunctions],
      ...options.runtime,
    });
    this.neighbours = this.runtime.createGroup({ name: "neighbours" });
    this.group = this.runtime.createGroup({ name: "attacker", ...LIMITS, ...attack.limits });
    const module = compileGuest(CLIENT);
    const start = (entry: string, options: SpawnOptions = {}): Process =>
      this.runtime.spawn(module, { entry, group: this.neighbours, ...options }).process as Process;
    this.server = start("server");
    this.client = start("client", { args: [BigInt(this.server.pid)] });
    this.loop = start("loop");
    this.runtime.environment.registry.put("service", registered(this.server), this.neighbours);
    this.executor.runUntilIdle(100);
  }

  async #runFor(virtualMs: number, look: () => void = () => {}): Promise<void> {
    const endMs = this.executor.nowMs() + virtualMs;
    for (let turns = 1; this.executor.nowMs() < endMs; turns++) {
      this.executor.runUntilIdle(1);
      look();
      // Files and promises go on.
      if (turns % 16 === 0) await eventLoopTurn();
    }
  }

  /** Lets the attacker do what it can, ends its group, and expects that nothing is left of it. */
  async run(meanwhile: (attacker: Process) => Promise<void> | void = () => {}): Promise<Outcome> {
    const { runtime, executor, group, loop } = this;
    const { guest, config } = this.#attack;
    const { forMs = 20, during } = this.#options;
    const others = heldBy(this.neighbours);
    this.#late = [];
    const chargeBefore = executor.stats.charge;
    const fuelBefore = loop.fuelUsed;
    const attacker = runtime.spawn(compileGuest(guest), {
      entry: "main",
      group,
      ...(config === undefined ? {} : { config }),
    }).process as Process;
    let bytes = 0;
    await this.#runFor(forMs, () => {
      bytes = Math.max(bytes, group.used(Account.Memory));
      during?.(this);
    });
    const share = (loop.fuelUsed - fuelBefore) / (executor.stats.charge - chargeBefore);
    await meanwhile(attacker);
    const { exitReason } = attacker;
    const outcome = {
      end: exitReason === null ? "alive" : reasonText(exitReason),
      processes: group.used(Account.Processes),
      answers: this.#late.length,
      lateMs: Math.max(...this.#late),
      share,
      bytes,
      notes: this.notes,
      fuel: attacker.fuelUsed,
    };
    expect(this.neighboursLive, "all neighbours live").to.equal(true);
    expect(heldBy(this.neighbours), "the neighbours' accounts").to.deep.equal(others);
    await this.#end();
    expect(this.#wrong, "wrong answers").to.equal(0);
    return outcome;
  }

  /** All accounts are back to zero after it, the runtime's own too. */
  async #end(): Promise<void> {
    const { runtime, executor, group } = this;
    const ended = runtime.endGroup(group);
    let isOver = false;
    void ended.then(() => {
      isOver = true;
    });
    for (let turns = 0; !isOver; turns++) {
      expect(turns, "turns until the attacker has ended").to.be.below(20_000);
      executor.runUntilIdle(8);
      await eventLoopTurn();
    }
    await ended;
    // What it has sent is paid for until it is read, or its reader has ended.
    this.loop.kill({ kind: "killed", by: null });
    await this.#runFor(3);
    expect(usedBy(group), "the attacker's accounts").to.deep.equal(NOTHING);
    expect(usedBy(runtime.group), "the runtime's accounts").to.deep.equal(usedBy(this.neighbours));
  }

  /** The others' processes live, and are none of the attacker's. */
  get neighboursLive(): boolean {
    return [this.server, this.client, this.loop].every(({ hasEnded }) => !hasEnded);
  }

  /** Living processes of the attacker. */
  attackers(): BasicProcess[] {
    return [...this.runtime.environment.processes()].filter((process) => process.group.isWithin(this.group));
  }
}

const ACCOUNTS = {
  memory: Account.Memory,
  processes: Account.Processes,
  timers: Account.Timers,
  names: Account.Names,
  descriptors: Account.Descriptors,
  series: Account.Series,
  outside: Account.Outside,
};

const NOTHING = Object.fromEntries(Object.keys(ACCOUNTS).map((name) => [name, 0]));

function usedBy(group: Group): Record<string, number> {
  return Object.fromEntries(Object.entries(ACCOUNTS).map(([name, account]) => [name, group.used(account)]));
}

/** Without the bytes of messages that are under way at this moment. */
function heldBy(group: Group): Record<string, number> {
  return { ...usedBy(group), memory: Math.round(usedBy(group)["memory"]! / 4_096) };
}

function registered({ pid }: Process): { nodeId: bigint; processId: bigint } {
  return { nodeId: 0n, processId: BigInt(pid) };
}

function plain(params: readonly string[], call: (...args: never[]) => void): HostDefinition {
  return {
    params,
    results: [],
    call(_caller: unknown, ...args: never[]) {
      call(...args);
      return [];
    },
  };
}

/** What every neighbour may expect: answers in time, and nine tenths of its half of the CPU. */
export function expectUnharmed({ answers, lateMs, share }: Outcome, forMs = 20): void {
  expect(lateMs, "milliseconds late").to.be.at.most(2);
  // A period is one to two milliseconds: timers fire on whole ones.
  expect(answers, "answers").to.be.at.least(Math.floor(forMs / (2 * PERIOD_MS)) - 1);
  expect(share, "share").to.be.at.least(0.45);
}
