/**
 * The same program on our engine and on the host's, behind one interface, so that a test can play
 * one scenario on both and compare what it saw; and where packages keep their programs.
 */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { compileSync, Func, type HostDefinition, Memory, Store } from "../vm/index.ts";

const require = createRequire(import.meta.url);

/** A file of a package, whatever the package exports. */
export function packageFile(name: string, ...path: string[]): string {
  return join(dirname(require.resolve(`${name}/package.json`)), ...path);
}

/** A module that a file of hash-wasm carries as text. */
export function hashModule(name: string): Uint8Array {
  const text = readFileSync(packageFile("hash-wasm", "dist", `${name}.umd.min.js`), "utf8");
  const data = /data:"([A-Za-z0-9+/=]+)"/.exec(text)?.[1];
  if (data === undefined) throw new Error(`no module in ${name}`);
  return Buffer.from(data, "base64");
}

type Num = number | bigint;

export interface Program {
  call(name: string, ...args: readonly Num[]): Num | undefined;
  read(address: number, length: number): Uint8Array;
  write(address: number, bytes: Uint8Array): void;
}

/** An imported function; it may look into the program that calls it. */
export type Import = (program: Program, ...args: readonly Num[]) => Num | undefined;
export type ProgramImports = Readonly<Record<string, Readonly<Record<string, Import>>>>;

/** On our engine. */
export function ourProgram(bytes: Uint8Array, imports: ProgramImports): Program {
  const module = compileSync(bytes);
  const definitions: Record<string, Record<string, HostDefinition>> = {};
  for (const { module: from, name, type } of module.imports) {
    const implementation = imports[from]?.[name];
    if (type.kind !== "func" || implementation === undefined) throw new TypeError(`no import ${from}.${name}`);
    definitions[from] ??= {};
    definitions[from][name] = {
      params: type.params,
      results: type.results,
      call: (_caller, ...args: Num[]) => implementation(program, ...args),
    };
  }
  const instance = new Store().instantiateSync(module, definitions);
  const memory = instance.exports.get("memory");
  if (!(memory instanceof Memory)) throw new TypeError("the program exports no memory");
  const program: Program = {
    call: (name, ...args) => {
      const func = instance.exports.get(name);
      if (!(func instanceof Func)) throw new TypeError(`no function ${name}`);
      // Arguments too many are ignored, as JavaScript does for the host's functions.
      return instance.callSync(name, args.slice(0, func.type.params.length))[0] as Num | undefined;
    },
    read: (address, length) => memory.read(address, length),
    write: (address, content) => memory.write(address, content),
  };
  if (instance.exports.get("_initialize") instanceof Func) program.call("_initialize");
  return program;
}

/** On the host's engine. */
export function hostProgram(bytes: Uint8Array, imports: ProgramImports): Program {
  const module = new WebAssembly.Module(bytes);
  const functions: WebAssembly.Imports = {};
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    functions[from] ??= {};
    functions[from][name] = (...args: Num[]) => imports[from]?.[name]?.(program, ...args);
  }
  const { exports } = new WebAssembly.Instance(module, functions);
  const memory = exports["memory"] as WebAssembly.Memory;
  const program: Program = {
    call: (name, ...args) => (exports[name] as (...args: readonly Num[]) => Num | undefined)(...args),
    read: (address, length) => new Uint8Array(memory.buffer, address, length).slice(),
    write: (address, content) => new Uint8Array(memory.buffer).set(content, address),
  };
  if ("_initialize" in exports) program.call("_initialize");
  return program;
}
