/**
 * Programs that others wrote: packages of npm, and the guests that use WASI. They are saved where they have not been
 * saved before; in exact mode that is before every instruction which they execute.
 */

import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CollectedOutput, FakeClock, MemoryDirectory, QueuedInput, type Random, Wasi } from "../../host/index.ts";
import {
  callGuest,
  type CompiledModule,
  type Func,
  type HostDefinition,
  type Imports,
  type Instance,
  Memory,
  type Resolver,
  Store,
} from "../../vm/index.ts";
import { hashModule, packageFile } from "../programs.ts";
import type { Program, World } from "./play.ts";

const require = createRequire(import.meta.url);
const GUESTS = fileURLToPath(new URL("../../../guests/wasm/", import.meta.url));
const encoder = new TextEncoder();

/** What a program is called with before the call that is saved. */
class Caller {
  readonly instance: Instance;
  readonly memory: Memory;

  constructor(module: CompiledModule, imports: Imports) {
    this.instance = new Store({ engine: module.engine }).instantiateSync(module, imports);
    const memory = this.instance.export("memory");
    if (!(memory instanceof Memory)) throw new TypeError("the program exports no memory");
    this.memory = memory;
  }

  call(name: string, ...args: unknown[]): number {
    return Number(this.instance.callSync(name, args)[0] ?? 0) >>> 0;
  }

  /** The address of bytes that are put where `allocate` says. */
  put(content: Uint8Array, allocate: string): number {
    const address = this.call(allocate, content.length);
    this.memory.write(address, content);
    return address;
  }
}

/** A program in a package. `prepare` gives the arguments of `func`. */
function packaged(
  name: string,
  bytes: Uint8Array,
  imports: Imports,
  func: string,
  prepare: (caller: Caller) => readonly unknown[],
): Program {
  return {
    name,
    modules: [bytes],
    world: () => ({ imports }),
    begin: ([module], world) => {
      const caller = new Caller(module!, world.imports);
      return caller.instance.invoke(func, prepare(caller));
    },
    isPortable: true,
  };
}

/** Functions that return `value`, whatever is imported under the names that `isKnown`. */
function returning(value: unknown, isKnown: (name: string) => boolean): Resolver {
  return (_module, name, type) => {
    if (type.kind !== "func" || !isKnown(name)) return undefined;
    const { params, results } = type;
    return { params, results, call: () => (results.length === 0 ? [] : value) };
  };
}

const HASHES = ["md5", "sha1", "sha512", "blake3", "sha3", "whirlpool", "ripemd160", "sm3", "xxhash128", "crc32"];

function hashes(): Program[] {
  const input = Uint8Array.from({ length: 700 }, (_, i) => (i * 7 + (i >> 3)) & 0xff);
  return HASHES.map((name) => {
    const bits: Readonly<Record<string, number>> = { sha512: 512, sha3: 512, blake3: 256, crc32: 0xedb88320 | 0 };
    return packaged(`${name} of hash-wasm`, hashModule(name), {}, "Hash_Update", (caller) => {
      caller.call("Hash_Init", ...[bits[name] ?? 0].slice(0, arity(caller.instance, "Hash_Init")));
      caller.memory.write(caller.call("Hash_GetBuffer"), input);
      return [input.length];
    });
  });
}

function arity(instance: Instance, name: string): number {
  return instance.exportedFunc(name).type.params.length;
}

const VLQ = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

function sourceMap(): Program {
  const mappings = Array.from({ length: 60 }, (_, line) =>
    Array.from({ length: line % 6 }, (_, i) => `C${VLQ[(line + i) % 32]}AC${VLQ[(i * 5) % 60]}B`).join(","),
  ).join(";");
  const content = encoder.encode(mappings);
  const imports = returning(0, (name) => name === "mapping_callback");
  const bytes = readFileSync(packageFile("source-map", "lib", "mappings.wasm"));
  return packaged("the mappings of source-map", bytes, imports, "parse_mappings", (caller) => [
    caller.put(content, "allocate_mappings"),
  ]);
}

function llhttp(): Program {
  const bytes = require(packageFile("undici", "lib", "llhttp", "llhttp-wasm.js")) as Uint8Array;
  const request =
    "POST /path?x=1 HTTP/1.1\r\nHost: example\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n5\r\nhello\r\n0\r\n\r\n" +
    "GET / HTTP/1.0\r\nUpgrade: a\r\nContent-Length: 3\r\n\r\nabcNONSENSE";
  const imports = returning(0, (name) => name.startsWith("wasm_on_"));
  return packaged("llhttp of undici", bytes, imports, "llhttp_execute", (caller) => {
    const parser = caller.call("llhttp_alloc", 1);
    return [parser, caller.put(encoder.encode(request), "malloc"), request.length];
  });
}

/** Scripts that use unlike parts of QuickJS. */
const SCRIPTS: Readonly<Record<string, string>> = {
  "arrays and closures": "[3, 1, 2].sort((a, b) => a - b).map((x) => x ** 2).concat([[1]].flat()).join()",
  "regular expressions":
    "'2024-02-29 x'.replace(/(\\d+)-(?<m>\\d+)-(\\d+)\\s*[a-z]?$/iu, '$3.$2.$1').split(/\\b/).length",
  JSON: 'JSON.stringify(JSON.parse(\'{"a":[0.5,1e21,null,true],"b":{"c":"x\\\\u00e9"}}\'), null, 1)',
  "large numbers":
    "String((2n ** 90n - 1n) / 12345678901n) + (0.1).toFixed(20) + Number.MAX_VALUE + parseFloat('1e-7')",
  "classes, generators and destructuring":
    "class A { #x = 1; get y() { return this.#x } static *z() { yield* [1, 2] } } class B extends A { constructor() { super() } } const { y, ...rest } = Object.assign(new B(), { q: 1 }); [...A.z(), y, Object.keys(rest)].length",
  "errors and finally":
    "(() => { try { try { null.x } finally { var a = 1 } } catch (e) { return e instanceof TypeError ? e.stack.length > 0 : a } })()",
  "typed arrays and proxies":
    "new Proxy(new Uint16Array([1, 2, 65537]), { get: (t, k) => (k in t ? t[k] : 7) })[2] + new DataView(new ArrayBuffer(9)).getFloat64(1) + new Map([[1, 2]]).size + new Set('aab').size",
  "dates and text":
    "new Date(86400000 * 365).toISOString() + 'äöü'.normalize('NFD').toUpperCase().padStart(9, '*') + encodeURIComponent('ä b')",
  "promises and async functions":
    "let r = 0; (async () => { for await (const x of [1, Promise.resolve(2)]) r += x })(); r",
};

function quickjs(): Program[] {
  const bytes = readFileSync(packageFile("quickjs-wasi", "quickjs.wasm"));
  /** `host_call` evaluates the script whose address it is told by the embedder. */
  const call: HostDefinition = {
    kind: "frame",
    params: ["i32", "i32", "i32", "i32", "i32"],
    results: ["i32"],
    call: (caller) => {
      const instance = caller.instance!;
      const view = new DataView(caller.memory().read(INNER_AT, 12).buffer);
      const [source = 0, length = 0, file = 0] = [0, 4, 8].map((at) => view.getUint32(at, true));
      return callGuest(instance.exportedFunc("qjs_eval") as Func, [source, length, file, 0], "evaluated");
    },
    continuations: { evaluated: (_caller, _state, outcome) => (outcome?.kind === "returned" ? outcome.values : 0) },
  };
  const others = returning(0, () => true);
  const imports: Resolver = (module, name, type) => (name === "host_call" ? call : others(module, name, type));
  const evaluating = (name: string, code: string, inner: string | null): Program =>
    packaged(`QuickJS: ${name}`, bytes, imports, "qjs_eval", (caller) => {
      caller.call("qjs_init");
      caller.call("qjs_set_max_stack_size", 32_768);
      const text = (value: string): number => caller.put(encoder.encode(`${value}\0`), "wasm_malloc");
      if (inner !== null) {
        const entry = new Uint32Array([text(inner), encoder.encode(inner).length, text("inner.js")]);
        caller.memory.write(INNER_AT, new Uint8Array(entry.buffer));
        const hostFunction = caller.call("qjs_new_host_function", text("host"), 4, 0);
        caller.call("qjs_set_prop_string", caller.call("qjs_get_global"), text("host"), hostFunction);
      }
      return [text(code), encoder.encode(code).length, text("test.js"), 0];
    });
  const scripts = Object.entries(SCRIPTS);
  return [
    ...scripts.map(([name, code]) => evaluating(name, code, null)),
    evaluating(
      "scripts in a host frame",
      "[host(1), host(2)].length",
      scripts
        .map(([, code]) => `{ ${code} }`)
        .slice(0, 5)
        .join(";"),
    ),
  ];
}

/** Below what C programs use. */
const INNER_AT = 16;

interface WasiGuest {
  readonly file: string;
  readonly args?: readonly string[];
  readonly stdin?: string;
}

const WASI_GUESTS: readonly WasiGuest[] = [
  { file: "hello" },
  { file: "exit3" },
  { file: "args", args: ["one", "two"] },
  { file: "clock", args: ["20"] },
  { file: "words", stdin: "a text of some words, of which some are words of the text\n" },
  { file: "cat", stdin: "lines\nof text\n" },
  { file: "list" },
  { file: "trap", args: ["divide"] },
  { file: "trap", args: ["unreachable"] },
];

/** A call that is issued again gets the bytes that it would have got. */
const SAME_BYTES: Random = {
  fill: (bytes) => {
    for (let i = 0; i < bytes.length; i++) bytes[i] = i * 37 + 11;
  },
};

function wasiWorld(file: string, args: readonly string[], stdin: string): World {
  const clock = new FakeClock();
  const stdout = new CollectedOutput();
  const { imports } = new Wasi({
    args: [`${file}.wasm`, ...args],
    env: ["A=b"],
    stdin: new QueuedInput(stdin),
    stdout,
    stderr: stdout,
    clock,
    random: SAME_BYTES,
    preopens: [{ name: "/", directory: MemoryDirectory.create(clock) }],
  });
  return { imports, answer: () => clock.advance(1_000_000_000n), output: () => stdout.text };
}

/** A command of the guests, with streams, a clock and files of its own. */
function wasi({ file, args = [], stdin = "" }: WasiGuest): Program[] {
  const path = join(GUESTS, "wasi", `${file}.wasm`);
  if (!existsSync(path)) return [];
  return [
    {
      name: [`${file} with WASI`, ...args].join(" "),
      modules: [readFileSync(path)],
      world: () => wasiWorld(file, args, stdin),
      begin: ([module], { imports }) =>
        new Store({ engine: module!.engine }).instantiateSync(module!, imports).invoke("_start"),
      isPortable: false,
    },
  ];
}

const RUBY = fileURLToPath(
  new URL("../../../spec-tests/oracles/node_modules/@ruby/3.4-wasm-wasi/dist/ruby.wasm", import.meta.url),
);

/** Ruby makes itself ready for a script, and parses it: 150 million instructions on 56 MB. Null if it is not installed. */
export function ruby(): Program | null {
  if (!existsSync(RUBY)) return null;
  const others = returning(0, () => true);
  const script = ["ruby", "-e", "puts (1..20).map { |x| x ** 2 }.select(&:even?).inspect", "-EUTF-8"];
  return {
    name: "Ruby",
    modules: [readFileSync(RUBY)],
    world: () => {
      const world = wasiWorld("ruby", [], "");
      const wasi = world.imports as Readonly<Record<string, Readonly<Record<string, HostDefinition>>>>;
      const imports: Resolver = (module, name, type) => wasi[module]?.[name] ?? others(module, name, type);
      return { ...world, imports };
    },
    begin: ([module], { imports }) => {
      const caller = new Caller(module!, imports);
      caller.call("_initialize");
      const put = (content: Uint8Array): number => {
        const address = caller.call("cabi_realloc", 0, 0, 4, content.length);
        caller.memory.write(address, content);
        return address;
      };
      const list = script.flatMap((text) => [put(encoder.encode(`${text}\0`)), text.length]);
      const args = [put(new Uint8Array(Uint32Array.from(list).buffer)), script.length];
      return caller.instance.invoke("ruby-init: func(args: list<string>) -> ()", args);
    },
    isPortable: false,
  };
}

export const wasiPrograms = (): Program[] => WASI_GUESTS.flatMap(wasi);

/** The last ones are large. */
export const packagedPrograms = (): Program[] => [...hashes(), sourceMap(), llhttp(), ...quickjs()];
