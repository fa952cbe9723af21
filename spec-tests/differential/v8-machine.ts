/** V8's engine as a machine for plans: that of the process it runs in. */

import { createHash } from "node:crypto";
import { type End, type Machine, OK, type Provision } from "./plan.ts";

type Instance = WebAssembly.Exports;

/** V8's messages, and the class of trap that each stands for: `|` where one message covers several of the specification. */
const TRAPS: readonly (readonly [pattern: RegExp, trap: string])[] = [
  [/^unreachable/, "unreachable"],
  [/^memory access out of bounds/, "out of bounds memory access"],
  [/^data segment .*out of bounds|^data segment \d+ is out of bounds/, "out of bounds memory access"],
  [/^(divide|remainder) by zero/, "integer divide by zero"],
  [/^divide result unrepresentable/, "integer overflow"],
  [/^float unrepresentable/, "integer overflow|invalid conversion to integer"],
  [/^table index is out of bounds/, "undefined element|out of bounds table access"],
  [
    /^table (access )?out of bounds|^table initializer|^element segment .*out of bounds|^table \d+ is out of bounds/,
    "out of bounds table access",
  ],
  [
    /^null function or function signature mismatch|^function signature mismatch/,
    "uninitialized element|indirect call type mismatch",
  ],
  [/^dereferencing a null pointer/, "null reference"],
  [/^illegal cast/, "cast failure"],
  [/^array element access out of bounds/, "out of bounds array access"],
  [/^requested new array is too large/, "array too large"],
  [/^operation does not support unaligned accesses/, "unaligned atomic"],
  [/^rethrowing null value/, "null reference"],
  [/^Atomics.wait/, "expected shared memory"],
];

export function v8Machine(): Machine<Instance> {
  return {
    validate: (bytes) => {
      try {
        new WebAssembly.Module(bytes);
        return OK;
      } catch (error) {
        return { kind: "invalid", text: messageOf(error) };
      }
    },
    instantiate: (bytes, imports) => {
      try {
        const module = new WebAssembly.Module(bytes);
        return { end: OK, instance: new WebAssembly.Instance(module, importsObject(imports)).exports };
      } catch (error) {
        return { end: endOf(error), instance: null };
      }
    },
    call: (instance, name, hosts) => {
      try {
        (instance[name] as (...args: readonly unknown[]) => unknown)(...hosts);
        return OK;
      } catch (error) {
        return endOf(error);
      }
    },
    memory: (instance, name, limit) => {
      const { buffer } = instance[name] as WebAssembly.Memory;
      return { bytes: new Uint8Array(buffer, 0, Math.min(buffer.byteLength, limit)), byteLength: buffer.byteLength };
    },
    write: (instance, name, address, bytes) => {
      new Uint8Array((instance[name] as WebAssembly.Memory).buffer).set(bytes, address);
    },
    tableItem: (instance, name, index) => (instance[name] as WebAssembly.Table).get(index),
    hash,
  };
}

const BLOCK = new Uint8Array(4_096);

/** What stands for the bytes of a memory in an outcome. Blocks of zeros are left out: most are. */
export function hash(bytes: Uint8Array): string {
  const sum = createHash("sha256");
  for (let at = 0; at < bytes.length; at += BLOCK.length) {
    const block = bytes.subarray(at, at + BLOCK.length);
    if (Buffer.compare(block, BLOCK) !== 0) sum.update(`${at}:`).update(block);
  }
  return sum.digest("hex").slice(0, 16);
}

function importsObject(imports: readonly (Provision & { readonly instance: Instance | null })[]): WebAssembly.Imports {
  const object: WebAssembly.Imports = {};
  for (const { module, name, from, instance } of imports) {
    const value = from === null || instance === null ? undefined : instance[from.export];
    if (value === undefined) continue;
    object[module] ??= {};
    object[module][name] = value;
  }
  return object;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function endOf(error: unknown): End {
  const message = messageOf(error);
  if (error instanceof WebAssembly.LinkError) return { kind: "link", text: message };
  if (error instanceof WebAssembly.CompileError) return { kind: "invalid", text: message };
  if (error instanceof RangeError && /call stack/.test(message)) return { kind: "trap", text: "call stack exhausted" };
  if (error instanceof WebAssembly.RuntimeError) {
    // Instantiation puts its own words before the message.
    const own = message.replace(/^WebAssembly\.\w+\(\): /, "");
    const trap = TRAPS.find(([pattern]) => pattern.test(own));
    return { kind: "trap", text: trap === undefined ? `? ${own}` : trap[1] };
  }
  if (error instanceof WebAssembly.Exception) return { kind: "exception", text: "" };
  if (error instanceof TypeError && /import/i.test(message)) return { kind: "link", text: message };
  return { kind: "stop", text: `${(error as Error).name}: ${message}` };
}
