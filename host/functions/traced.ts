/**
 * Calls of the embedder's functions, for the trace. Ours say themselves what they have changed; for the others it is seen from
 * outside, on their arguments, their results, and what they write through their caller. Nothing of this is made while nobody traces.
 */

import {
  FrameRequest,
  SUSPEND,
  type Caller,
  type DirectCaller,
  type HostDefinition,
  type Memory,
} from "../../vm/index.ts";
import { type Process, processOf } from "../process.ts";
import { EffectHash } from "./effect-hash.ts";

/** Any of its forms, with whatever arguments. */
type AnyCall = (caller: Caller, ...args: unknown[]) => unknown;

const ours = new WeakSet<HostDefinition>();
/** By name: one definition may stand for several imports. */
const known = new WeakMap<HostDefinition, Map<string, HostDefinition>>();

/** Says that the calls of a definition tell the trace themselves. */
export function tracesItself<T extends HostDefinition>(definition: T): T {
  ours.add(definition);
  return definition;
}

/** Whether it is one of those. */
export function isOurs(definition: HostDefinition): boolean {
  return ours.has(definition);
}

/** The definition with its calls traced under this name. The same for the same. */
export function traced(definition: HostDefinition, name: string): HostDefinition {
  if (isOurs(definition)) return definition;
  let named = known.get(definition);
  if (named === undefined) known.set(definition, (named = new Map()));
  let made = named.get(name);
  if (made === undefined) named.set(name, (made = tracedDefinition(definition, name)));
  return made;
}

function tracedDefinition(definition: HostDefinition, name: string): HostDefinition {
  const { kind, params } = definition;
  const call = (caller: Caller, ...args: unknown[]): unknown => {
    const effects = new EffectHash();
    const values = kind === "direct" ? directArguments(params, caller as DirectCaller) : args;
    for (const value of values) effects.result(value);
    return finish(name, processOf(caller), effects, (definition.call as AnyCall)(observed(caller, effects), ...args));
  };
  const made = { ...definition, params, results: definition.results, call };
  if (!("continuations" in definition) || definition.continuations === undefined) return made as HostDefinition;
  const steps = Object.entries(definition.continuations).map(([step, run]) => [
    step,
    (caller: Caller, ...rest: unknown[]): unknown => {
      const effects = new EffectHash();
      return finish(name, processOf(caller), effects, (run as AnyCall)(observed(caller, effects), ...rest));
    },
  ]);
  return { ...made, continuations: Object.fromEntries(steps) } as HostDefinition;
}

function directArguments(params: readonly string[], caller: DirectCaller): unknown[] {
  return params.map((type, i) => (type === "i32" ? caller.i32(i) : type === "i64" ? caller.i64(i) : caller.f64(i)));
}

/** A step that asks for more is told too: what it wrote would be forgotten. */
function finish(name: string, process: Process, effects: EffectHash, result: unknown): unknown {
  if (result instanceof Promise) return result.then((late: unknown) => finish(name, process, effects, late));
  if (result === SUSPEND) process.hostCall.traced = { name, effects };
  // A late answer reaches nobody.
  else if (!process.hasEnded) {
    if (!(result instanceof FrameRequest))
      for (const value of Array.isArray(result) ? result : [result]) effects.result(value);
    process.hostCall.trace(name, effects);
  }
  return result;
}

/** The caller, whose memories remember what is written to them. */
function observed(caller: Caller, effects: EffectHash): Caller {
  return proxyOf(caller, (key, method) =>
    key === "memory" ? (...args: unknown[]) => observedMemory(method(...args) as Memory, effects) : method,
  );
}

const targets = new WeakMap<object, Memory>();

/** Where a method of a memory has written: the address and how many bytes. */
const WRITTEN: Readonly<Record<string, (...args: never[]) => readonly [address: number, byteLength: number]>> = {
  write: (address: number, bytes: Uint8Array) => [address, bytes.length],
  writeFrom: (address: number, _source: unknown, _at: number, byteLength: number) => [address, byteLength],
  fill: (address: number, _value: number, byteLength: number) => [address, byteLength],
  copyFrom: (_source: unknown, address: number, _from: number, byteLength: number) => [address, byteLength],
  writeU8: (address: number) => [address, 1],
  writeU16: (address: number) => [address, 2],
  writeU32: (address: number) => [address, 4],
  writeU64: (address: number) => [address, 8],
};

function observedMemory(memory: Memory, effects: EffectHash): Memory {
  const proxy = proxyOf(memory, (key, method) => {
    const written = typeof key === "string" && Object.hasOwn(WRITTEN, key) ? WRITTEN[key]! : null;
    if (written === null) return method;
    return (...args: unknown[]) => {
      const result = method(
        ...args.map((arg) => (typeof arg === "object" && arg !== null ? (targets.get(arg) ?? arg) : arg)),
      );
      const [address, byteLength] = written(...(args as never[]));
      effects.write(address, memory.read(address, byteLength));
      return result;
    };
  });
  targets.set(proxy, memory);
  return proxy;
}

/** The object with its methods changed. Private members are those of the object itself. */
function proxyOf<T extends object>(
  target: T,
  change: (key: string | symbol, method: (...args: unknown[]) => unknown) => unknown,
): T {
  return new Proxy(target, {
    get(_target, key) {
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? change(key, value.bind(target)) : value;
    },
  });
}
