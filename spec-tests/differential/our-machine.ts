/** Our engine as a machine for plans: in turns of a given size, up to a limit of fuel. */

import {
  CompileError,
  compileSync,
  Engine,
  Func,
  FuelExhausted,
  GuestException,
  type Instance,
  type Invocation,
  LinkError,
  Memory,
  type Proposal,
  Store,
  Table,
  Trap,
  type TurnOptions,
} from "../../vm/index.ts";
import { type End, type Machine, OK } from "./plan.ts";
import { hash } from "./v8-machine.ts";

export interface OurMachine extends Machine<Instance> {
  /** Of all runs so far. */
  fuelUsed: number;
}

/** A run that needs more is not compared. */
export const FUEL_LIMIT = 2_000_000;

/** Traps by the words that both engines use for their class. */
const CLASSES: ReadonlyMap<string, string> = new Map([
  ["null array reference", "null reference"],
  ["null exception reference", "null reference"],
  ["null function reference", "null reference"],
  ["null i31 reference", "null reference"],
  ["null structure reference", "null reference"],
]);

const engines = new Map<string, Engine>();

export function ourMachine(turn: TurnOptions, proposals: readonly string[] = []): OurMachine {
  const key = proposals.join();
  const engine = engines.get(key) ?? new Engine({ proposals: new Set(proposals as readonly Proposal[]) });
  engines.set(key, engine);
  const store = new Store({ engine });
  const finish = (begin: () => Invocation): End => {
    let invocation: Invocation | null = null;
    try {
      invocation = begin();
      return turns(invocation, turn);
    } catch (error) {
      return endOf(error);
    } finally {
      machine.fuelUsed += invocation?.fuelUsed ?? 0;
    }
  };
  const machine: OurMachine = {
    fuelUsed: 0,
    validate: (bytes) => {
      try {
        compileSync(bytes, { engine });
        return OK;
      } catch (error) {
        if (!(error instanceof CompileError)) throw error;
        return { kind: "invalid", text: error.message };
      }
    },
    instantiate: (bytes, imports) => {
      let instance: Instance | null = null;
      const end = finish(() => {
        const begun = store.instantiation(compileSync(bytes, { engine }), (module, name) => {
          const found = imports.find((provision) => provision.module === module && provision.name === name);
          return found?.from ? found.instance?.export(found.from.export) : undefined;
        });
        instance = begun.instance;
        return begun.invocation;
      });
      return { end, instance: end.kind === "ok" ? instance : null };
    },
    call: (instance, name, hosts) => finish(() => store.invoke(instance.export(name) as Func, hosts, { bits: true })),
    memory: (instance, name, limit) => {
      const memory = instance.export(name) as Memory;
      return { bytes: memory.read(0, Math.min(memory.byteLength, limit)), byteLength: memory.byteLength };
    },
    write: (instance, name, address, bytes) => (instance.export(name) as Memory).write(address, bytes),
    tableItem: (instance, name, index) => (instance.export(name) as Table).get(index),
    hash,
  };
  return machine;
}

function turns(invocation: Invocation, turn: TurnOptions): End {
  for (;;) {
    const left = FUEL_LIMIT - invocation.fuelUsed;
    const outcome = invocation.run({ ...turn, fuel: Math.min(left, turn.fuel ?? left) });
    if (outcome.kind === "returned") return OK;
    if (outcome.kind === "waiting") {
      invocation.terminate(new FuelExhausted());
      return { kind: "stop", text: "waits" };
    }
    if (outcome.reason === "fuel" && outcome.fuelUsed >= FUEL_LIMIT) {
      invocation.terminate(new FuelExhausted());
      return { kind: "stop", text: "fuel" };
    }
  }
}

function endOf(error: unknown): End {
  if (error instanceof Trap) return { kind: "trap", text: CLASSES.get(error.reason) ?? error.reason };
  if (error instanceof LinkError) return { kind: "link", text: error.message };
  if (error instanceof CompileError) return { kind: "invalid", text: error.message };
  if (error instanceof GuestException) return { kind: "exception", text: "" };
  return { kind: "stop", text: error instanceof Error ? `${error.name}: ${error.message}` : String(error) };
}
